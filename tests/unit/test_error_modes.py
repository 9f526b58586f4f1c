from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attendant.analysis.dynamics import Shares, share_out
from attendant.analysis.landscape import ClassFocus, boxes_of, corners, reasons
from attendant.models.fcam import FcamConfig, VectorNetworks, build_fcam
from attendant.models.focus_maps import Mechanism
from attendant.statistics.focus import Outcomes
from attendant.training.error_modes import (
    MODES,
    SHIPPED,
    mode_mosaics,
    scan,
    shows_mode,
    survey,
    train_error_mode,
)
from attendant.training.mosaics import CLUSTERS, Box, Split, plane_mosaics
from attendant.training.planes import CPU, Optimizer, PlaneRecipe, train_clusters, train_plane
from attendant.training.sdc import answer
from attendant.training.sdc_release import as_released

SLOPES = st.floats(-10, 10)
RECIPE = PlaneRecipe(epochs=4, batch=50)


@pytest.fixture(scope="module")
def shipped():
    return {number: train_error_mode(number, seed) for number, seed in SHIPPED.items()}


@pytest.fixture(scope="module")
def landscapes(shipped):
    return {number: survey(one.trained.model, one.mode, one.held_out) for number, one in shipped.items()}


@pytest.mark.parametrize(("number", "slope"), [(1, (1, 0)), (3, (-1, 0))])
def test_a_linear_f_could_be_right_for_every_mosaic(number, slope):
    foreground, background = boxes_of(MODES[number].plane)
    assert min((corners(box) @ slope).min() for box in foreground) > (corners(background) @ slope).max()
    assert f"f = {'-' if slope[0] < 0 else ''}x1" in MODES[number].remark


def test_in_mode_2_a_mixture_of_foregrounds_is_background():
    """The centres of classes 1 and 2 a quarter each, that of class 3 a half: (1.5, -0.75)."""
    foreground, background = boxes_of(MODES[2].plane)
    centres = [corners(box).mean(axis=0) for box in foreground]
    mixture = np.average(centres, axis=0, weights=(0.25, 0.25, 0.5))
    assert mixture == pytest.approx((1.5, -0.75))
    assert background.x1[0] <= mixture[0] <= background.x1[1]
    assert background.x2[0] <= mixture[1] <= background.x2[1]


@given(st.tuples(SLOPES, SLOPES))
def test_so_no_linear_f_can_be_right_there(slope):
    foreground, background = boxes_of(MODES[2].plane)
    assert (
        min((corners(box) @ slope).min() for box in foreground) <= (corners(background) @ slope).max() + 1e-4
    )


@given(
    st.tuples(SLOPES, SLOPES), st.lists(st.tuples(SLOPES, SLOPES), min_size=2, max_size=2), st.integers(0, 99)
)
def test_the_corners_of_a_box_have_the_extremes(slope, ends, seed):
    (x1, x2) = (tuple(sorted(pair)) for pair in ends)
    box = Box(x1, x2)
    inside = box.draw(np.random.default_rng(seed), 20) @ slope
    scores = corners(box).astype(np.float64) @ slope
    assert scores.min() - 1e-3 <= inside.min() <= inside.max() <= scores.max() + 1e-3


def test_only_boxes_have_a_landscape():
    with pytest.raises(ValueError, match="boxes"):
        boxes_of(CLUSTERS)


@pytest.mark.parametrize("number", SHIPPED)
def test_shipped_seeds_show_their_modes_on_both_sets(shipped, number):
    one = shipped[number]
    assert one.shown
    for measures in (one.measured_training, one.measured_held_out):
        assert measures.accuracy.value >= 0.99
        assert 0.6 <= measures.focus_true.value <= 0.75
        assert measures.ffpt.value > 0.25
    assert (len(one.training), len(one.held_out)) == (200, 1000)
    assert set(map(tuple, one.training.bank)).isdisjoint(map(tuple, one.held_out.bank))
    assert one.training.bank.dtype == np.float32


@pytest.mark.parametrize("number", SHIPPED)
def test_they_show_them_with_weights_as_stored(number, shipped):
    one = shipped[number]
    rounded = build_fcam(one.mode.config)
    rounded.load_state_dict(one.trained.model.state_dict())
    as_released(rounded)
    for mosaics in (one.training, one.held_out):
        before, after = (share_out(answer(model, mosaics, CPU)) for model in (one.trained.model, rounded))
        assert after.accuracy == pytest.approx(before.accuracy, abs=0.003)
        assert after.focus_true == pytest.approx(before.focus_true, abs=0.003)
        assert shows_mode(after.accuracy, after.focus_true)


def test_wrong_focus_is_of_whole_classes(landscapes):
    astray = {
        number: [one.number + 1 for one in landscape.classes if one.astray]
        for number, landscape in landscapes.items()
    }
    assert astray == {1: [2], 2: [3], 3: [1, 2]}
    for landscape in landscapes.values():
        for one in landscape.classes:
            assert one.focus_true in (0, 1)
            assert one.prediction_true > 0.98


def test_scores_of_boxes_prove_the_focus(shipped, landscapes):
    """By hand from the weights of f, for every point of a box: its extremes are at its corners."""
    proven = 0
    for number, landscape in landscapes.items():
        score = shipped[number].trained.model.focus.score
        slope, offset = score.weight.detach().numpy()[0], score.bias.item()
        behind = corners(landscape.background) @ slope + offset
        lowest, highest = behind.min(), behind.max()
        assert landscape.background_score == pytest.approx((lowest, highest), abs=1e-4)
        for one, box in zip(landscape.classes, landscape.foreground, strict=True):
            scores = corners(box) @ slope + offset
            assert one.score == pytest.approx((scores.min(), scores.max()), abs=1e-4)
            if scores.min() > highest or scores.max() < lowest:
                proven += 1
                assert one.focus_true == (scores.min() > highest)
    assert proven == 10  # of 12 classes; the scores of two in mode 1 overlap the background's


def test_attended_and_averaged_are_as_computed_by_hand(shipped, landscapes):
    one, landscape = shipped[1], landscapes[1]
    score = one.trained.model.focus.score
    segments = one.held_out.gather(slice(None)).astype(np.float64)
    logits = segments @ score.weight.detach().numpy()[0].astype(np.float64)
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(landscape.averaged, np.einsum("nm,nmd->nd", weights, segments), atol=1e-4)
    rows = np.arange(len(segments))
    np.testing.assert_array_equal(
        landscape.attended, segments[rows, weights.argmax(axis=1)].astype(np.float32)
    )
    own = weights[rows, one.held_out.foreground]
    second = one.held_out.labels == 1
    assert landscape.classes[1].foreground_weight == pytest.approx(own[second].mean(), rel=1e-3)
    without = weights.copy()
    without[rows, one.held_out.foreground] = 0
    without /= without.sum(axis=1, keepdims=True)
    moved = np.linalg.norm(np.einsum("nm,nmd->nd", weights - without, segments), axis=1)
    assert landscape.classes[1].shift == pytest.approx(moved[second].mean(), rel=1e-3)


def test_mode_1_made_by_hand():
    """f = 100 (x1 + 0.8 x2): class 1 scores from 660, class 3 from 640, the background to 600, class 2 to 360.

    So the average is a point of class 1's box, of class 3's, or, for class 2, of the background: x1 from 1 to 2. g
    calls it class 2 for 4 (3.5 - x1) > |x2 - 1|, which is 6 or more against 4 or less there, and otherwise class 1
    above x2 = 1 and class 3 below.
    """
    model = build_fcam(MODES[1].config).eval()
    weight = torch.tensor([[0.0, 1.0], [-4.0, 0.0], [0.0, -1.0]])
    model.load_state_dict(
        {
            "focus.score.weight": torch.tensor([[100.0, 80.0]]),
            "focus.score.bias": torch.zeros(1),
            "classifier.0.weight": weight,
            "classifier.0.bias": torch.tensor([-1.0, 14.0, 1.0]),
        }
    )
    landscape = survey(model, MODES[1], mode_mosaics(1)[1])
    first, second, third = landscape.classes
    for one in (first, third):
        assert one.focus_true == one.prediction_true == 1
    assert second.focus_true < 0.05  # eight background points rarely all score as little
    assert second.prediction_true == pytest.approx(1 - second.focus_true)  # and then the answer is wrong
    assert [one.without_foreground for one in landscape.classes] == [0, 1, 0]
    (sentence,) = reasons(landscape)
    assert "absence of the others" in sentence
    assert "100.0% are called class 2" in sentence


def test_a_trace_is_told_where_it_is_one(landscapes):
    first, second = reasons(landscapes[3])
    assert "absence" in first
    assert "Class 2" in second
    assert "A trace of it is enough" in second
    assert "0.1 wide" in second
    right = replace(landscapes[3].classes[0], focus_true=1.0)
    assert reasons(replace(landscapes[3], classes=(right,))) == ()


def test_the_map_is_the_model(shipped, landscapes):
    model, area = shipped[3].trained.model, landscapes[3].near
    row, column = 17, 200
    with torch.no_grad():
        point = torch.tensor([[area.x1[column], area.x2[row]]])
        score, phi = model.examine(point)
        assert area.scores[row, column] == pytest.approx(score.item(), rel=1e-4)
        assert area.classes[row, column] == model.classify(phi).argmax().item()


def test_scan_tells_which_seeds_show_the_mode():
    told = []
    found = list(scan(1, (0, SHIPPED[1]), lambda done, of: told.append((done, of))))
    assert [(one.seed, one.shown) for one in found] == [(0, False), (SHIPPED[1], True)]
    assert found[0].held_out.focus_true == 1
    assert told == [(1, 2), (2, 2)]


@pytest.mark.parametrize(
    ("accuracy", "focus", "shown"),
    [(0.97, 0.6, True), (1, 0.75, True), (0.96, 0.67, False), (1, 0.76, False), (1, 0.59, False)],
)
def test_what_shows_a_mode(accuracy, focus, shown):
    assert shows_mode(accuracy, focus) is shown


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_shares_are_counts(rows):
    weights = np.array([[0.75, 0.25] if focus else [0.25, 0.75] for focus, _ in rows])
    predicted = np.array([int(not right) for _, right in rows])
    nothing = np.zeros(len(rows), int)
    shares = share_out(Outcomes(weights, predicted, nothing, nothing))
    counts = [
        rows.count(kind) / len(rows) for kind in ((True, True), (False, True), (True, False), (False, False))
    ]
    assert (shares.ftpt, shares.ffpt, shares.ftpf, shares.ffpf) == pytest.approx(tuple(counts))
    assert shares.accuracy == pytest.approx(sum(right for _, right in rows) / len(rows))
    assert shares.focus_true == pytest.approx(sum(focus for focus, _ in rows) / len(rows))
    assert isinstance(shares, Shares)


def quick(seed=3, optimizer=Optimizer.ADAM, looks=(2,)):
    training, held_out = (plane_mosaics(MODES[1].plane, 100, split=split) for split in Split)
    recipe = replace(RECIPE, optimizer=optimizer)
    return train_plane("quick", MODES[1].config, recipe, training, held_out, seed=seed, looks=looks), held_out


@pytest.mark.parametrize("optimizer", Optimizer)
def test_a_training_repeats_itself_and_leaves_torch_alone(optimizer):
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    first, held_out = quick(optimizer=optimizer)
    second, _ = quick(optimizer=optimizer)
    other, _ = quick(seed=4, optimizer=optimizer)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)
    assert first.course == second.course
    for name, tensor in first.model.state_dict().items():
        assert torch.equal(tensor, second.model.state_dict()[name])
        assert not torch.equal(first.initial[name], other.initial[name])
        if name != "focus.score.bias":  # a softmax of scores is the same for every offset
            assert not torch.equal(tensor, first.initial[name])
    assert [look.epoch for look in first.course.looks] == [0, 2, 4]
    assert first.course.last.loss < first.course.looks[0].loss
    assert first.course.last.held_out == share_out(answer(first.model, held_out, CPU))
    assert not first.model.training


def test_the_first_look_is_at_the_initial_weights():
    trained, held_out = quick()
    model = build_fcam(MODES[1].config)
    model.load_state_dict(trained.initial)
    assert trained.course.looks[0].held_out == share_out(answer(model, held_out, CPU))


def test_looking_changes_nothing():
    assert quick(looks=())[0].course.last == quick(looks=range(9))[0].course.last


@pytest.mark.parametrize("mechanism", Mechanism)
def test_each_mechanism_learns_on_clusters(mechanism):
    course = train_clusters(mechanism, 0, PlaneRecipe(learning_rate=0.005, epochs=2, batch=50))
    assert course.name == mechanism
    assert [look.epoch for look in course.looks] == [0, 1, 2]
    assert course.last.loss < course.looks[0].loss


def test_a_class_focus_is_astray_below_a_half():
    one = ClassFocus(0, 10, 1.0, 0.5, 0.1, (0, 1), 0.0, 0.0)
    assert not one.astray
    assert replace(one, focus_true=0.49).astray


def test_the_error_modes_are_those_of_the_paper():
    for number, mode in MODES.items():
        linear = number < 3
        assert mode.config == FcamConfig(
            Mechanism.SOFTMAX, 0, 9, 3 if linear else 6, VectorNetworks(2, (), () if linear else (20, 20))
        )
        assert mode.recipe.optimizer is (Optimizer.SGD if linear else Optimizer.ADAM)
        assert (mode.recipe.learning_rate, mode.recipe.momentum) == (0.01, 0.9)
