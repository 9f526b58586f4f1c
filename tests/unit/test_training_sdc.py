import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from attendant.models.fcam import FcamConfig, ImageNetworks, build_fcam
from attendant.models.focus_maps import Mechanism
from attendant.models.segments import prepare
from attendant.training.cifar import Cifar
from attendant.training.mosaics import MODE_1, Mosaics, Split, cifar_mosaics, plane_mosaics
from attendant.training.progress import Silent
from attendant.training.sdc import (
    SdcRecipe,
    SdcStage,
    answer,
    fixed_steps,
    fresh_steps,
    respond,
    train,
)
from attendant.training.variants import VARIANTS, Protocol, checkpoint_of

CPU = torch.device("cpu")
NETWORKS = ImageNetworks((4, 4, 6), 8)
RECIPE = SdcRecipe(epochs=2, batch=16)
FRESH = replace(RECIPE, fresh_images=32)


def config_of(mechanism: Mechanism = Mechanism.SOFTMAX, layer: int = 0) -> FcamConfig:
    return FcamConfig(mechanism, layer, n_segments=4, networks=NETWORKS)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def images() -> Cifar:
    """400 images of noise, of which classes 0 to 2 are red, green and blue."""
    rng = np.random.default_rng(3)
    labels = np.arange(400) % 10
    pixels = rng.integers(0, 80, (400, 32, 32, 3), dtype=np.uint8)
    for label in range(3):
        pixels[labels == label, :, :, label] += 150
    return Cifar(pixels, labels, tuple("abcdefghij"))


@pytest.fixture(scope="module")
def splits(images: Cifar) -> tuple[Mosaics, Mosaics]:
    training = cifar_mosaics(images, Split.TRAINING, 96, segments=4)
    return training, cifar_mosaics(images, Split.TEST, 64, segments=4)


@pytest.mark.parametrize(("mechanism", "layer"), [(Mechanism.SOFTMAX, 0), (Mechanism.HARD, 6)])
def test_a_colour_is_learnt(mechanism: Mechanism, layer: int, splits, tmp_path) -> None:
    recipe = SdcRecipe(epochs=10, batch=8, learning_rate=1e-2)
    stage, _ = train(
        config_of(mechanism, layer),
        recipe,
        *splits,
        seed=1,
        checkpoint=tmp_path / "run.pt",
        progress=Silent(),
        device=CPU,
    )
    outcomes = answer(stage.model, splits[1], CPU)
    assert outcomes.prediction_true.mean() > 0.7
    first, last = stage.moments[0], stage.moments[-1]
    assert last["epoch"] == recipe.epochs
    assert last["loss"] < first["loss"]
    assert last["test"]["accuracy"]["value"] == pytest.approx(outcomes.prediction_true.mean())
    assert last["segments_per_second"] > 0


@pytest.mark.parametrize("recipe", [RECIPE, FRESH])
def test_an_interrupted_training_ends_as_one_that_was_not(recipe: SdcRecipe, splits, tmp_path) -> None:
    def run(name: str, stop_after: int | None = None) -> dict[str, torch.Tensor]:
        class Stop(Silent):
            def say(self, line: str) -> None:
                if stop_after is not None and f"epoch {stop_after} of" in line:
                    raise KeyboardInterrupt

        arguments = {"seed": 4, "checkpoint": tmp_path / name, "device": CPU}
        stage, _ = train(config_of(), recipe, *splits, progress=Stop(), **arguments)
        return stage.model.state_dict()

    with pytest.raises(KeyboardInterrupt):
        run("cut.pt", 1)
    whole, resumed = run("whole.pt"), run("cut.pt")
    for name, tensor in whole.items():
        assert torch.equal(tensor, resumed[name]), name


def test_fixed_steps_are_every_mosaic_once(splits) -> None:
    training, _ = splits
    seen = []
    for step in fixed_steps(training, 40, np.random.default_rng(0)):
        assert len(np.unique(step.images)) == len(step.images)
        rows = step.images[step.indices]
        seen += [(tuple(row), label) for row, label in zip(rows.tolist(), step.labels.tolist(), strict=True)]
    expected = zip(map(tuple, training.indices.tolist()), training.labels.tolist(), strict=True)
    assert sorted(seen) == sorted(expected)


def test_fresh_steps_are_mosaics_of_the_training_images_only(images, splits) -> None:
    training, _ = splits
    known = set(training.indices.ravel().tolist())
    steps = list(fresh_steps(training, FRESH, np.random.default_rng(0)))
    assert sum(len(step.labels) for step in steps) == len(training)
    for step in steps:
        assert len(step.images) == len(set(step.images.tolist())) == FRESH.fresh_images
        assert set(step.images.tolist()) <= known
        kinds = images.labels[step.images[step.indices]]
        foregrounds = kinds < 3
        assert (foregrounds.sum(axis=1) == 1).all()
        assert (kinds[foregrounds] == step.labels).all()
    again = list(fresh_steps(training, FRESH, np.random.default_rng(0)))
    assert all(np.array_equal(a.indices, b.indices) for a, b in zip(steps, again, strict=True))
    other = list(fresh_steps(training, FRESH, np.random.default_rng(1)))
    assert not all(np.array_equal(a.images, b.images) for a, b in zip(steps, other, strict=True))


@pytest.mark.parametrize("mechanism", Mechanism)
def test_answers_are_the_models_own(mechanism: Mechanism, splits) -> None:
    """The loop gives each mosaic to the model by itself; `respond` runs f once an image."""
    _, mosaics = splits
    model = build_fcam(config_of(mechanism)).eval()
    found = respond(model, mosaics, CPU)
    for row in range(0, len(mosaics), 16):
        segments = prepare(mosaics.gather([row])[0], CPU)[None]
        with torch.no_grad():
            expected = model(segments)
        np.testing.assert_allclose(found.scores[row], expected.scores[0], atol=1e-5)
        np.testing.assert_allclose(found.weights[row], expected.weights[0], atol=1e-5)
        np.testing.assert_allclose(found.probabilities[row], expected.probabilities[0], atol=1e-5)
        np.testing.assert_allclose(
            mechanism.focus_map.weights(torch.from_numpy(found.scores[row : row + 1]))[0],
            found.weights[row],
        )


def test_pictures_are_scaled_and_vectors_are_not() -> None:
    pixels = np.array([0, 51, 255], np.uint8).reshape(1, 1, 1, 3)
    assert prepare(pixels, CPU).flatten().tolist() == pytest.approx([-1, -0.6, 1])
    points = plane_mosaics(MODE_1, 3).bank
    assert torch.equal(prepare(points, CPU), torch.from_numpy(points))


def test_the_rate_goes_up_and_then_down_to_nothing(splits) -> None:
    stage = SdcStage(config_of(), RECIPE, *splits, 1, CPU)
    rates = []
    for done in np.linspace(0, 1, 101):
        stage._set_rate(float(done))
        rates.append(stage._optimizer.param_groups[0]["lr"])
    assert rates[0] == 0
    assert max(rates) == rates[20] == pytest.approx(RECIPE.learning_rate)
    assert all(a < b for a, b in itertools.pairwise(rates[:21]))
    assert all(a > b for a, b in itertools.pairwise(rates[20:]))
    assert rates[-1] == pytest.approx(0)


def test_the_table_has_ten_variants_with_files_of_their_own(tmp_path) -> None:
    assert len(VARIANTS) == 10
    assert {(v.config.mechanism, v.config.averaging_layer) for v in VARIANTS.values()} == set(
        itertools.product(Mechanism, (0, 6))
    )
    assert len({checkpoint_of(tmp_path, variant, 1) for variant in VARIANTS.values()}) == 10
    for name in ("sdc-cifar-softmax-0", "sdc-cifar-sparsemax-0"):
        assert VARIANTS[name].protocol == "fixed"


def test_a_variant_may_be_trained_by_the_other_protocol() -> None:
    fresh, fixed = VARIANTS["sdc-cifar-spherical-0"], VARIANTS["sdc-cifar-softmax-0"]
    assert (fresh.protocol, fixed.protocol) == ("fresh", "fixed")
    assert fresh.by(Protocol.FRESH) is fresh
    changed = fresh.by(Protocol.FIXED)
    assert changed.protocol is Protocol.FIXED
    assert changed.recipe == replace(fixed.recipe, learning_rate=fresh.recipe.learning_rate)
