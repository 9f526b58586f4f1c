import json

import pytest
from tiny_store import build_tiny_store

from attendant.cli.main import app

KEYS = ["accuracy", "precision", "recall", "f1", "ece", "n"]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return build_tiny_store(tmp_path_factory.mktemp("store"), versions=("1", "2"))


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.jsonl"
    lines = [
        {"text": "so much fun", "label": 1, "attributes": ["dog", "sign"], "plain": "fun", "gold": 0},
        {"text": "i love mondays !", "label": 0, "attributes": [], "plain": "mondays", "gold": 1},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def run(*arguments):
    """The exit code of `attendant evaluate sarcasm` with these."""
    with pytest.raises(SystemExit) as stopped:
        app(["evaluate", "sarcasm", *map(str, arguments)])
    return stopped.value.code or 0


def test_json_has_exactly_the_keys(rows, store, capsys):
    assert run("--data", rows, "--model-store", store, "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert list(answer) == KEYS
    assert answer["n"] == 2
    assert all(0 <= answer[key] <= 1 for key in KEYS[:-1])


def test_fields_and_version_change_what_is_measured(rows, store, capsys):
    answers = []
    for extra in ((), ("--label-field", "gold"), ("--text-field", "plain"), ("--version", "2")):
        assert run("--data", rows, "--model-store", store, "--json", *extra) == 0
        answers.append(json.loads(capsys.readouterr().out))
    assert answers[1]["accuracy"] == pytest.approx(1 - answers[0]["accuracy"])
    original, _, other_text, other_version = (answer["ece"] for answer in answers)
    assert original != other_text
    assert original != other_version


def test_a_person_gets_a_table(rows, store, capsys):
    assert run("--data", rows, "--model-store", store) == 0
    shown = capsys.readouterr()
    assert "calibration error" in shown.out
    assert "evaluating" in shown.err


def test_a_missing_file_is_wrong_use(tmp_path, store, capsys):
    assert run("--data", tmp_path / "none.jsonl", "--model-store", store) == 2
    assert "none.jsonl" in capsys.readouterr().err


def test_a_missing_field_names_row_and_field(rows, store, capsys):
    assert run("--data", rows, "--model-store", store, "--label-field", "mmsd2_label") == 1
    assert "row 1 has no field 'mmsd2_label'" in " ".join(capsys.readouterr().err.split())


def test_failures_are_json_where_json_was_asked_for(rows, store, capsys):
    assert run("--data", rows, "--model-store", store, "--version", "9", "--json") == 1
    assert json.loads(capsys.readouterr().out)["error"]["reason"] == "VERSION_NOT_FOUND"


def test_no_model_is_a_clear_failure(rows, tmp_path, capsys):
    assert run("--data", rows, "--model-store", tmp_path) == 1
    assert "manifest.json" in capsys.readouterr().err
