import json

import pytest
import torch
from tiny_data import build_tiny_data
from tiny_store import build_tiny_store

from attendant.cli.main import app
from attendant.methods import SHARES

RANKINGS = ["attention", "gradient", "leave_one_out", "permutation", "random"]


@pytest.fixture(autouse=True)
def _threads():
    """The commands compute on one."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return build_tiny_store(tmp_path_factory.mktemp("store"), versions=("1", "2"))


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    lines = [
        {"text": "so much fun i love it", "label": 1, "attributes": ["dog", "sign", "man"]},
        {"text": "i love mondays so much ! !", "label": 0, "attributes": ["food"]},
        {"text": "so much fun . mondays", "label": 0},
        {"text": "fun mondays", "label": 0, "attributes": ["sky", "man"]},
        {"text": "fun", "label": 1, "attributes": ["sky", "man"]},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def run(what, *arguments):
    """The exit code of `attendant analyze` with these."""
    with pytest.raises(SystemExit) as stopped:
        app(["analyze", what, *map(str, arguments)])
    return stopped.value.code or 0


def test_faithfulness_for_a_program(rows, store, capsys):
    command = ("faithfulness", "--data", rows, "--model-store", store, "--json")
    assert run(*command) == 0
    told = capsys.readouterr().out
    answer = json.loads(told)
    assert list(answer) == ["version", "seed", "tweets", "short", "shares", "targets"]
    assert (answer["version"], answer["tweets"], answer["short"]) == ("1", 3, 2)
    assert answer["shares"] == list(SHARES)
    text, attribute = answer["targets"]["text"], answer["targets"]["attribute"]
    assert (text["n"], text["skipped"]) == (3, 0)
    assert (attribute["n"], attribute["skipped"]) == (1, 1)  # one tweet has one word, another none
    assert list(text["rankings"]) == RANKINGS
    for measures in text["rankings"].values():
        for falls in measures.values():
            assert len(falls["shares"]) == len(SHARES)
            for one in (*falls["shares"], falls["area"], falls["over_random"]):
                assert -1 <= one["low"] <= one["value"] <= one["high"] <= 1
    pairs = [(pair["first"], pair["second"]) for pair in text["agreement"]]
    assert pairs == [(a, b) for i, a in enumerate(RANKINGS) for b in RANKINGS[i + 1 :]]
    assert run(*command) == 0
    assert capsys.readouterr().out == told
    assert run(*command, "--seed", 5) == 0
    assert capsys.readouterr().out != told


def test_faithfulness_for_a_person(rows, store, tmp_path, capsys):
    picture = tmp_path / "faithfulness.svg"
    assert run("faithfulness", "--data", rows, "--model-store", store, "--picture", picture) == 0
    shown = capsys.readouterr()
    for words in ("first deleted", "leave-one-out", "Kendall's tau-b", "2 rows of the file"):
        assert words in shown.out
    assert "deleting: 3 of 3" in shown.err
    assert picture.read_bytes().startswith(b"<?xml")


def test_agreement_for_a_program(rows, store, capsys):
    assert run("agreement", "--data", rows, "--model-store", store, "--json", "--limit", 2) == 0
    answer = json.loads(capsys.readouterr().out)
    assert list(answer) == ["version", "seed", "tweets", "short", "targets", "published"]
    assert (answer["tweets"], answer["short"]) == (2, 1)
    text = answer["targets"]["text"]
    groups = [one["group"] for one in text["taus"]]
    assert groups[:2] == ["all", "all"]
    assert set(groups[2:]) <= {"not sarcastic", "sarcastic"}
    assert [one["method"] for one in text["taus"][:2]] == ["gradient", "leave_one_out"]
    assert [one["epsilon"] for one in text["divergences"]] == [0.01, 0.05]
    assert all(0 <= one["infeasible"]["value"] <= 1 for one in text["divergences"])
    assert {"data": "SST", "gradient": 0.4, "leave_one_out": 0.34} in answer["published"]


def test_agreement_for_a_person_in_a_hurry(rows, store, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    picture = tmp_path / "agreement.png"
    assert (
        run(
            "agreement",
            "--data",
            rows,
            "--model-store",
            store,
            "--skip-adversarial",
            "--version",
            "2",
            "--picture",
            picture,
        )
        == 0
    )
    shown = capsys.readouterr()
    assert "SST 0.40 / 0.34" in shown.out
    assert "epsilon-max" not in shown.out
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_boxes(store, tmp_path, capsys):
    data = build_tiny_data(tmp_path)
    picture = tmp_path / "boxes.pdf"
    command = ("boxes", "--data", data, "--model-store", store)
    assert run(*command, "--json", "--picture", picture) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["published"] == {"full": 0.539, "top20": 0.429, "random20": 0.24}
    everything = answer["photographs"]["all"]
    assert everything["n"] == 1
    assert everything["even"]["value"] == pytest.approx(0.5, abs=0.01)  # the box is a quarter of the picture
    assert 0 < everything["full"]["value"] < 1
    assert picture.read_bytes().startswith(b"%PDF")
    assert run(*command) == 0
    assert "0.539" in capsys.readouterr().out


def test_texts_that_are_too_short_are_a_clear_failure(store, tmp_path, capsys):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"text": "so much fun", "label": 1}) + "\n")
    assert run("faithfulness", "--data", path, "--model-store", store, "--json") == 1
    assert "none of 1 rows" in json.loads(capsys.readouterr().out)["error"]["message"]
    path.write_text(json.dumps({"label": 1}) + "\n")
    assert run("agreement", "--data", path, "--model-store", store) == 1
    assert "row 1 has no field 'text'" in " ".join(capsys.readouterr().err.split())


def test_no_model_or_no_data_is_a_clear_failure(rows, store, tmp_path, capsys):
    assert run("faithfulness", "--data", rows, "--model-store", tmp_path) == 1
    assert "manifest.json" in capsys.readouterr().err
    assert run("boxes", "--data", tmp_path, "--model-store", store) == 1
    assert "no such file" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["picture.gif", "no/such/folder/picture.png"])
@pytest.mark.parametrize("what", ["faithfulness", "agreement"])
def test_wrong_use(rows, store, tmp_path, what, name):
    assert run(what, "--data", rows, "--model-store", store, "--picture", tmp_path / name) == 2
    assert run(what, "--data", rows, "--limit", 0) == 2
    assert run(what, "--data", tmp_path / "none.jsonl") == 2
