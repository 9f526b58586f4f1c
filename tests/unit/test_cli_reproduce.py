import json
import os
import subprocess
import sys
from dataclasses import replace
from functools import partial

import pytest
from tiny_sdc import HARD, SOFTMAX, build_tiny_sets

from attendant.cli.main import app
from attendant.training import error_modes, planes, sdc_sets, variants
from attendant.training.sdc_sets import SdcSets

DRAWN = (".png", ".svg")


def run(*arguments):
    """The exit code of `attendant reproduce` with these."""
    with pytest.raises(SystemExit) as stopped:
        app(["reproduce", *map(str, arguments)])
    return stopped.value.code or 0


@pytest.fixture
def quick(monkeypatch):
    """One error mode instead of three, and shorter trainings."""
    mode = error_modes.MODES[1]
    monkeypatch.setattr(error_modes, "SHIPPED", {1: 5})
    monkeypatch.setattr(error_modes, "MODES", {1: replace(mode, recipe=replace(mode.recipe, epochs=30))})
    recipe = planes.PlaneRecipe(epochs=1, batch=200)
    monkeypatch.setattr(planes, "train_clusters", partial(planes.train_clusters, recipe=recipe))


@pytest.fixture
def tiny(monkeypatch):
    """Two variants of tiny networks, and few mosaics."""
    sets = build_tiny_sets()
    monkeypatch.setattr(variants, "VARIANTS", {one.name: one for one in (SOFTMAX, HARD)})
    monkeypatch.setattr(sdc_sets, "read_sets", lambda _: sets)


def test_error_modes_in_all_forms(quick, tmp_path, capsys):
    out = tmp_path / "new" / "folder"
    assert run("sdc-error-modes", "--out", out, "--seeds", 2) == 0
    names = {"error-modes.md", "error-modes.json", *(f"error-mode-1{ending}" for ending in DRAWN)}
    assert {path.name for path in out.iterdir()} == names
    text = (out / "error-modes.md").read_text()
    (mode,) = json.loads((out / "error-modes.json").read_text())["modes"]
    seeds = [one["seed"] for one in mode["initialisations"] if one["shown"]]
    assert f"{len(seeds)} of 2" in text
    assert f"of 0 to 1: {', '.join(map(str, seeds)) or 'none'}." in text
    assert f"{100 * mode['held_out']['focus_true']['value']:.1f}" in text
    assert mode["reasons"][0] in text
    assert mode["seed"] == 5
    said = capsys.readouterr()
    assert "error-modes.md, .json and 1 figure (PNG, SVG)" in said.out
    assert f"shown by {len(seeds)} of 2 initialisations" in said.err


def test_dynamics_with_and_without_cifar(quick, tiny, tmp_path):
    runs, out = tmp_path / "runs", tmp_path / "out"
    assert run("sdc-dynamics", "--out", out, "--runs", runs) == 0
    document = json.loads((out / "dynamics.json").read_text())
    assert list(document["groups"]) == ["dynamics-error-modes", "dynamics-clusters"]
    assert len(document["groups"]["dynamics-clusters"]) == 5
    assert not (out / "dynamics-cifar.png").exists()
    table = ("sdc-table2", "--out", tmp_path, "--data", tmp_path, "--runs", runs, "--device", "cpu")
    assert run(*table, "--variant", SOFTMAX.name) == 0
    assert run("sdc-dynamics", "--out", out, "--runs", runs) == 0
    (course,) = json.loads((out / "dynamics.json").read_text())["groups"]["dynamics-cifar"]
    assert course["looks"][0]["epoch"] == 1
    assert "sdc-cifar-softmax-0-fixed-1" in (out / "dynamics.md").read_text()
    assert all((out / f"dynamics-cifar{ending}").is_file() for ending in DRAWN)


def test_a_damaged_checkpoint_is_named(quick, tmp_path, capsys):
    (tmp_path / "damaged.pt").write_bytes(b"?")
    assert run("sdc-dynamics", "--out", tmp_path / "out", "--runs", tmp_path) == 1
    assert "damaged.pt" in "".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


def test_the_table_is_trained_once_and_then_found(tiny, tmp_path, capsys):
    command = (
        "sdc-table2",
        "--out",
        tmp_path,
        "--data",
        tmp_path,
        "--runs",
        tmp_path / "runs",
        "--device",
        "cpu",
    )
    assert run(*command, "--only-finished") == 0
    empty = json.loads((tmp_path / "table2.json").read_text())["models"]
    assert [model["runs"] for model in empty.values()] == [[], []]
    assert not (tmp_path / "thresholds.png").exists()
    assert run(*command, "--seeds", 2) == 0
    trained = json.loads((tmp_path / "table2.json").read_text())["models"]
    assert [[one["seed"] for one in model["runs"]] for model in trained.values()] == [[1, 2], [1, 2]]
    assert all((tmp_path / f"thresholds{ending}").is_file() for ending in DRAWN)
    assert "epoch 1 of 1" in capsys.readouterr().err
    assert run(*command, "--only-finished", "--seeds", 3) == 0
    assert json.loads((tmp_path / "table2.json").read_text())["models"] == trained
    assert run(*command, "--only-finished", "--variant", HARD.name) == 0
    assert list(json.loads((tmp_path / "table2.json").read_text())["models"]) == [HARD.name]


def test_wrong_use(tiny, tmp_path, capsys):
    command = ("sdc-table2", "--out", tmp_path, "--data", tmp_path)
    assert run(*command, "--variant", "sdc-cifar-linear-0") == 2
    assert SOFTMAX.name in capsys.readouterr().err
    assert run(*command, "--only-finished", "--no-resume") == 2
    assert run("sdc-error-modes", "--out", tmp_path, "--seeds", 0) == 2
    file = tmp_path / "file"
    file.touch()
    assert run("sdc-dynamics", "--out", file) == 2
    assert run("sdc-table2", "--out", tmp_path, "--data", tmp_path / "none") == 2


def test_a_folder_without_the_data_is_a_clear_failure(tmp_path, capsys):
    assert run("sdc-table2", "--out", tmp_path / "out", "--data", tmp_path, "--only-finished") == 1
    assert "labels.npz" in "".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


def test_interrupted_it_says_how_to_go_on(tiny, tmp_path, capsys, monkeypatch):
    def interrupt(_) -> SdcSets:
        raise KeyboardInterrupt

    monkeypatch.setattr(sdc_sets, "read_sets", interrupt)
    assert run("sdc-table2", "--out", tmp_path, "--data", tmp_path) == 130
    assert "goes on from the last checkpoint" in " ".join(capsys.readouterr().err.split())


def test_help_loads_no_torch():
    code = (
        "import sys, attendant.cli.reproduce; sys.exit('torch' in sys.modules or 'matplotlib' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, env=os.environ).returncode == 0


@pytest.mark.parametrize("name", ["sdc-error-modes", "sdc-dynamics", "sdc-table2"])
def test_each_has_an_example(name, capsys):
    assert run(name, "--help") == 0
    assert f"attendant reproduce {name} --out" in " ".join(capsys.readouterr().out.replace("│", "").split())
