"""One version's detector, with its reference and the causes of its alarms."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_attention import SETS
from structlog.testing import capture_logs
from watched_store import (
    EVERYTHING,
    IRONY,
    ROWS,
    SARCASM,
    TEXT,
    assert_same,
    digest_of,
    draw,
    draw_reference,
    write_watched_store,
)

from attendant.statistics.detector import Detector, Length
from services.monitor.references import Name, read_references
from services.monitor.watch import CHANGED, Watch

RUN_LENGTH = 50.0


@pytest.fixture
def watch(references):
    return Watch(SARCASM, references, RUN_LENGTH)


def samples(snapshot):
    return {found.name: (found.status, found.samples) for found in snapshot.report.sets}


def test_before_anything_came_the_reference_is_shown(watch):
    snapshot = watch.snapshot()
    assert samples(snapshot) == {
        "mix": ("collecting", 0),
        "text": ("watching", 0),
        "text+image+attribute": ("watching", 0),
    }
    assert len(snapshot.sha256) == 64
    assert snapshot.alarms == {}


def test_a_version_without_a_reference_is_counted_and_shown(references):
    watch = Watch(IRONY, references, RUN_LENGTH)
    watch.add([(digest_of(IRONY), draw(count=3))])
    assert samples(watch.snapshot())["text"] == ("no reference", 3)
    assert watch.snapshot().sha256 == ""


def test_so_is_one_that_the_store_does_not_know(references):
    watch = Watch(Name("new", "7"), references, RUN_LENGTH)
    watch.add([("c" * 64, draw(count=3))])
    assert samples(watch.snapshot())["text"] == ("no reference", 3)


def test_a_reference_of_other_weights_is_not_used(watch):
    with capture_logs() as logs:
        watch.add([("c" * 64, draw(count=2))])
    assert samples(watch.snapshot())["text"] == ("no reference", 2)
    assert watch.snapshot().sha256 == ""
    assert [line["event"] for line in logs] == ["the weights are others; counted anew"]


def test_a_version_whose_weights_have_changed_is_counted_anew(watch):
    watch.add([(digest_of(), draw(count=3))])
    for _ in range(CHANGED - 1):
        watch.add([("c" * 64, draw(count=1))])
    assert samples(watch.snapshot())["text"] == ("watching", 3)
    watch.add([("c" * 64, draw(count=1))])
    assert samples(watch.snapshot())["text"] == ("no reference", CHANGED)
    assert watch.snapshot().foreign == 0


def test_while_two_sets_of_weights_answer_it_stays_with_the_first(watch):
    with capture_logs() as logs:
        for _ in range(50):
            watch.add([(digest_of(), draw(count=20)), ("c" * 64, draw(count=10)), ("d" * 64, draw(count=10))])
    assert samples(watch.snapshot())["text"] == ("watching", 1000)
    assert watch.snapshot().foreign == 50 * 20 - 10  # the last may be the first of many
    assert not [line for line in logs if "weights" in line["event"]]
    again = Watch(watch.name, watch._references, RUN_LENGTH)
    again.restore(watch.to_bytes())
    assert again.snapshot().foreign == 50 * 20 - 10


def test_a_reference_that_cannot_be_used_is_said_and_counts_as_none(tmp_path):
    store = write_watched_store(tmp_path)
    (store / "sarcasm" / "1" / "reference.safetensors").write_bytes(b"changed")
    with capture_logs() as logs:
        references = read_references(store)
    assert references.find(SARCASM, digest_of()) is None
    assert references.names == (IRONY, SARCASM)
    assert "its sha256 is" in logs[0]["error"]


def test_drift_is_an_alarm_that_names_its_cause(watch):
    with capture_logs() as logs:
        watch.add([(digest_of(), draw(count=4000, seed=1, drift=2.0))])
    alarms = [line for line in logs if line["event"] == "attention drifts"]
    snapshot = watch.snapshot()
    assert sum(snapshot.alarms.values()) == len(alarms) > 0
    assert {cause.modalities for cause in snapshot.alarms} == {"text"}
    counted = dict.fromkeys(Length, 0)
    for cause, count in snapshot.alarms.items():
        counted[cause.length] += count
    text = next(found for found in snapshot.report.sets if found.name == "text")
    assert counted == {length.length: length.alarms for length in text.lengths}
    line = alarms[0]
    assert (line["model"], line["version"], line["modalities"]) == ("sarcasm", "1", "text")
    assert line["window"] in tuple(Length)
    assert 0 < sum(line["streams"].values()) <= 1.001


# Pieces of text alone and of everything, in some order.
PIECES = st.lists(st.tuples(st.sampled_from(SETS), st.integers(1, 300)), min_size=1, max_size=8)


@settings(max_examples=30)
@given(PIECES, st.integers(0, 8))
def test_any_pieces_and_a_restart_anywhere_are_one_detector_fed_in_order(references, pieces, cut):
    drawn = [
        (digest_of(), draw(modalities, count, seed, drift=1.0))
        for seed, (modalities, count) in enumerate(pieces)
    ]
    plain = Detector(draw_reference(), RUN_LENGTH)
    for _, part in drawn:
        plain.add(part)
    watch = Watch(SARCASM, references, RUN_LENGTH)
    watch.add(drawn[:cut])
    again = Watch(SARCASM, references, RUN_LENGTH)
    again.restore(watch.to_bytes())
    assert again.snapshot().alarms == watch.snapshot().alarms
    again.add(drawn[cut:])
    assert_same(again.to_bytes(), plain.to_bytes())


@pytest.mark.parametrize(
    "state",
    [b"", b"{}", b"[]\n", b'{"digest": 1, "alarms": 2}\n', b'{"digest": "", "alarms": [[1]]}\n', b"\xff\n"],
)
def test_what_is_no_state_is_refused_and_changes_nothing(watch, state):
    watch.add([(digest_of(), draw(count=5))])
    before = watch.to_bytes()
    with pytest.raises(ValueError):  # noqa: PT011 - whichever part found it
        watch.restore(state)
    assert watch.to_bytes() == before


def test_a_state_of_another_reference_is_refused(watch, tmp_path):
    header = json.dumps({"digest": digest_of(), "alarms": [], "foreign": 0}).encode()
    other = Detector(None, RUN_LENGTH)
    other.add(draw(count=3))
    with pytest.raises(ValueError, match="another reference"):
        watch.restore(header + b"\n" + other.to_bytes())


def test_values_out_of_all_bounds_break_nothing(watch):
    odd = draw(EVERYTHING, 2000, 3)
    odd.values[::2] = np.nan
    odd.values[1::4] = 3e38
    odd.values[3::4] = -3e38
    watch.add([(digest_of(), odd), (digest_of(), draw((TEXT,), ROWS))])
    watch.restore(watch.to_bytes())
    assert samples(watch.snapshot())["text+image+attribute"] == ("watching", 2000)
