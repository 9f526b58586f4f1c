import os
import subprocess
import sys

import pytest
from tiny_data import build_tiny_data
from tiny_recipe import RECIPE, answer_sentences

from attendant.cli.main import app
from attendant.training.sarcasm import Labels


def run(*arguments):
    """The exit code of `attendant train sarcasm` with these."""
    with pytest.raises(SystemExit) as stopped:
        app(["train", "sarcasm", *map(str, arguments)])
    return stopped.value.code or 0


def test_wrong_use(tmp_path, capsys):
    assert run("--data", tmp_path / "none") == 2
    assert run("--data", tmp_path, "--stage", "tea") == 2
    assert run("--data", tmp_path, "--device", "tpu") == 2
    assert "tpu" in capsys.readouterr().err


def test_a_folder_without_the_data_is_a_clear_failure(tmp_path, capsys):
    assert run("--data", tmp_path, "--runs", tmp_path / "runs") == 1
    assert "sarcasm_valid.jsonl.gz" in "".join(capsys.readouterr().err.split())


def test_the_text_stage_trains_and_leaves_a_checkpoint(tmp_path, capsys, monkeypatch):
    data = build_tiny_data(tmp_path / "data", pictures=3)
    runs = tmp_path / "runs"
    answer_sentences(data, runs, Labels.ORIGINAL)
    monkeypatch.setattr("attendant.training.recipes.SarcasmRecipe", lambda: RECIPE)
    command = (
        "--data",
        data,
        "--runs",
        runs,
        "--stage",
        "text",
        "--epochs",
        1,
        "--seeds",
        1,
        "--device",
        "cpu",
    )
    assert run(*command) == 0
    assert (runs / "original" / "text-1.pt").is_file()
    assert "validation: accuracy" in capsys.readouterr().err
    assert run(*command) == 0
    assert "1 of 1 epochs were done before" in capsys.readouterr().err


def test_without_the_sentence_encoder_the_remedy_is_named(tmp_path, capsys):
    data = build_tiny_data(tmp_path / "data", pictures=3)
    assert run("--data", data, "--runs", tmp_path / "runs", "--stage", "labels", "--device", "cpu") == 1
    assert "make" in capsys.readouterr().err


def test_help_loads_no_torch():
    code = "import sys, attendant.cli.train, attendant.cli.evaluate; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=False, env=os.environ)
    assert done.returncode == 0
