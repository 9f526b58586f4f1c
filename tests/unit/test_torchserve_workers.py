import json

import pytest

from services.torchserve.workers import has_ready_worker


def description(*statuses):
    return json.dumps([{"modelName": "sarcasm", "workers": [{"status": status} for status in statuses]}])


@pytest.mark.parametrize(
    ("text", "ready"),
    [
        (description("READY"), True),
        (description("UNLOADING", "READY"), True),
        (description("UNLOADING"), False),
        (description(), False),
        ("[]", False),
        ("", False),
        ("{}", False),
        ("null", False),
        ('[{"workers": [{}]}]', False),
    ],
)
def test_a_worker_that_serves_makes_an_archive_ready(text, ready):
    assert has_ready_worker(text) is ready
