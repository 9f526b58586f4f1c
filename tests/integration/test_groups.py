"""Tests of whole stacks take turns: two at once leave each other too few cores for what they wait for."""

import os

import pytest


@pytest.mark.skipif(
    "PYTEST_XDIST_WORKER" not in os.environ, reason="only `make test` spreads tests over workers"
)
def test_tests_of_stacks_share_a_worker(request, archives):
    assert request.node.nodeid.endswith("@stacks")
