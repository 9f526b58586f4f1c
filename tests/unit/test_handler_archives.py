"""A handler is run only once its archive is found to be as it was built."""

import importlib.util
import json
import os
import py_compile
import subprocess
import sys
from pathlib import Path

import pytest

from attendant.manifest import ManifestError
from attendant.seals import write_seal
from handlers.archives import load_handler

HANDLER = """
import os
from pathlib import Path

Path({trace!r}).write_text("run")

class Handler:
    greeting = "hello"
"""


@pytest.fixture
def trace(tmp_path):
    """Where the handler's module leaves a trace when it is run."""
    return tmp_path / "trace"


@pytest.fixture
def archive(tmp_path, trace):
    archive = tmp_path / "archive"
    (archive / "MAR-INF").mkdir(parents=True)
    names = {"model": {"handler": "a_handler.py", "configFile": "model-config.yaml"}}
    (archive / "MAR-INF/MANIFEST.json").write_text(json.dumps(names))
    (archive / "a_handler.py").write_text(HANDLER.format(trace=str(trace)))
    (archive / "model-config.yaml").write_text("batchSize: 1")
    write_seal(archive)
    return archive


def test_the_one_class_and_the_configuration(archive, trace):
    handler, config = load_handler(archive)
    assert handler.greeting == "hello"
    assert config == {"batchSize": 1}
    assert trace.exists()
    load_handler(archive)  # nothing was left in the folder, bytecode above all


def append(archive, name, content):
    with (archive / name).open("a") as file:
        file.write(content)


def point_outside(archive):
    (archive.parent / "evil.py").write_text((archive / "a_handler.py").read_text())
    names = {"model": {"handler": "../evil.py", "configFile": "model-config.yaml"}}
    (archive / "MAR-INF/MANIFEST.json").write_text(json.dumps(names))
    write_seal(archive)


@pytest.mark.parametrize(
    ("do", "said"),
    [
        (lambda archive: append(archive, "a_handler.py", "\n# more"), r"a_handler\.py: its sha256"),
        (
            lambda archive: append(archive, "model-config.yaml", "\nlane: slow"),
            r"model-config\.yaml: its sha256",
        ),
        (lambda archive: append(archive, "MAR-INF/MANIFEST.json", " "), r"MANIFEST\.json: its sha256"),
        (lambda archive: append(archive, "json.py", ""), r"json\.py: archive\.sha256 does not list it"),
        (lambda archive: (archive / "archive.sha256").unlink(), r"archive\.sha256: no such file"),
        (point_outside, r"'\.\./evil\.py' is not a path inside"),
    ],
)
def test_a_changed_archive_is_refused_before_its_handler_runs(archive, trace, do, said):
    do(archive)
    with pytest.raises(ManifestError, match=said):
        load_handler(archive)
    assert not trace.exists()


def test_bytecode_in_place_of_the_handler_is_not_run(archive, tmp_path):
    """Python takes it for the source's if it has its time and size. Seal and loader do not."""
    other, traces = tmp_path / "other.py", (tmp_path / "evil", tmp_path / "trace")
    source = archive / "a_handler.py"
    other.write_text(
        source.read_text().replace(str(traces[1]), str(traces[0])).ljust(source.stat().st_size, "#")
    )
    other.write_text(other.read_text()[: source.stat().st_size - 1] + "\n")
    os.utime(other, (source.stat().st_atime, source.stat().st_mtime))
    py_compile.compile(str(other), importlib.util.cache_from_source(str(source)), doraise=True)
    with pytest.raises(ManifestError, match="does not list it"):
        load_handler(archive)
    write_seal(archive)
    load_handler(archive)
    assert [trace.exists() for trace in traces] == [False, True]


def test_the_worker_says_it_in_one_line(archive, trace):
    append(archive, "a_handler.py", "\n# more")
    command = [
        sys.executable,
        "-m",
        "handlers.worker",
        "--archive",
        str(archive),
        "--socket",
        "unix:/dev/null/x",
    ]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"attendant worker: {archive / 'a_handler.py'}: its sha256 is")
    assert done.stderr.count("\n") == 1
    assert not trace.exists()
