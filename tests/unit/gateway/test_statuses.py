"""The table of errors, a test a row, and the bounds of a status."""

import re
from pathlib import Path

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from hypothesis import given
from hypothesis import strategies as st

from attendant import errors
from attendant.errors import AttendantError, Reason, Violation
from attendant.wire.statuses import Status
from services.gateway.statuses import CODES, shorten, to_response, to_status

# As docs/api.md has it: reason, gRPC code and number, HTTP code.
ROWS = [
    ("INVALID_INPUT", "INVALID_ARGUMENT", 3, 400),
    ("MODEL_NOT_FOUND", "NOT_FOUND", 5, 404),
    ("VERSION_NOT_FOUND", "NOT_FOUND", 5, 404),
    ("PATH_NOT_FOUND", "NOT_FOUND", 5, 404),
    ("VERB_NOT_ALLOWED", "UNIMPLEMENTED", 12, 405),
    ("METHOD_NOT_AVAILABLE", "UNIMPLEMENTED", 12, 501),
    ("OVERLOADED", "RESOURCE_EXHAUSTED", 8, 429),
    ("RATE_LIMITED", "RESOURCE_EXHAUSTED", 8, 429),
    ("BACKEND_UNAVAILABLE", "UNAVAILABLE", 14, 503),
    ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED", 4, 504),
    ("UNAUTHENTICATED", "UNAUTHENTICATED", 16, 401),
    ("FORBIDDEN", "PERMISSION_DENIED", 7, 403),
    ("INTERNAL", "INTERNAL", 13, 500),
]


@pytest.mark.parametrize(("reason", "name", "number", "http"), ROWS)
def test_each_reason_has_its_codes_and_an_error_info(reason, name, number, http):
    assert CODES[Reason(reason)].grpc is grpc.StatusCode[name]
    assert CODES[Reason(reason)].http == http
    status = to_status(AttendantError("why", Reason(reason)))
    info = ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (status.code, status.message, info.reason, info.domain) == (number, "why", reason, "attendant.v1")


def test_no_reason_is_missing():
    assert {row[0] for row in ROWS} == set(Reason) == set(CODES)


def test_the_document_has_the_same_table():
    document = (Path(__file__).resolve().parents[3] / "docs" / "api.md").read_text()
    found = re.findall(r"^\| `([A-Z_]+)` \| ([A-Z_]+) \| (\d+) \|", document, re.MULTILINE)
    assert found == [(reason, name, str(http)) for reason, name, _, http in ROWS]


def test_bad_input_names_every_field():
    error = AttendantError("bad", Reason.INVALID_INPUT, (Violation("a.b", "too long"), Violation("c", "NaN")))
    bad = BadRequest()
    (found,) = [detail for detail in to_status(error).details if detail.Unpack(bad)]
    assert found is not None
    assert [(row.field, row.description) for row in bad.field_violations] == [
        ("a.b", "too long"),
        ("c", "NaN"),
    ]


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (errors.overloaded("it", 4, 0.25), 0.25),
        (errors.rate_limited(4, 0.0125), 0.013),
        (errors.backend_unavailable("down", 1.5), 1.5),
    ],
)
def test_overload_and_outage_say_when_to_try_again(error, seconds):
    retry = RetryInfo()
    assert any(detail.Unpack(retry) for detail in to_status(error).details)
    assert retry.retry_delay.ToNanoseconds() == seconds * 1e9


def test_other_errors_do_not_ask_to_try_again():
    retry = RetryInfo()
    assert not any(detail.Unpack(retry) for detail in to_status(errors.internal()).details)


TEXT = st.text(max_size=2000) | st.just("ü" * 100_000)


@given(
    message=TEXT,
    violations=st.lists(st.builds(Violation, TEXT, TEXT), max_size=30),
    metadata=st.dictionaries(st.sampled_from(["model", "version", "request_id"]), TEXT),
)
def test_whatever_the_caller_sent_a_status_fits_into_trailers(message, violations, metadata):
    status = to_status(AttendantError(message, Reason.INVALID_INPUT, tuple(violations), metadata))
    percent_encoded = sum(
        3 if byte > 126 or byte < 32 or byte == 37 else 1 for byte in status.message.encode()
    )
    assert percent_encoded + status.ByteSize() * 4 / 3 < 8000
    read = Status.from_bytes(status.SerializeToString())
    assert bool(read.violations) == bool(violations)


def test_violations_that_do_not_fit_are_counted():
    violations = tuple(Violation(f"field[{n}]", "x" * 400) for n in range(100))
    read = Status.from_message(to_status(AttendantError("bad", Reason.INVALID_INPUT, violations)))
    *shown, last = read.violations
    assert list(violations[: len(shown)]) == shown
    assert last.description == f"and {100 - len(shown)} more violations"


def test_half_a_character_does_not_break_a_status():
    half = "a\ud800b"
    error = AttendantError(half, Reason.INVALID_INPUT, (Violation(half, half),), {"model": half})
    read = Status.from_message(to_status(error))
    assert (read.message, read.violations) == ("a?b", (Violation("a?b", "a?b"),))


def test_http_says_what_headers_can_say():
    answer = to_response(errors.unauthenticated())
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    answer = to_response(errors.rate_limited(2, 1.01))
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "2")
    answer = to_response(errors.internal())
    assert {"www-authenticate", "retry-after"} & set(answer.headers) == set()


@given(st.text(), st.integers(3, 100))
def test_shortened_text_is_a_beginning_within_the_limit(text, limit):
    short = shorten(text, limit)
    assert len(short.encode()) <= limit
    assert short == text or (short.endswith("…") and text.startswith(short[:-1]))
