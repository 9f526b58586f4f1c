"""Logs of explanations: what commands and the HTTP API write is read as it was, anything else is one clear error."""

import gzip
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from logged_explanations import REF, line_of_command
from sample_attention import SETS, focus_on, outcome, random_explanation
from sample_explanations import explanations, lengths

from attendant.analysis import explanation_log
from attendant.analysis.explanation_log import read_log
from attendant.analysis.rows import DataError
from attendant.methods import Explanations
from attendant.statistics.samples import Statistic, Stream, sample
from attendant.v1.service_pb2 import ExplainResponse, ExplainStreamResponse
from attendant.wire.responses import encode_explain_response
from services.gateway.transcoding import write_json

OUTCOMES = {
    **{"+".join(modalities): outcome(random_explanation(modalities, 1), 0.3) for modalities in SETS},
    "segment": outcome(focus_on([0.1, 0.2, 0.7]), 0.9, risk=0.2),
}


def explained(attention) -> Explanations:
    """All methods; the modalities are weighed only where there are several."""
    computed = explanations(lengths(attention))
    several = len(lengths(attention)) > 1
    impacts = tuple(one for one in computed.permutation.impacts if several or one.target)
    return replace(computed, permutation=replace(computed.permutation, impacts=impacts))


WITH_IMPACTS = {name: explained(one.attention) for name, one in OUTCOMES.items()}


def line_of_api(one, computed=None) -> str:
    response = encode_explain_response(one, REF, computed or Explanations())
    return write_json(ExplainResponse.FromString(response)).decode()


def line_of_stream(one, computed=None) -> str:
    response = ExplainResponse.FromString(encode_explain_response(one, REF, computed or Explanations()))
    return write_json(ExplainStreamResponse(request_id="7", response=response)).decode()


def write(path, *lines):
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


@pytest.fixture
def file(tmp_path):
    return tmp_path / "log.jsonl"


@pytest.mark.parametrize("line", [line_of_command, line_of_api, line_of_stream])
@pytest.mark.parametrize("name", OUTCOMES)
def test_what_was_written_is_read(name, line, file):
    one, computed = OUTCOMES[name], WITH_IMPACTS[name]
    (logged,) = read_log(write(file, line(one, computed)))
    expected = sample([one], [computed.permutation])
    assert (logged.model, logged.version, logged.weights_digest) == ("sarcasm", "1", "a" * 64)
    assert logged.samples.modalities == expected.modalities
    np.testing.assert_allclose(logged.samples.values, expected.values, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(logged.samples.maps, expected.maps, rtol=1e-2)


@pytest.mark.parametrize("line", [line_of_command, line_of_api, line_of_stream])
def test_what_was_not_measured_is_no_number(line, file):
    (logged,) = read_log(write(file, line(OUTCOMES["text"])))
    assert np.isnan(logged.samples.column(Stream(Statistic.IMPACT, "text"))).all()


def test_blank_lines_and_failed_items_are_left_out_and_order_is_kept(file):
    failed = json.dumps({"request_id": "3", "error": {"code": 3, "message": "no"}})
    names = ("text", "segment", "text")
    lines = [line_of_stream(OUTCOMES[name]) for name in names]
    write(file, lines[0], "", failed, lines[1], "  ", lines[2])
    assert [len(logged.samples.modalities) for logged in read_log(file)] == [1, 1, 1]
    assert ["+".join(logged.samples.modalities) for logged in read_log(file)] == list(names)


def test_a_log_may_be_packed(tmp_path):
    path = tmp_path / "log.jsonl.gz"
    path.write_bytes(gzip.compress(line_of_command(OUTCOMES["text"]).encode()))
    assert len(list(read_log(path))) == 1
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="cannot be read"):
        list(read_log(path))


def edited(change) -> str:
    document = json.loads(line_of_command(OUTCOMES["text+attribute"]))
    change(document)
    return json.dumps(document)


def first_vector(**values):
    return lambda document: document["attention"]["vectors"][0].update(values)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.pop("attention"), "line 2: attention: "),
        (lambda d: d["prediction"].update(probability=1.5), "line 2: prediction.probability: "),
        (lambda d: d["model"].pop("weights_digest"), "line 2: model.weights_digest: "),
        (first_vector(weights=[0.5, 0.4]), "line 2: attention.vectors.0: .*weights sum to 0.9"),
        (first_vector(weights=[]), "line 2: attention.vectors.0.weights: "),
        (first_vector(weights=[1.5, -0.5]), "line 2: attention.vectors.0.weights.0: "),
        (first_vector(weights=[1 / 76] * 76), "line 2: attention.vectors.0: .*76 weights over text"),
        (first_vector(target="visual"), "line 2: attention.vectors.0: .*weights over visual"),
        (first_vector(target=None), "line 2: attention.vectors.0: .*kind representation over None"),
        (first_vector(kind="guess"), "line 2: attention.vectors.0.kind: "),
        (lambda d: d["attention"]["vectors"].pop(0), "line 2: attention.vectors: .*lacks the vector"),
        (lambda d: d["attention"]["vectors"].clear(), "line 2: attention.vectors: none is over"),
        (
            lambda d: d.update(explanations={"permutation": {"impacts": 3}}),
            "line 2: explanations.permutation",
        ),
        (
            lambda d: d.update(
                explanations={"permutation": {"impacts": [{"target": "segment", "impact": 0.1}]}}
            ),
            "line 2: permutation.impacts: there is no vector over segment",
        ),
    ],
)
def test_an_error_names_line_and_field(change, said, file):
    write(file, line_of_command(OUTCOMES["text"]), edited(change))
    with pytest.raises(DataError, match=said) as failed:
        list(read_log(file))
    assert "\n" not in failed.value.message


def test_two_focuses_are_one_too_many(file):
    document = json.loads(line_of_command(OUTCOMES["segment"]))
    document["attention"]["vectors"] *= 2
    with pytest.raises(DataError, match=r"line 1: attention\.vectors: "):
        list(read_log(write(file, json.dumps(document))))


@pytest.mark.parametrize("line", ["[" * 100_000, "NaN", "null", "[]", '"text"', "{", '{"a": 1e999}', "\x00"])
def test_what_is_no_object_is_refused(line, file):
    with pytest.raises(DataError, match="line 1: "):
        list(read_log(write(file, line)))


def test_lines_have_an_end(file, monkeypatch):
    monkeypatch.setattr(explanation_log, "LINE_LIMIT", 100)
    with pytest.raises(DataError, match="line 1 has more than 100 bytes"):
        list(read_log(write(file, " " * 200)))


def failure(path) -> str:
    """Why a log cannot be read, empty where it can."""
    try:
        for logged in read_log(path):
            assert len(logged.samples) == 1
    except DataError as error:
        return error.message
    return ""


@given(st.binary(max_size=200))
def test_any_bytes_are_a_log_or_one_clear_error(tmp_path_factory, noise):
    for ending in ("jsonl", "jsonl.gz"):
        path = tmp_path_factory.getbasetemp() / f"noise.{ending}"
        path.write_bytes(noise)
        said = failure(path)
        assert not said or str(path) in said


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
PLACES = st.sampled_from(
    [
        ("attention",),
        ("attention", "vectors"),
        ("attention", "vectors", 0),
        ("attention", "vectors", 0, "weights"),
        ("attention", "vectors", 0, "weights", 0),
        ("attention", "vectors", 0, "target"),
        ("attention", "vectors", 2, "source"),
        ("attention", "vectors", 0, "kind"),
        ("prediction",),
        ("focus",),
        ("explanations",),
        ("permutation",),
        ("response",),
        ("error",),
        ("model", "name"),
    ]
)


@given(st.sampled_from(sorted(OUTCOMES)), PLACES, JSON)
def test_any_value_anywhere_is_read_or_one_clear_error(tmp_path_factory, name, place, value):
    document = json.loads(line_of_command(OUTCOMES[name]))
    inside = document
    try:
        for step in place[:-1]:
            inside = inside[step]
        inside[place[-1]] = value
    except IndexError:
        return
    path = write(tmp_path_factory.getbasetemp() / "changed.jsonl", json.dumps(document))
    said = failure(path)
    assert not said or "line 1: " in said
