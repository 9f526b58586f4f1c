"""The detector: sets and their mix, restarts, and states of another."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_samples import draw_samples, make_reference, shifted
from safetensors.numpy import load, save

from attendant.statistics.detector import FAST, MIX_REFERENCE, RUN_LENGTH, Detector, Length
from attendant.statistics.samples import MOSAIC, Samples, Statistic, Stream
from attendant.types import MODALITIES

TEXT, IMAGE, ATTRIBUTE = MODALITIES
ANSWERS = Stream(Statistic.PROBABILITY)
RNG = np.random.default_rng(0)
REFERENCE = make_reference(draw_samples((TEXT,), 800, RNG), draw_samples(MODALITIES, 100, RNG))
# What comes, by set: drift from the 1,500th on, so that there are alarms; (text, attribute) has no reference.
LIVE = {
    modalities: [
        draw_samples(modalities, 1500, RNG, measured=0.2),
        shifted(draw_samples(modalities, 2500, RNG, measured=0.2), ANSWERS, 0.5),
    ]
    for modalities in ((TEXT,), MODALITIES, (TEXT, ATTRIBUTE))
}


def live(modalities, start, count) -> list[Samples]:
    before, after = LIVE[modalities]
    parts = (
        before.rows(slice(start, start + count)),
        after.rows(slice(max(0, start - 1500), max(0, start + count - 1500))),
    )
    return [part for part in parts if len(part)]


def of_set(detector, name):
    return next(one for one in detector.report().sets if one.name == name)


def all_that_is_known(detector):
    """NaN is the same as NaN here."""
    return repr(detector.report()), detector.to_bytes()


# Chunks of a set, each in how many calls, and whether it is followed by a restart.
STREAMS = st.lists(
    st.tuples(st.sampled_from(list(LIVE)), st.integers(1, 900), st.integers(1, 5), st.booleans()), max_size=10
)


@settings(max_examples=40, deadline=None)
@given(STREAMS)
def test_neither_how_calls_are_split_nor_restarts_change_anything(chunks):
    never, often = Detector(REFERENCE), Detector(REFERENCE)
    came = dict.fromkeys(LIVE, 0)
    for modalities, count, calls, restart in chunks:
        start = came[modalities]
        came[modalities] += count
        expected, found = [], []
        for samples in live(modalities, start, count):
            expected += never.add(samples)
            for part in np.array_split(np.arange(len(samples)), calls):
                some = slice(part[0], part[-1] + 1) if len(part) else slice(0, 0)
                found += often.add(samples.rows(some))
                if restart:
                    often = Detector.from_bytes(often.to_bytes(), REFERENCE)
        assert sorted(map(repr, found)) == sorted(map(repr, expected))
        if calls == 1:
            assert found == expected
    assert all_that_is_known(often) == all_that_is_known(never)


def test_each_set_with_a_reference_is_watched_on_its_own():
    detector = Detector(REFERENCE)
    alarms = [alarm for samples in live((TEXT,), 1400, 600) for alarm in detector.add(samples)]
    assert {alarm.modalities for alarm in alarms} == {"text"}
    assert alarms[0].streams[0][0] == ANSWERS
    detector.add(live((TEXT, ATTRIBUTE), 0, 300)[0])
    text, everything = of_set(detector, "text"), of_set(detector, "text+image+attribute")
    assert (text.status, text.samples, text.reference_size) == ("watching", 600, 800)
    assert [(one.length, one.filled, one.windows) for one in text.lengths] == [
        (Length.FAST, 0, 3),
        (Length.SLOW, 600, 0),
    ]
    assert text.lengths[0].alarms == len(alarms)
    assert (everything.status, everything.samples, everything.reference_size) == ("watching", 0, 100)
    assert everything.lengths[0].last_alarm is None
    without = of_set(detector, "text+attribute")
    assert (without.status, without.samples, without.reference_size) == ("no reference", 300, 0)
    assert without.lengths == ()
    names = [one.name for one in detector.report().sets]
    assert names == sorted(names) == ["mix", "text", "text+attribute", "text+image+attribute"]


def requests(detector, rng, count, with_image):
    """Texts, and a share of them with everything."""
    texts, others = LIVE[TEXT,][0], LIVE[MODALITIES][0]
    return [
        alarm
        for more in rng.random(count) < with_image
        for alarm in detector.add((others if more else texts).rows(slice(0, 1)))
    ]


def test_the_mix_is_compared_with_the_first_that_came():
    rng, detector = np.random.default_rng(1), Detector(None)
    requests(detector, rng, MIX_REFERENCE - 1, 0.1)
    mix = of_set(detector, "mix")
    assert (mix.status, mix.samples, mix.reference_size) == ("collecting", 1999, 1999)
    assert mix.lengths == ()
    assert requests(detector, rng, 1 + 10 * FAST, 0.1) == []
    mix = of_set(detector, "mix")
    assert (mix.status, mix.samples, mix.reference_size) == ("watching", 4000, 2000)
    assert [one.windows for one in mix.lengths] == [10, 1]
    alarm, *_ = requests(detector, rng, 2 * FAST, 0.6)
    assert alarm.modalities == "mix"
    assert {stream.key for stream, share in alarm.streams if share > 0.1} == {
        "presence/image",
        "presence/attribute",
    }
    assert of_set(detector, "text").status == "no reference"


def test_the_mix_s_reference_may_end_within_a_call():
    detector = Detector(None)
    text = LIVE[TEXT,][1]
    detector.add(text.rows(slice(0, 1900)))
    detector.add(text.rows(slice(0, 500)))
    mix = of_set(detector, "mix")
    assert [(one.filled, one.windows) for one in mix.lengths] == [(0, 2), (400, 0)]


def test_mosaics_have_a_reference_and_no_mix():
    rng = np.random.default_rng(2)
    detector = Detector(make_reference(draw_samples(MOSAIC, 500, rng)))
    assert detector.add(draw_samples(MOSAIC, FAST, rng)) == []
    (found,) = detector.report().sets
    assert (found.name, found.status, found.samples) == ("segment", "watching", FAST)
    alarm, *_ = detector.add(shifted(draw_samples(MOSAIC, FAST, rng), Stream(Statistic.FOCUS_RISK), 0.5))
    assert alarm.streams[0][0].key == "focus_risk"


def test_nothing_is_known_of_a_version_without_reference_or_explanations():
    detector = Detector(None)
    assert detector.add(LIVE[TEXT,][0].rows(slice(0, 0))) == []
    assert detector.report().sets == detector.report().correlations == ()
    assert Detector.from_bytes(detector.to_bytes(), None).report().sets == ()


def test_impacts_are_correlated_over_all_sets():
    detector = Detector(REFERENCE)
    for modalities in LIVE:
        detector.add(LIVE[modalities][0])
    found = {one.modality: one for one in detector.report().correlations}
    assert found[TEXT].n > found[IMAGE].n
    assert -1 < found[TEXT].low < found[TEXT].r < found[TEXT].high < 1


def test_the_run_length_may_change_with_a_restart():
    detector = Detector(REFERENCE)
    detector.add(LIVE[TEXT,][0].rows(slice(0, 250)))
    again = Detector.from_bytes(detector.to_bytes(), REFERENCE, 50)
    fast, before = of_set(again, "text").lengths[0], of_set(detector, "text").lengths[0]
    assert fast.log_threshold == pytest.approx(np.log(101))
    assert before.log_threshold == pytest.approx(np.log(1 + 2 * RUN_LENGTH))
    assert fast.log_evidence == before.log_evidence


@pytest.mark.parametrize(
    "other",
    [
        None,
        make_reference(*(one.samples for one in REFERENCE.sets), digest="1" * 64),
        make_reference(REFERENCE.sets[0].samples),
        make_reference(REFERENCE.sets[0].samples, draw_samples(MODALITIES, 100, np.random.default_rng(3))),
    ],
    ids=["none", "other weights", "other sets", "other rows"],
)
def test_the_state_of_another_reference_is_refused(other):
    state = Detector(REFERENCE).to_bytes()
    with pytest.raises(ValueError, match="another reference"):
        Detector.from_bytes(state, other)
    with pytest.raises(ValueError, match="another reference"):
        Detector.from_bytes(Detector(other).to_bytes(), REFERENCE)


def collected(sets=((TEXT,), MODALITIES)):
    detector = Detector(REFERENCE)
    for modalities in sets:
        detector.add(LIVE[modalities][0])
    return detector.to_bytes()


STATE = collected()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"format":1', b'"format":2'),
        (b'"text":1500', b'"text":-500'),
        (b'"text":1500', b'"nope":1500'),
        (b'"counts"', b'"county"'),
        (b'"pairs"', b'"peers"'),
        (b'"mix/first"', b'"mix/forst"'),
    ],
)
def test_a_state_that_says_what_cannot_be_is_refused(old, new):
    assert old in STATE
    with pytest.raises(ValueError):  # noqa: PT011 - pydantic's, or the parcel's
        Detector.from_bytes(STATE.replace(old, new), REFERENCE)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 6000), st.binary(min_size=1, max_size=40))
def test_a_damaged_state_is_one_or_is_refused(start, noise):
    """The head of the file, where names and shapes are."""
    damaged = STATE[:start] + noise + STATE[start + len(noise) :]
    for content in (damaged, STATE[:start], noise):
        try:
            detector = Detector.from_bytes(content, REFERENCE)
        except ValueError:
            continue
        detector.report()


@pytest.mark.parametrize("value", [np.nan, -1.0])
def test_a_state_whose_figures_cannot_be_is_refused(value):
    figures = load(STATE)
    (name, *_) = [name for name in figures if name.endswith("/figures")]
    figures[name][0, 0] = value
    with pytest.raises(ValueError, match="out of range"):
        Detector.from_bytes(save(figures), REFERENCE)


def test_services_start_without_scipy():
    code = (
        "import sys, attendant.statistics.detector; print([name for name in sys.modules if 'scipy' in name])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
