import json
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

import pytest
import typer
from logged_explanations import line_of_command
from random_samples import make_reference
from reference_data import build_reference_data
from sample_attention import focus_on, outcome, random_explanation
from tiny_store import build_tiny_store

from attendant.archive import build_archives
from attendant.cli import drift, reference
from attendant.cli.console import Commands
from attendant.statistics.references import write_reference
from attendant.statistics.samples import sample
from attendant.types import MODALITIES

TEXT, IMAGE, ATTRIBUTE = MODALITIES
FEW = ("--windows", "2", "--simulations", "2", "--most", "3")
app = typer.Typer(cls=Commands)
app.add_typer(drift.app, name="drift")
app.add_typer(reference.app, name="reference")


def run(*arguments):
    """The exit code of `attendant` with these."""
    with pytest.raises(SystemExit) as stopped:
        app(list(map(str, arguments)))
    return stopped.value.code or 0


def answer(*arguments):
    """The exit code and the JSON."""
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run(*arguments, "--json")
    return code, json.loads(out.getvalue())


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Enough tweets for both halves to be compared."""
    return build_reference_data(tmp_path_factory.mktemp("data"), tweets=100, pictures=600)


@pytest.fixture(scope="module")
def store(data, tmp_path_factory):
    """Both versions have a reference."""
    store = build_tiny_store(tmp_path_factory.mktemp("store"), versions=("1", "2"))
    assert run("reference", "build", "--data", data, "--model-store", store, "--torch", "--all") == 0
    return store


@pytest.fixture(scope="module")
def places(data, store, tmp_path_factory):
    """The options that say where everything is."""
    archives = tmp_path_factory.mktemp("archives")
    assert len(list(build_archives(store, archives))) == 1
    kept = tmp_path_factory.mktemp("kept")
    return ("--data", data, "--model-store", store, "--archives", archives, "--kept", kept)


def test_simulations_of_every_version(places, tmp_path):
    out = StringIO()
    with redirect_stdout(out), redirect_stderr(StringIO()):
        assert run("drift", "simulate", "--all", *FEW, *places, "--write", tmp_path / "report") == 0
    shown = out.getvalue()
    for expected in ("no drift", "fixed rules", "planted drift", "language", "screenshots", "sarcasm 2"):
        assert expected in shown.lower()
    report = {path.name for path in (tmp_path / "report").iterdir()}
    assert report == {"drift.md", "drift.json", "drift.png"}
    document = json.loads((tmp_path / "report" / "drift.json").read_text())
    assert [(one["model"], one["version"]) for one in document["models"]] == [
        ("sarcasm", "1"),
        ("sarcasm", "2"),
    ]
    (first, _) = document["models"]
    sets = ["text", "text+attribute", "text+image+attribute"]
    assert [quiet["name"] for quiet in first["quiet"]] == sets
    assert all(quiet["run_length"]["windows"] == 2 for quiet in first["quiet"])
    drifts = ["language", "screenshots", "constant words", *["other model"] * 3]
    assert [planted["name"] for planted in first["planted"]] == drifts
    assert {planted["what"] for planted in first["planted"][3:]} == {"sarcasm 2"}
    assert document["mix"]["planted"]["delays"][-1]["simulations"] == 2
    markdown = (tmp_path / "report" / "drift.md").read_text()
    assert markdown.count("\n### ") == 3
    rows = [line for line in markdown.splitlines() if line.startswith("|")]
    assert len(rows) == 3 * 2 + (6 + 1) + (6 + 1) + (2 * 6 + 1)


def test_a_simulation_is_the_same_again_and_explains_nothing_anew(places, tmp_path, capfd):
    arguments = ("drift", "simulate", *FEW, *places)
    first = answer(*arguments)
    picture = tmp_path / "drift.png"
    second = answer(*arguments, "--picture", picture)
    assert [code for code, _ in (first, second)] == [0, 0]
    assert first[1]["models"] == second[1]["models"]
    assert first[1]["mix"] == second[1]["mix"]
    assert picture.read_bytes().startswith(b"\x89PNG")
    capfd.readouterr()
    assert run(*arguments) == 0
    assert "explaining" not in capfd.readouterr().err


def test_what_is_missing_is_said_in_one_line(places, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ATTENDANT_DATA", str(tmp_path / "none"))
    assert run("drift", "simulate", *places[2:]) == 1
    assert "no data folder at" in capsys.readouterr().err
    assert run("drift", "simulate", *places[:4], "--archives", tmp_path / "none") == 1
    assert "`make archive` builds it" in " ".join(capsys.readouterr().err.split())
    assert run("drift", "simulate", *places, "--model", "none") == 1
    assert "there are: sarcasm" in " ".join(capsys.readouterr().err.split())
    assert run("drift", "simulate", *places, "--all", "--version", "1") == 2


@pytest.fixture(scope="module")
def usual():
    """Explanations by whatever made the reference, and a few more of the same."""
    return {
        modalities: [outcome(random_explanation(modalities, seed), 0.3) for seed in range(120)]
        for modalities in ((TEXT,), MODALITIES)
    }


@pytest.fixture(scope="module")
def frozen(usual, tmp_path_factory):
    """A reference in a file."""
    path = tmp_path_factory.mktemp("reference") / "reference.safetensors"
    write_reference(path, make_reference(*map(sample, usual.values()), digest="a" * 64))
    return path


def write_log(path, outcomes):
    path.write_text("".join(f"{line_of_command(one)}\n" for one in outcomes))
    return path


def test_a_quiet_log(usual, frozen, tmp_path, capsys):
    log = write_log(tmp_path / "log.jsonl", [*usual[TEXT,][::2], *usual[MODALITIES][::2]])
    picture = tmp_path / "drift.png"
    assert run("drift", "check", "--log", log, "--reference", frozen, "--picture", picture) == 0
    shown = capsys.readouterr().out
    assert "no drift found" in shown
    assert "no windows of 200: no alarms" in shown
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_log_that_drifts(frozen, tmp_path, capsys):
    """Of attention on single words."""
    sure = [outcome(random_explanation((TEXT,), seed, tokens=1), 0.9) for seed in range(10)] + [
        outcome(random_explanation((TEXT,), seed, tokens=75), 0.99) for seed in range(250)
    ]
    log = write_log(tmp_path / "log.jsonl", sure)
    assert run("drift", "check", "--log", log, "--reference", frozen) == 3
    shown = capsys.readouterr().out
    assert "DRIFT" in shown
    assert "element_count/text" in shown
    code, document = answer("drift", "check", "--log", log, "--reference", frozen)
    assert code == 3
    assert document["drift"]
    (text,) = document["sets"]
    assert (text["name"], text["samples"], len(text["windows"])) == ("text", 260, 1)
    assert text["windows"][0]["alarms"][0]["window"] == "fast"
    assert any(stream["distance"] is None for stream in text["streams"])  # no impact was asked for


def test_a_log_against_the_shipped_reference(store, usual, tmp_path, capsys):
    log = write_log(tmp_path / "log.jsonl", usual[TEXT,])
    assert run("drift", "check", "--log", log, "--model-store", store) in {0, 3}
    assert "compared, though other weights made them: 120" in capsys.readouterr().out


def test_what_cannot_be_compared(frozen, usual, tmp_path, capsys):
    few = [*usual[TEXT,][:3], outcome(focus_on([0.5, 0.5]), risk=0.1)]
    log = write_log(tmp_path / "log.jsonl", few)
    picture = tmp_path / "nothing.svg"
    assert run("drift", "check", "--log", log, "--reference", frozen, "--picture", picture) == 2
    assert picture.is_file()
    shown = capsys.readouterr().out
    assert "it cannot be said" in shown
    assert "text: 3 explanations; fewer than 20 say nothing" in shown
    assert "segment: 1 explanation, and no reference of such" in shown


def test_a_picture_that_cannot_be_written_is_a_failure_and_no_drift(usual, frozen, tmp_path):
    log = write_log(tmp_path / "log.jsonl", usual[TEXT,])
    picture = tmp_path / "drift.png"
    picture.mkdir()
    picture = picture / "drift.png"
    picture.symlink_to("/proc/none.png")
    assert run("drift", "check", "--log", log, "--reference", frozen, "--picture", picture) == 1


def test_bad_input_is_status_2(frozen, store, usual, tmp_path, capsys):
    log = write_log(tmp_path / "log.jsonl", usual[TEXT,][:2])
    good = ("drift", "check", "--log", log)
    log.write_text(log.read_text() + "{}\n")
    assert run(*good, "--reference", frozen) == 2
    assert re.search(r"log\.jsonl: line 3: prediction: Field required", capsys.readouterr().err)
    write_log(log, usual[TEXT,][:2])
    assert run(*good, "--reference", log) == 2
    assert "the reference cannot be read" in capsys.readouterr().err
    assert run(*good, "--reference", frozen, "--version", "2") == 2
    assert "no explanation of sarcasm 2" in capsys.readouterr().err
    assert run(*good, "--model-store", tmp_path) == 2
    assert run(*good, "--model-store", store, "--version", "9") == 2
    assert run("drift", "check", "--log", tmp_path / "none") == 2
    log.write_text("")
    assert run(*good, "--reference", frozen) == 2


def test_help_loads_no_torch():
    code = "import sys, attendant.cli.drift; sys.exit('torch' in sys.modules or 'scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
