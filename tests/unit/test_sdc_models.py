from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny_cifar import draw_images, write_tiny_cifar
from torch.nn.functional import cross_entropy

from attendant.cli.main import app
from attendant.manifest import read_manifest
from attendant.models.fcam import ImageNetworks, build_fcam
from attendant.models.fcam_store import load_fcam, load_fcam_config
from attendant.models.focus_maps import Mechanism
from attendant.statistics.focus import Outcomes, measure_focus
from attendant.training import mosaics, sdc_sets, variants
from attendant.training.cifar import read_cifar
from attendant.training.error_modes import MODES
from attendant.training.risk import fit_risk, training_weights
from attendant.training.sdc import answer, respond
from attendant.training.sdc_release import as_released
from attendant.training.sdc_sets import read_sets
from attendant.training.variants import VARIANTS
from attendant.types import MosaicShape

CPU = torch.device("cpu")
NETWORKS = ImageNetworks((4, 4, 6), 8)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    images = draw_images()
    for label in range(3):  # red, green and blue
        images["train"][label::10] //= 3
        images["train"][label::10, :, :, label] += 150
    return write_tiny_cifar(tmp_path_factory.mktemp("data"), images)


@pytest.fixture
def small(monkeypatch) -> None:
    """Tiny networks, few mosaics, one epoch."""
    tiny = {
        name: replace(
            variant,
            config=replace(variant.config, networks=NETWORKS),
            recipe=replace(
                variant.recipe, epochs=1, batch=20, fresh_images=min(variant.recipe.fresh_images, 24)
            ),
        )
        for name, variant in VARIANTS.items()
    }
    monkeypatch.setattr("attendant.training.sdc_models.VARIANTS", tiny)
    monkeypatch.setattr(mosaics, "CIFAR_MOSAICS", {mosaics.Split.TRAINING: 60, mosaics.Split.TEST: 50})
    monkeypatch.setattr(sdc_sets, "RISK_MOSAICS", 40)


def train(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        app(["train", "sdc", *map(str, arguments)])
    return int(stopped.value.code or 0)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", ["sdc-cifar-sparsemax-0", "sdc-cifar-hard-6"])
def test_a_model_is_trained_released_and_found_again(name: str, data, tmp_path, capsys) -> None:
    store, runs = tmp_path / "store", tmp_path / "runs"
    command = (name, "--data", data, "--store", store, "--runs", runs, "--device", "cpu")
    assert train(*command) == 0
    said = capsys.readouterr().err
    assert "segments/s" in said
    assert f"released {name}" in said
    manifest = read_manifest(store / name)
    assert (manifest.archive, manifest.classes) == ("sdc", ("airplane", "automobile", "bird"))
    assert manifest.mosaic == MosaicShape(9, (32, 32, 3))
    version = manifest.version_or_default()
    card = (store / name / version.files["card"].path).read_text()
    for part in ("held out", "expected calibration error", "Dist", "fixed" if "-0" in name else "afresh"):
        assert part in card
    model, config = load_fcam(store / name, version), load_fcam_config(store / name, version)
    found = measure_focus(answer(model, read_sets(data).held_out, CPU))
    assert f"| accuracy | {found.accuracy.value:.4f}" in card  # of the weights as they are shipped
    assert config.fcam.mechanism in name
    assert train(*command) == 0
    assert "1 of 1 epochs were done before" in capsys.readouterr().err
    assert read_manifest(store / name) == manifest


@pytest.mark.parametrize("number", [1, 2, 3])
def test_an_error_mode_is_shipped_with_its_initialisation_and_data(number: int, tmp_path, capsys) -> None:
    """Accurate, astray, and sure to be suspected: what was released is trained again from what lies beside it."""
    name = f"sdc-error-mode-{number}"
    assert train(name, "--store", tmp_path) == 0
    assert f"released {name}" in capsys.readouterr().err
    manifest = read_manifest(tmp_path / name)
    version = manifest.version_or_default()
    files = {role: tmp_path / name / entry.path for role, entry in version.files.items()}
    drawn, initial = load_file(files["mosaics"]), load_file(files["initial"])
    model, config = load_fcam(tmp_path / name, version), load_fcam_config(tmp_path / name, version)
    mode = MODES[number]
    with torch.no_grad():
        output = model(drawn["points"])
    outcomes = Outcomes(
        output.weights.numpy(),
        output.logits.argmax(1).numpy(),
        drawn["labels"].numpy(),
        drawn["foreground"].numpy(),
    )
    measures = measure_focus(outcomes)
    assert measures.accuracy.value >= 0.97
    assert 0.6 <= measures.focus_true.value <= 0.75
    risks = config.focus_risk(outcomes.weights, output.probabilities.numpy())
    assert risks[~outcomes.focus_true].mean() > 0.7 > 0.3 > risks[outcomes.focus_true].mean()
    again = build_fcam(mode.config)
    again.load_state_dict(initial)
    kind = torch.optim.Adam if mode.recipe.optimizer == "adam" else partial(torch.optim.SGD, momentum=0.9)
    optimizer = kind(again.parameters(), lr=mode.recipe.learning_rate)
    for _ in range(mode.recipe.epochs):
        optimizer.zero_grad()
        cross_entropy(again(drawn["points"]).logits, drawn["labels"]).backward()
        optimizer.step()
    with torch.no_grad():
        trained = again.eval()(drawn["points"])
    assert (trained.weights - output.weights).abs().mean() < 0.01  # rounded to fp16 in between
    assert (trained.logits.argmax(1) == output.logits.argmax(1)).float().mean() > 0.99


def test_a_name_that_is_no_model_is_refused_with_those_that_are(capsys, tmp_path) -> None:
    assert train("sdc-cifar-sparse-0", "--store", tmp_path) != 0
    said = " ".join(capsys.readouterr().err.split())
    assert "'sdc-cifar-sparse-0'" in said
    assert "sdc-cifar-sparsemax-0" in said


def test_data_that_are_missing_are_named(capsys, tmp_path) -> None:
    assert train("sdc-cifar-hard-0", "--data", tmp_path, "--store", tmp_path / "store") != 0
    assert "cifar10" in "".join(capsys.readouterr().err.split())


@pytest.mark.usefixtures("small")
def test_the_risk_is_fitted_and_measured_on_different_held_out_images(data) -> None:
    sets, images = read_sets(data), read_cifar(data)
    used = [set(one.indices.ravel().tolist()) for one in (sets.risk_fitting, sets.risk_measuring)]
    assert not used[0] & used[1]
    for indices in (used[0] | used[1], set(sets.held_out.indices.ravel().tolist())):
        assert images.held_out[sorted(indices)].all()
    for one in (sets.training, sets.authors):
        assert not images.held_out[one.indices].any()


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("mechanism", Mechanism)
def test_the_risk_of_any_mechanism_is_a_probability(mechanism: Mechanism, data) -> None:
    sets = read_sets(data)
    torch.manual_seed(2)
    model = build_fcam(
        replace(variants.VARIANTS[f"sdc-cifar-{mechanism}-0"].config, networks=NETWORKS)
    ).eval()
    risk, scores = fit_risk(model, sets.risk_fitting, sets.risk_measuring)
    found = respond(model, sets.risk_measuring, CPU)
    told = risk(training_weights(model, found), found.probabilities)
    wrong = found.weights.argmax(axis=1) != sets.risk_measuring.foreground
    assert ((told >= 0) & (told <= 1)).all()
    assert scores.mosaics == len(told) == 40
    assert scores.wrong == pytest.approx(wrong.mean())
    assert scores.curve.counts.sum() == 40
    # Hard attention answers with one-hot weights, which tell nothing; the risk is told from others
    assert training_weights(model, found).max() < 1 or mechanism is not Mechanism.HARD


def test_weights_are_measured_as_they_will_be_read() -> None:
    torch.manual_seed(0)
    model = as_released(build_fcam(replace(variants.VARIANTS["sdc-cifar-hard-6"].config, networks=NETWORKS)))
    assert not model.training
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            assert torch.equal(tensor, tensor.half().float())
