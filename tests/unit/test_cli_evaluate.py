import json

import pytest
from tiny_store import build_tiny_store

from attendant.analysis.latency import Latency
from attendant.cli.main import app
from attendant.statistics.intervals import Estimate
from attendant.training import encoder_evaluation
from attendant.training.encoder_evaluation import EncoderEvaluation, Measure

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


def run(*arguments, what="sarcasm"):
    """The exit code of `attendant evaluate` with these."""
    with pytest.raises(SystemExit) as stopped:
        app(["evaluate", what, *map(str, arguments)])
    return stopped.value.code or 0


def test_json_has_exactly_the_keys(rows, store, capsys):
    assert run("--data", rows, "--model-store", store, "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert list(answer) == [*KEYS, "intervals", "ece_if_calibrated"]
    assert answer["n"] == 2
    assert all(0 <= answer[key] <= 1 for key in KEYS[:-1])
    assert list(answer["intervals"]) == KEYS[:-1]
    for low, high in (*answer["intervals"].values(), answer["ece_if_calibrated"]["interval"]):
        assert 0 <= low <= high <= 1


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
    assert " to " in shown.out
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


def test_what_is_shown_changes_what_is_measured(rows, store, capsys):
    first = json.dumps({"text": "so much fun", "label": 1, "attributes": ["dog", "sign"]})
    rows.write_text(first + "\n")
    answers = {}
    for shown in ("TA", "T", "A"):
        assert run("--data", rows, "--model-store", store, "--json", "--shown", shown) == 0
        answers[shown] = json.loads(capsys.readouterr().out)["ece"]
    assert len(set(answers.values())) == 3
    assert run("--data", rows, "--model-store", store, "--shown", "I") == 2


def test_a_row_of_which_nothing_is_shown_is_named(rows, store, capsys):
    assert run("--data", rows, "--model-store", store, "--shown", "A") == 1
    assert "row 2" in " ".join(capsys.readouterr().err.split())


def test_a_reliability_diagram(rows, store, tmp_path, capsys):
    picture = tmp_path / "reliability.svg"
    assert run("--data", rows, "--model-store", store, "--picture", picture) == 0
    assert picture.read_bytes().startswith(b"<?xml")
    assert "reliability.svg" in capsys.readouterr().err.replace("\n", "")


@pytest.mark.parametrize("name", ["picture.gif", "no/such/folder/picture.png"])
def test_a_picture_that_cannot_be_drawn_is_wrong_use(rows, store, tmp_path, name):
    assert run("--data", rows, "--model-store", store, "--picture", tmp_path / name) == 2


ONE = Estimate(0.5, 0.25, 0.75)
CANNED = EncoderEvaluation(
    measures=(
        Measure("pooled_agreement", "a picture's class", 40, ONE, Estimate(1, 1, 1), ONE, 0.125),
        Measure(
            "sentiment_probe", "MVSA sentiment", 401, ONE, ONE, None, 0.5625, Estimate(-0.02, -0.05, 0.01)
        ),
    ),
    latency=Latency(Estimate(5, 4, 6), Estimate(25, 24, 26), Estimate(5, 4.5, 5.5), 60),
    probe_strengths=(0.1, 1.0),
    threads=2,
)


@pytest.fixture
def canned(monkeypatch):
    calls = []

    def evaluate(*arguments):
        calls.append(arguments)
        return CANNED

    monkeypatch.setattr(encoder_evaluation, "evaluate_encoder", evaluate)
    return calls


def test_the_encoder_for_a_program(store, tmp_path, canned, capsys):
    command = (
        "--data",
        tmp_path,
        "--model-store",
        store,
        "--runs",
        tmp_path / "runs",
        "--limit",
        7,
        "--json",
    )
    assert run(*command, what="encoder") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["version"] == "1"
    measure = answer["measures"]["sentiment_probe"]
    assert measure["encoder"] == {"value": 0.5, "low": 0.25, "high": 0.75}
    assert measure["centred_teacher"] is None
    assert (measure["constant"], measure["n"]) == (0.5625, 401)
    assert answer["latency"]["ratio"]["value"] == 5
    _, data, cache, _, limit, threads = canned[0]
    assert (data, cache, limit, threads) == (tmp_path, tmp_path / "runs" / "cache", 7, 2)


def test_the_encoder_for_a_person(store, tmp_path, canned, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "140")
    assert run("--data", tmp_path, "--model-store", store, what="encoder") == 0
    shown = capsys.readouterr().out
    for words in ("a picture's class", "(0.250, 0.750)", "-0.020", "25.0 (24.0, 26.0) ms"):
        assert words in shown


def test_the_encoder_of_no_model_or_no_data_is_a_clear_failure(store, tmp_path, capsys):
    assert run("--data", tmp_path, "--model-store", tmp_path, what="encoder") == 1
    assert "manifest.json" in capsys.readouterr().err
    assert run("--data", tmp_path, "--model-store", store, what="encoder") == 1
    assert "no such file" in capsys.readouterr().err
