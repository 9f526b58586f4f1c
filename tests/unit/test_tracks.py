"""One set of modalities: windows, alarms and what is reported of them."""

import numpy as np
import pytest
from random_samples import draw_samples, shifted
from scipy import stats

from attendant.statistics.drift import tolerance, watch, watched_values
from attendant.statistics.parcels import Parcel
from attendant.statistics.samples import MOSAIC, Statistic, Stream
from attendant.statistics.tracks import FAST, SLOW, Length, Watch
from attendant.statistics.windows import Rows
from attendant.types import MODALITIES

ANSWERS = Stream(Statistic.PROBABILITY)


def rows(samples) -> Rows:
    return Rows(watched_values(samples), samples.maps[:, -1:].reshape(len(samples), -1))


def watch_of(reference, run_length=1000.0) -> Watch:
    return Watch("a set", watch(reference.modalities), rows(reference), run_length)


def of_stream(length, stream):
    return next(one for one in length.streams if one.watched.stream == stream)


def test_before_the_first_window_every_watched_stream_is_there_without_figures():
    rng = np.random.default_rng(0)
    for length in watch_of(draw_samples(MOSAIC, 100, rng)).report():
        assert [one.watched for one in length.streams] == list(watch(MOSAIC))
        assert (length.filled, length.windows, length.alarms, length.last_alarm) == (0, 0, 0, None)
        assert length.log_evidence == 0
        assert all(one.n == 0 and np.isnan(one.p_value) for one in length.streams)
        assert np.isnan([length.map_jsd, length.map_threshold]).all()


def test_a_window_is_reported_stream_by_stream():
    rng = np.random.default_rng(1)
    reference, live = draw_samples(MODALITIES, 900, rng), draw_samples(MODALITIES, SLOW, rng)
    watched = watch_of(reference)
    watched.add(rows(live.rows(slice(0, SLOW - 1))))
    fast, slow = watched.report()
    assert (fast.filled, fast.windows, slow.filled, slow.windows) == (FAST - 1, 9, SLOW - 1, 0)
    watched.add(rows(live.rows(slice(SLOW - 1, SLOW))))
    fast, slow = watched.report()
    assert (fast.length, fast.filled, fast.windows) == (Length.FAST, 0, 10)
    assert (slow.length, slow.filled, slow.windows) == (Length.SLOW, 0, 1)
    usual = reference.column(ANSWERS)
    for length, window in ((fast, live.column(ANSWERS)[-FAST:]), (slow, live.column(ANSWERS))):
        one = of_stream(length, ANSWERS)
        assert one.n == len(window)
        assert one.distance == pytest.approx(stats.ks_2samp(window, usual).statistic)
        assert one.tolerance == tolerance(900, len(window))
        beyond = max(0.0, one.distance - one.tolerance)
        assert one.p_value == pytest.approx(stats.kstwo.sf(beyond, len(window)), abs=1e-4)
        assert one.median == pytest.approx(np.median(window))
        assert one.reference_median == pytest.approx(np.median(usual))
        assert np.isfinite([one.psi, one.psi_threshold, one.jsd, one.jsd_threshold]).all() == (
            length.length is Length.SLOW
        )
        assert sum(one.share for one in length.streams) == pytest.approx(1)
        assert 0 < length.map_jsd < length.map_threshold * 2
    assert fast.map_threshold > slow.map_threshold
    assert fast.log_threshold == pytest.approx(np.log(1 + 2 * 1000))


def test_a_planted_shift_is_found_in_few_windows_and_named():
    rng = np.random.default_rng(2)
    watched = watch_of(draw_samples(MODALITIES, 1500, rng))
    assert watched.add(rows(draw_samples(MODALITIES, 5 * FAST, rng))) == []
    alarm, *_ = watched.add(rows(shifted(draw_samples(MODALITIES, 2 * FAST, rng), ANSWERS, 0.7)))
    assert (alarm.modalities, alarm.length) == ("a set", Length.FAST)
    assert alarm.evidence >= 2 * 1000
    (first, share), *others = alarm.streams
    assert first == ANSWERS
    assert share > 0.99
    assert share + sum(share for _, share in others) == pytest.approx(1)
    assert [share for _, share in others] == sorted((share for _, share in others), reverse=True)


def test_after_an_alarm_evidence_starts_again_and_the_alarm_is_kept():
    rng = np.random.default_rng(3)
    watched = watch_of(draw_samples(MOSAIC, 1500, rng))
    alarms = watched.add(rows(shifted(draw_samples(MOSAIC, FAST, rng), ANSWERS, 0.3)))
    (fast, _) = watched.report()
    assert fast.alarms == len(alarms) == 1
    assert fast.log_evidence == 0
    assert not any(one.share for one in fast.streams)
    assert watched.add(rows(draw_samples(MOSAIC, 9 * FAST, rng))) == []  # the slow window sees a tenth of it
    (fast, _) = watched.report()
    assert fast.last_alarm == alarms[0]
    assert 0 < fast.log_evidence < fast.log_threshold


def test_small_drift_is_found_by_slow_windows_alone_where_the_reference_is_large():
    rng = np.random.default_rng(4)
    watched = watch_of(draw_samples(MOSAIC, 20_000, rng))
    alarms = watched.add(rows(shifted(draw_samples(MOSAIC, 6 * SLOW, rng), ANSWERS, 0.98)))
    assert alarms
    assert {alarm.length for alarm in alarms} == {Length.SLOW}


def test_a_moved_map_is_reported():
    rng = np.random.default_rng(5)
    watched = watch_of(draw_samples(MODALITIES, 300, rng))
    live = draw_samples(MODALITIES, FAST, rng)
    watched.add(Rows(watched_values(live), np.tile(np.eye(49, dtype=np.float16)[0], (FAST, 1))))
    (fast, _) = watched.report()
    assert fast.map_jsd > fast.map_threshold


def test_what_is_not_measured_raises_no_alarm_however_long():
    """Impacts are rare: a window may hold too few to compare."""
    rng = np.random.default_rng(6)
    reference = draw_samples(MOSAIC, 1000, rng)
    watched = watch_of(reference, run_length=10)
    for _ in range(20):
        part = draw_samples(MOSAIC, SLOW, rng, measured=0)
        assert watched.add(rows(part)) == []
    (fast, slow) = watched.report()
    for length in (fast, slow):
        impact = of_stream(length, Stream(Statistic.IMPACT, "segment"))
        assert (impact.n, impact.share) == (0, 0)
        assert np.isnan(impact.log_e_value)


def test_no_alarm_in_windows_of_the_reference_s_own_population():
    """Replay rows, which are not the reference's, drawn with replacement."""
    rng = np.random.default_rng(7)
    reference, replay = draw_samples(MODALITIES, 1200, rng), rows(draw_samples(MODALITIES, 1200, rng))
    watched = watch_of(reference)
    for _ in range(30):
        drawn = rng.integers(len(replay), size=SLOW)
        assert watched.add(Rows(replay.values[drawn], replay.maps[drawn])) == []


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("a set/values", np.zeros((SLOW, 4), np.float32)),
        ("a set/maps", np.zeros((3, 0), np.float16)),
        ("a set/fast/processes", np.array([0.0, 1, 2, -1])),
        ("a set/fast/processes", np.array([0.0, 1, 2, np.nan])),
        ("a set/slow/counts", np.array([3, -1])),
        ("a set/slow/figures", np.zeros((4, 3))),
    ],
)
def test_a_state_that_cannot_be_is_refused(name, array):
    watched = watch_of(draw_samples(MOSAIC, 100, np.random.default_rng(8)))
    with pytest.raises(ValueError, match=r"a set|rows"):
        watched.resume(Parcel("", {**watched.arrays(), name: array}))
