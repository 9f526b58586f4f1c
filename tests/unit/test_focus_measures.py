import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attendant.statistics.focus import THRESHOLDS, Outcomes, measure_focus, share_above
from attendant.statistics.intervals import proportion


def outcomes(weights, foreground, predicted=None, labels=None, scores=None):
    weights = np.asarray(weights, np.float64)
    labels = np.zeros(len(weights), np.int64) if labels is None else np.asarray(labels)
    return Outcomes(
        weights,
        labels if predicted is None else np.asarray(predicted),
        labels,
        np.asarray(foreground),
        None if scores is None else np.asarray(scores, np.float64),
    )


def spherical(scores):
    squares = np.square(scores)
    return squares / squares.sum(axis=1, keepdims=True)


def test_four_mosaics_by_hand():
    found = measure_focus(
        outcomes(
            weights=[[1, 0, 0, 0], [0.25, 0.25, 0.25, 0.25], [0, 0.5, 0.5, 0], [0.01, 0.02, 0.97, 0]],
            foreground=[0, 1, 1, 1],
            predicted=[2, 1, 0, 1],
            labels=[2, 1, 1, 0],
        )
    )
    assert found.mosaics == 4
    assert found.accuracy == proportion(2, 4)
    assert found.focus_true == proportion(2, 4)
    shares = [found.ftpt, found.ffpt, found.ftpf, found.ffpf]
    assert shares == [proportion(1, 4)] * 4
    assert found.focus_strictly_true is None
    assert found.nnz == (1 + 4 + 2 + 2) / 4
    by_hand = [0, math.sqrt(0.75), math.sqrt(0.5), math.sqrt(0.01**2 + 0.02**2 + 0.03**2)]
    assert found.dist == pytest.approx(sum(by_hand) / 4)
    last = -sum(p * math.log(p) for p in (0.01, 0.02, 0.97))
    assert found.entropy_nats == pytest.approx((0 + math.log(4) + math.log(2) + last) / 4)
    assert found.entropy_bits == pytest.approx((0 + 2 + 1 + last / math.log(2)) / 4)


@pytest.mark.parametrize("m", [1, 2, 9, 200])
def test_uniform_attention_has_closed_forms(m):
    found = measure_focus(outcomes(np.full((m, m), 1 / m), np.arange(m)))
    assert found.focus_true.value == 1 / m  # the first index counts
    assert found.nnz == (m if m < 100 else 0)
    assert found.dist == pytest.approx(math.sqrt(1 - 1 / m))
    assert found.entropy_nats == pytest.approx(math.log(m))
    assert found.entropy_bits == pytest.approx(math.log2(m))


def test_attention_on_one_segment_has_closed_forms():
    found = measure_focus(outcomes(np.eye(9), np.arange(9), scores=np.eye(9)))
    assert found.focus_true == found.focus_strictly_true == found.ftpt == proportion(9, 9)
    assert (found.nnz, found.dist, found.entropy_nats, found.entropy_bits) == (1, 0, 0, 0)
    assert all(share == proportion(9, 9) for share in found.above)


def test_spherical_softmax_tells_the_two_readings_apart():
    """f = -3 weighs most and scores least."""
    scores = np.array([[-3.0, 2.0, 1.0], [-3.0, 2.0, 1.0], [3.0, 2.0, -1.0]])
    found = measure_focus(outcomes(spherical(scores), [0, 1, 0], scores=scores))
    assert found.focus_true == proportion(2, 3)  # the first and the last
    assert found.focus_strictly_true == proportion(2, 3)  # the second and the last
    both = outcomes(spherical(scores), [0, 1, 0], scores=scores)
    assert both.focus_true.tolist() == [True, False, True]
    assert both.focus_strictly_true.tolist() == [False, True, True]


def test_ties_are_true_for_the_first_and_never_strictly():
    scores = np.zeros((3, 3))
    tied = outcomes(np.full((3, 3), 1 / 3), [0, 1, 2], scores=scores)
    assert tied.focus_true.tolist() == [True, False, False]
    assert not tied.focus_strictly_true.any()
    alone = outcomes([[1.0]], [0], scores=[[-5.0]])
    assert alone.focus_strictly_true.all()


def test_a_weight_at_a_threshold_is_not_above_it():
    found = share_above([0.0, 0.25, 0.5, 1.0], [0.0, 0.25, 0.75, 1.0])
    assert [share.value for share in found] == [0.75, 0.5, 0.25, 0]
    assert found[0] == proportion(3, 4)
    assert THRESHOLDS[:2] == (0, 0.05)


def test_single_precision_is_good_enough():
    rng = np.random.default_rng(0)
    weights = rng.dirichlet(np.full(9, 0.3), 500).astype(np.float32)
    labels = rng.integers(0, 3, 500)
    found = measure_focus(Outcomes(weights, labels, labels, rng.integers(0, 9, 500)))
    assert found.accuracy.value == 1
    assert 0 <= found.entropy_nats <= math.log(9)


@st.composite
def models(draw):
    """Outcomes with ties and zeros, as sparsemax makes them."""
    n, m, k = draw(st.integers(1, 30)), draw(st.integers(1, 12)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    parts = rng.integers(0, 4, (n, m)).astype(float)
    parts[parts.sum(axis=1) == 0] = 1
    scores = rng.integers(-3, 4, (n, m)).astype(float)
    labels, predicted = rng.integers(0, k, (2, n))
    weights = parts / parts.sum(axis=1, keepdims=True)
    return Outcomes(weights, predicted, labels, rng.integers(0, m, n), scores)


@settings(max_examples=40)
@given(models())
def test_by_definition(model):
    found = measure_focus(model)
    kinds = {"TT": 0, "FT": 0, "TF": 0, "FF": 0}
    strict = nnz = 0
    dist = nats = 0.0
    for row in range(len(model)):
        alpha, f, j = model.weights[row].tolist(), model.scores[row].tolist(), int(model.foreground[row])
        focus = "T" if alpha.index(max(alpha)) == j else "F"
        kinds[focus + ("T" if model.predicted[row] == model.labels[row] else "F")] += 1
        strict += all(f[j] > other for i, other in enumerate(f) if i != j)
        nnz += sum(weight > 0.01 for weight in alpha)
        dist += math.sqrt(max(sum(weight**2 for weight in alpha) - 2 * max(alpha) + 1, 0))
        nats -= sum(weight * math.log(weight) for weight in alpha if weight > 0)
    n = len(model)
    assert found.accuracy == proportion(kinds["TT"] + kinds["FT"], n)
    assert found.focus_true == proportion(kinds["TT"] + kinds["TF"], n)
    assert found.focus_strictly_true == proportion(strict, n)
    assert [found.ftpt, found.ffpt, found.ftpf, found.ffpf] == [
        proportion(count, n) for count in kinds.values()
    ]
    assert found.nnz == pytest.approx(nnz / n)
    assert found.dist == pytest.approx(dist / n, abs=1e-7)
    assert found.entropy_nats == pytest.approx(nats / n, abs=1e-12)
    for threshold, share in zip(found.thresholds, found.above, strict=True):
        hits = sum(model.weights[row, model.foreground[row]] > threshold for row in range(n))
        assert share == proportion(int(hits), n)


@settings(max_examples=40)
@given(models())
def test_shares_add_up_and_the_curve_falls(model):
    found = measure_focus(model)
    assert sum(share.value for share in (found.ftpt, found.ffpt, found.ftpf, found.ffpf)) == pytest.approx(1)
    assert found.ftpt.value + found.ffpt.value == pytest.approx(found.accuracy.value)
    assert found.ftpt.value + found.ftpf.value == pytest.approx(found.focus_true.value)
    curve = [share.value for share in found.above]
    assert curve == sorted(curve, reverse=True)
    majority = share_above(model.foreground_weights, [0.5])[0]
    assert majority.value <= found.focus_true.value  # more than half is the most


@settings(max_examples=20)
@given(models(), st.randoms(use_true_random=False))
def test_the_order_of_mosaics_does_not_matter(model, random):
    order = list(range(len(model)))
    random.shuffle(order)
    parts = (model.weights, model.predicted, model.labels, model.foreground, model.scores)
    before, after = measure_focus(model), measure_focus(Outcomes(*(part[order] for part in parts)))
    for name, value in vars(before).items():
        if isinstance(value, float):
            assert getattr(after, name) == pytest.approx(value, abs=1e-12), name
        else:
            assert getattr(after, name) == value, name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": np.zeros((0, 3))}, "N x m"),
        ({"weights": np.array([0.5, 0.5])}, "N x m"),
        ({"weights": np.array([[0.5, 0.6]])}, "sum to 1"),
        ({"weights": np.array([[-0.5, 1.5]])}, "at least 0"),
        ({"weights": np.array([[np.nan, 1.0]])}, "sum to 1"),
        ({"labels": np.array([0, 1])}, "N x m"),
        ({"foreground": np.array([2])}, "0 to 1"),
        ({"foreground": np.array([-1])}, "0 to 1"),
        ({"scores": np.zeros((1, 3))}, "scores"),
        ({"scores": np.array([[np.inf, 0]])}, "scores"),
    ],
)
def test_outcomes_that_cannot_be_are_refused(changes, message):
    parts = {
        "weights": np.array([[0.5, 0.5]]),
        "predicted": np.array([0]),
        "labels": np.array([0]),
        "foreground": np.array([1]),
    }
    with pytest.raises(ValueError, match=message):
        Outcomes(**{**parts, **changes})
