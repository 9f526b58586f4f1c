"""Logs against a reference, where it is known whether they drift: their numbers were drawn."""

import numpy as np
import pytest
from random_samples import draw_samples, make_reference, shifted

from attendant.analysis.drift_check import check_log
from attendant.analysis.explanation_log import Logged
from attendant.statistics.detector import FAST, MIX_REFERENCE, RUN_LENGTH
from attendant.statistics.drift import e_values, kolmogorov_distance, p_value, tolerance, watch
from attendant.statistics.samples import MEAN, Statistic, Stream
from attendant.types import MODALITIES

TEXT, IMAGE, ATTRIBUTE = MODALITIES
SPREAD = Stream(Statistic.ENTROPY_RATIO, TEXT, MEAN)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def reference(rng):
    return make_reference(draw_samples((TEXT,), 1_000, rng), draw_samples(MODALITIES, 1_000, rng))


def logged(samples, digest="0" * 64, version="1"):
    return [
        Logged("sarcasm", version, digest, samples.rows(slice(number, number + 1)))
        for number in range(len(samples))
    ]


def check(lines, reference):
    return check_log(lines, reference, "sarcasm", "1")


def test_explanations_as_usual_do_not_drift(reference, rng):
    checked = check(logged(draw_samples((TEXT,), 450, rng)), reference)
    (text,) = checked.sets
    assert not checked.drifts
    assert (text.name, len(text.samples), len(text.reference)) == ("text", 450, 1_000)
    assert [window.number for window in text.windows] == [1, 2]
    assert not any(window.alarms for window in text.windows)
    assert 0 < checked.chance <= 0.005


def test_figures_are_those_of_the_whole_log(reference, rng):
    samples = draw_samples((TEXT,), 450, rng)
    (text,) = check(logged(samples), reference).sets
    found = next(one for one in text.streams if one.comparison.watched.stream == SPREAD)
    usual = reference.find((TEXT,)).samples.column(SPREAD)
    distance = kolmogorov_distance(samples.column(SPREAD), usual)
    excused = tolerance(1_000, 450)
    p = p_value(distance, 450, excused)
    assert (found.comparison.n, found.comparison.distance) == (450, pytest.approx(distance))
    assert found.comparison.tolerance == pytest.approx(excused)
    assert found.comparison.p_value == pytest.approx(p)
    assert found.comparison.evidence == pytest.approx(float(e_values(p)))
    assert found.median == pytest.approx(float(np.median(samples.column(SPREAD))))
    assert found.reference_median == pytest.approx(float(np.median(usual)))
    weighted = sum(one.comparison.evidence * one.comparison.watched.weight for one in text.streams)
    assert text.evidence == pytest.approx(weighted)
    assert [one.comparison.watched for one in text.streams] == list(watch((TEXT,)))


def test_drift_is_found_in_the_whole_and_in_windows(reference, rng):
    checked = check(logged(shifted(draw_samples((TEXT,), 2 * FAST, rng), SPREAD, 0.5)), reference)
    (text,) = checked.sets
    assert checked.drifts
    assert text.evidence >= RUN_LENGTH
    (alarm,) = text.windows[0].alarms
    assert alarm.streams[0][0] == SPREAD


def test_drift_that_ended_is_found_in_its_window(reference, rng):
    begin = shifted(draw_samples((TEXT,), FAST, rng), SPREAD, 0.6)
    checked = check(logged(begin) + logged(draw_samples((TEXT,), 20 * FAST, rng)), reference)
    (text,) = checked.sets
    assert text.evidence < RUN_LENGTH
    assert [window.number for window in text.windows if window.alarms] == [1]
    assert checked.drifts


def test_sets_are_apart_whatever_their_order(reference, rng):
    texts, whole = (logged(draw_samples(modalities, FAST, rng)) for modalities in ((TEXT,), MODALITIES))
    mixed = [line for pair in zip(texts, whole, strict=True) for line in pair]
    one, other = check(mixed, reference), check(texts + whole, reference)
    assert [found.name for found in one.sets] == ["text", "text+image+attribute"]
    assert [found.evidence for found in one.sets] == [found.evidence for found in other.sets]


def test_what_cannot_be_compared_is_no_drift(reference, rng):
    pictures = draw_samples((IMAGE, ATTRIBUTE), 300, rng)
    checked = check(logged(pictures) + logged(draw_samples((TEXT,), 19, rng)), reference)
    assert [(one.name, one.evidence, one.windows) for one in checked.sets] == [
        ("image+attribute", None, ()),
        ("text", None, ()),
    ]
    assert checked.sets[0].reference is None
    assert not checked.drifts


def test_a_reference_too_small_to_compare_says_nothing(rng):
    reference = make_reference(draw_samples((TEXT,), 10, rng))
    (text,) = check(logged(draw_samples((TEXT,), 50, rng)), reference).sets
    assert text.evidence == 0
    assert not text.drifts


def test_others_are_left_out_and_other_weights_are_told(reference, rng):
    samples = draw_samples((TEXT,), 40, rng)
    lines = logged(samples) + logged(samples, digest="1" * 64) + logged(samples, version="2")
    checked = check(lines, reference)
    assert (checked.others, checked.foreign, len(checked.sets[0].samples)) == (40, 40, 80)
    assert check(logged(samples, version="2"), reference).sets == ()


def test_the_mix_is_looked_at_in_the_order_of_the_log(reference, rng):
    half = MIX_REFERENCE // 2
    texts, whole = (logged(draw_samples(modalities, 2 * half, rng)) for modalities in ((TEXT,), MODALITIES))
    pairs = [line for pair in zip(texts, whole, strict=True) for line in pair]
    assert not check(pairs, reference).mix
    fewer = check([*pairs[: 2 * half], *texts[:half]], reference)
    assert fewer.mix[0].modalities == "mix"
    assert fewer.drifts
