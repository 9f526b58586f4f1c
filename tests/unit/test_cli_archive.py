"""`attendant archive verify`, `copy` and `unpack`: what they say, and their exit status."""

import json
import zipfile

import pytest
from typer.testing import CliRunner

from attendant.cli.main import app
from attendant.seals import write_seal


@pytest.fixture
def store(tmp_path):
    for name in ("sarcasm", "sdc"):
        (tmp_path / "store" / name / "MAR-INF").mkdir(parents=True)
        (tmp_path / "store" / name / "MAR-INF/MANIFEST.json").write_text("{}")
        write_seal(tmp_path / "store" / name)
    return tmp_path / "store"


def run(*words):
    return CliRunner().invoke(app, ["archive", *map(str, words)])


def test_what_is_as_it_was_built(store):
    done = run("verify", store)
    assert done.exit_code == 0
    assert [line.partition(",")[0] for line in done.stdout.splitlines()] == [
        "sarcasm is as it was built",
        "sdc is as it was built",
    ]
    seals = json.loads(run("verify", store, "--json").stdout)["seals"]
    assert seals.keys() == {"sarcasm", "sdc"}
    assert run("verify", store / "sdc", "--seal", seals["sdc"].upper()).exit_code == 0


def test_what_is_not_is_an_exit_status_and_a_line(store):
    (store / "sdc" / "more.py").write_text("")
    done = run("verify", store)
    assert done.exit_code == 1
    assert "more.py: archive.sha256 does not list it" in done.stderr.replace("\n", "")
    assert done.stdout == ""
    error = json.loads(run("verify", store, "--json").stdout)["error"]
    assert error["message"].endswith("more.py: archive.sha256 does not list it")
    (store / "sdc" / "more.py").unlink()
    done = run("verify", store / "sdc", "--seal", "0" * 64)
    assert done.exit_code == 1
    assert f"it must be {'0' * 64}" in done.stderr


def test_unpacking(store, tmp_path):
    mar = tmp_path / "sdc.mar"
    with zipfile.ZipFile(mar, "w") as zipped:
        for path in (store / "sdc").rglob("*"):
            zipped.write(path, path.relative_to(store / "sdc"))
    done = run("unpack", mar, tmp_path / "new")
    assert (done.exit_code, done.stdout.startswith("new is as it was built, seal sha256 ")) == (0, True)
    assert run("verify", tmp_path / "new").exit_code == 0
    with zipfile.ZipFile(mar, "a") as zipped:
        zipped.writestr("../evil", "x")
    done = run("unpack", mar, tmp_path / "newer")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "not a path inside the archive" in done.stderr
    assert not (tmp_path / "evil").exists()


def test_copying(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where there is no model_store, of which only building wants to know
    volume = tmp_path / "volume" / "archives"
    done = run("copy", store, volume)
    assert (done.exit_code, done.stderr) == (0, "")
    assert [line.partition(",")[0] for line in done.stdout.splitlines()] == [
        f"{volume / name}: copied and checked" for name in ("sarcasm", "sdc")
    ]
    again = json.loads(run("copy", store, volume, "--json").stdout)
    assert again == {"seals": json.loads(run("verify", volume, "--json").stdout)["seals"], "copied": False}
    seals = tmp_path / "seals"
    seals.write_text("".join(f"{digest}  {name}/archive.sha256\n" for name, digest in again["seals"].items()))
    assert run("copy", store, tmp_path / "volume" / "pinned", "--seals", seals).exit_code == 0
    seals.write_text(seals.read_text().replace(again["seals"]["sdc"], "0" * 64))
    done = run("copy", store, tmp_path / "volume" / "other", "--seals", seals)
    assert (done.exit_code, done.stdout) == (1, "")
    assert f"it must be {'0' * 64}" in done.stderr
    assert not (tmp_path / "volume" / "other").exists()
    done = run("copy", store, tmp_path / "volume" / "models", "--manifests")
    assert (done.exit_code, "there is no model here" in done.stderr) == (1, True)


def test_building_from_no_folder_is_wrong_use(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run()
    assert (done.exit_code, "there is no folder model_store" in done.stderr) == (2, True)
