import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

import pytest
import typer
from reference_data import build_reference_data
from small_fcam import write_small_sdc
from tiny_store import build_tiny_store

from attendant.archive import build_archives
from attendant.cli import reference
from attendant.cli.console import Commands
from attendant.manifest import read_manifest

app = typer.Typer(cls=Commands)
app.add_typer(reference.app, name="reference")


def run(*arguments):
    """The exit code of `attendant reference` with these."""
    with pytest.raises(SystemExit) as stopped:
        app(["reference", *map(str, arguments)])
    return stopped.value.code or 0


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return build_reference_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Version 1 has a reference, made by the archive that was built of it; version 2 has none."""
    return build_tiny_store(tmp_path_factory.mktemp("store"), versions=("1", "2"))


@pytest.fixture(scope="module")
def archives(store, tmp_path_factory):
    folder = tmp_path_factory.mktemp("archives")
    assert len(list(build_archives(store, folder))) == 1
    return folder


@pytest.fixture(scope="module")
def answer(data, store, archives):
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        arguments = ("--data", data, "--model-store", store, "--archives", archives, "--version", "1")
        assert run("build", *arguments, "--json") == 0
    assert "text+image+attribute" in err.getvalue()
    (written,) = json.loads(out.getvalue())["references"]
    return written


@pytest.fixture(scope="module")
def mosaics(tmp_path_factory):
    """A store with models of mosaics of points, with references."""
    store = tmp_path_factory.mktemp("mosaics")
    for number in (1, 3):
        write_small_sdc(store, f"sdc-error-mode-{number}", kind="vector", segments=9, seed=number)
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        assert run("build", "--all", "--torch", "--model-store", store) == 0
    return store


def test_build_writes_and_lists_the_reference(answer, store):
    entry = read_manifest(store / "sarcasm").versions["1"].files["reference"]
    assert answer["sha256"] == entry.sha256
    assert answer["path"] == str(store / "sarcasm" / entry.path)
    assert (answer["model"], answer["version"]) == ("sarcasm", "1")
    assert list(answer["n"]) == ["text", "text+attribute", "text+image+attribute"]
    assert min(answer["n"].values()) > 0


def test_the_archive_carries_it_along(answer, store, tmp_path):
    (built,) = build_archives(store, tmp_path)
    entry = read_manifest(built / "sarcasm").versions["1"].files["reference"]
    assert entry.sha256 == answer["sha256"]
    assert (built / "sarcasm" / entry.path).is_file()


def test_show_prints_tables_and_draws(answer, store, tmp_path, capsys):
    picture = tmp_path / "reference.png"
    assert run("show", "--model-store", store, "--picture", picture) == 0
    shown = capsys.readouterr().out
    for expected in ("text by image", "attribute, all together", "weight of image", "P(sarcastic)"):
        assert expected in shown
    for permuted in ("image", "modalities"):
        assert f"impact of permuting {permuted}" in shown
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_show_json_has_every_statistic(answer, store, capsys):
    assert run("show", "--model-store", store, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["model"]["version"] == "1"
    (text, _, full) = document["sets"]
    assert text["modalities"] == ["text"]
    assert full["n"] == answer["n"]["text+image+attribute"]
    row = next(row for row in full["streams"] if row["statistic"] == "log_ratio" and row["target"] == "text")
    assert row["q05"] <= row["mean"] <= row["q95"]
    assert "labelled tweets" in document["inputs"]


def test_all_are_built_and_the_same_bytes_again(mosaics, tmp_path, capsys):
    before = {path: path.read_bytes() for path in mosaics.glob("*/1/reference.safetensors")}
    assert [path.parts[-3] for path in sorted(before)] == ["sdc-error-mode-1", "sdc-error-mode-3"]
    assert run("build", "--all", "--torch", "--model-store", mosaics) == 0
    assert "segment: 2000 of 4000 mosaics of newly drawn points" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in before} == before


def test_mosaics_are_shown_by_their_focus(mosaics, tmp_path, capsys):
    picture = tmp_path / "reference.svg"
    arguments = ("--model-store", mosaics, "--model", "sdc-error-mode-1")
    assert run("show", *arguments, "--picture", picture) == 0
    shown = capsys.readouterr().out
    for expected in ("segment: 2000", "segments", "focus risk", "P(label)", "impact of permuting segments"):
        assert expected in shown
    assert "weight of" not in shown
    assert picture.read_text().startswith("<?xml")
    assert run("show", *arguments, "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)["sets"]
    assert {"statistic": "focus_risk", "target": "", "source": ""}.items() <= found["streams"][6].items()


def test_torch_needs_no_archive_and_the_seed_changes_the_rows(data, tmp_path, capsys):
    store = build_tiny_store(tmp_path / "store")
    for seed in (1, 2):
        arguments = ("--data", data, "--model-store", store, "--torch", "--seed", seed)
        assert run("build", *arguments, "--archives", tmp_path / "none") == 0
    said = capsys.readouterr().out
    assert "23 validation tweets, text alone" in said
    assert len({line for line in said.splitlines() if line.startswith("wrote")}) == 2


def test_what_is_not_there_is_a_clear_failure(data, store, tmp_path, capsys):
    assert run("show", "--model-store", store, "--version", "2") == 1
    assert "attendant reference build --model sarcasm --version 2" in " ".join(
        capsys.readouterr().err.split()
    )
    assert run("build", "--data", data, "--model-store", store, "--archives", tmp_path) == 1
    assert "make archive" in " ".join(capsys.readouterr().err.split())
    assert run("build", "--all", "--model-store", tmp_path) == 1
    assert "there is no model here" in " ".join(capsys.readouterr().err.split())
    assert run("show", "--model-store", tmp_path) == 1
    assert "manifest.json" in "".join(capsys.readouterr().err.split())


def test_an_archive_of_other_weights_is_refused(data, archives, tmp_path, capsys):
    other = build_tiny_store(tmp_path / "other", seed=7)
    assert run("build", "--data", data, "--model-store", other, "--archives", archives) == 1
    assert "make archive" in " ".join(capsys.readouterr().err.split())
    assert "reference" not in read_manifest(other / "sarcasm").versions["1"].files


def test_wrong_use(answer, store, tmp_path, capsys):
    assert run("build", "--data", tmp_path / "none") == 2
    assert run("build", "--all", "--version", "1", "--model-store", store) == 2
    assert run("show", "--model-store", store, "--picture", tmp_path / "reference.txt") == 2
    assert ".png, .svg, .pdf" in " ".join(capsys.readouterr().err.split())


def test_help_loads_no_torch():
    code = "import sys, attendant.cli.reference; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
