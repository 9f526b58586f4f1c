"""The commands that ask the service: what they print, what they ask, and how they fail."""

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from canned_service import (
    FOCUS_WEIGHTS,
    IMAGES,
    CannedService,
    explain_result,
    explained,
    focus_outcome,
    outcome,
    photograph,
    points,
    serving,
    status,
    tiles,
)
from google.protobuf import json_format
from rich.console import Console
from typer.testing import CliRunner, Result

from attendant.cli import terminal
from attendant.cli.documents import explain_document
from attendant.cli.main import app
from attendant.cli.marks import element, place
from attendant.cli.mosaic_files import write_mosaic
from attendant.methods import (
    Adversarial,
    AdversarialOptions,
    Box,
    BoxAlignmentOptions,
    ClassActivation,
    ClassActivationOptions,
    CrossModal,
    CrossModalOptions,
    ElementScores,
    Erasure,
    ErasureOptions,
    ExplainOptions,
    Gradient,
    GradientOptions,
    JointMask,
    LeaveOneOutOptions,
    Masking,
    Method,
    PermutationOptions,
    RankedImportance,
)
from attendant.types import AttentionKind, Modality
from attendant.v1 import prediction_pb2, service_pb2
from attendant.wire.enums import MODALITY_TO_WIRE
from attendant.wire.explanations import encode_explanations
from attendant.wire.options import read_options
from attendant.wire.requests import read_mosaic

NOWHERE = "127.0.0.1:1"


@pytest.fixture
def service() -> CannedService:
    return CannedService()


@pytest.fixture
def address(service: CannedService) -> Iterator[str]:
    with serving(service) as where:
        yield where


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    file = tmp_path / "photo.jpg"
    file.write_bytes(photograph())
    return file


def _run(address: str, *arguments: str, stdin: bytes | None = None, **environment: str) -> Result:
    return CliRunner().invoke(app, arguments, input=stdin, env={"ATTENDANT_ADDRESS": address, **environment})


# What is answered


def test_explain_prints_a_readable_answer(address: str, service: CannedService, photo: Path) -> None:
    result = _run(address, "explain", "--text", "what a great day", "--image", str(photo))
    assert result.exit_code == 0, result.output
    for expected in (
        "sarcastic, 87.5%",
        "How much weight each input got",
        "what a great day",
        "guided by attributes",
        "row ",
        "uniform",
        "note: attention over LSTM states is not feature importance",
        "model sarcasm 1 (0123456789ab), 23 ms in the service, cache: miss",
    ):
        assert expected in result.stdout
    assert result.stderr == ""
    assert service.requests[0].instance.tweet.image == photograph()


def test_explain_asks_for_what_the_options_say(address: str, service: CannedService) -> None:
    options = [
        "--model",
        "m",
        "--version",
        "2",
        "--method",
        "erasure",
        "--method",
        "adversarial",
        "--no-cache",
    ]
    result = _run(address, "explain", "--text", "a", "--attribute", "sky", "--attribute", "sea", *options)
    assert result.exit_code == 0, result.output
    asked = service.requests[0]
    assert (asked.model, asked.version, list(asked.instance.tweet.attributes)) == ("m", "2", ["sky", "sea"])
    assert read_options(asked.options) == ExplainOptions(
        adversarial=AdversarialOptions(), erasure=ErasureOptions()
    )
    assert asked.cache_mode == prediction_pb2.CACHE_MODE_BYPASS
    assert _run(address, "explain", "--text", "a", "--refresh").exit_code == 0
    assert service.requests[1].cache_mode == prediction_pb2.CACHE_MODE_REFRESH


def test_the_options_of_methods_reach_those_that_have_them(address: str, service: CannedService) -> None:
    options = (
        "--all --target text --target attribute --samples 1000 --tolerance 0.01 --through-attention "
        "--class sarcastic --adversaries 3 --steps 20 --epsilon 0.05 --masking zero --top-k 2 --visual-group "
        "--box 0.1,0.2,0.3,0.4 --box 0,0,1,1 --seed 7"
    )
    result = _run(address, "explain", "--text", "a", *options.split())
    assert result.exit_code == 0, result.output
    targets = (Modality.TEXT, Modality.ATTRIBUTE)
    assert read_options(service.requests[0].options) == ExplainOptions(
        permutation=PermutationOptions(targets, samples=1000, tolerance=0.01, seed=7),
        gradient=GradientOptions(through_attention=True),
        class_activation=ClassActivationOptions("sarcastic"),
        leave_one_out=LeaveOneOutOptions(targets),
        adversarial=AdversarialOptions(targets, adversaries=3, steps=20, epsilon=0.05, seed=7),
        erasure=ErasureOptions(targets),
        cross_modal=CrossModalOptions(Masking.ZERO, top_k=2, visual_group=True, seed=7),
        box_alignment=BoxAlignmentOptions((Box(0.1, 0.2, 0.3, 0.4), Box(0, 0, 1, 1)), seed=7),
    )


@pytest.mark.parametrize(
    ("options", "methods"),
    [
        ([], ()),
        (["--all"], tuple(Method)[:7]),
        (["--box", "0,0,1,1"], (Method.BOX_ALIGNMENT,)),
        (["--method", "gradient", "--method", "gradient"], (Method.GRADIENT,)),
    ],
)
def test_which_methods_are_asked_for(
    options: list[str], methods: tuple[Method, ...], address: str, service: CannedService
) -> None:
    assert _run(address, "explain", "--text", "a", *options).exit_code == 0
    assert read_options(service.requests[0].options).methods == methods


def test_explain_draws(address: str, photo: Path, tmp_path: Path) -> None:
    result = _run(
        address,
        "explain",
        "--text",
        "a b",
        "--image",
        str(photo),
        "--save",
        str(tmp_path / "out.png"),
        "--json",
    )
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
    json.loads(result.stdout)
    assert result.stderr == f"drawn: {tmp_path / 'out.png'}\n"


def test_explain_as_json_holds_every_vector(address: str, photo: Path) -> None:
    result = _run(address, "explain", "--text", "what a day", "--image", str(photo), "--json")
    document = json.loads(result.stdout)
    expected = outcome(tokens=("what", "a", "day"))
    vectors = document["attention"]["vectors"]
    assert len(vectors) == 13
    for vector, wanted in zip(vectors, expected.attention.vectors, strict=True):
        np.testing.assert_array_equal(np.array(vector["weights"], np.float32), wanted.weights)
        assert vector["summary"]["max_index"] == wanted.weights.argmax()
    assert (vectors[1]["kind"], vectors[1]["target"], vectors[1]["source"]) == (
        "representation",
        "text",
        "image",
    )
    assert (vectors[12]["kind"], vectors[12]["target"]) == ("modality", None)
    assert document["attention"]["axes"][0]["labels"] == ["what", "a", "day"]
    assert [found["target"] for found in document["attention"]["disagreements"]] == [
        "text",
        "image",
        "attribute",
    ]
    assert document["cache"] == "miss"
    assert document["prediction"]["probability"] == 0.875
    assert document["timing"]["total_seconds"] == 0.0234


def test_predict_reads_stdin(address: str, service: CannedService) -> None:
    result = _run(address, "predict", "--text", "-", "--json", stdin="größe\n".encode())
    assert json.loads(result.stdout)["prediction"]["label"] == "sarcastic"
    assert service.requests[0].instance.tweet.text == "größe\n"
    assert "sarcastic, 87.5%" in _run(address, "predict", "--text", "a").stdout


def test_models(address: str) -> None:
    text = _run(address, "models").stdout
    for expected in (
        "sarcasm",
        "ready",
        "text, image, attribute",
        "version 1 (default)",
        "CPUExecutionProvider",
    ):
        assert expected in text
    found = json.loads(_run(address, "models", "--json").stdout)["models"]
    model = found[0]
    assert (model["default_version"], len(model["versions"]), model["runtime"]["threads"]) == ("1", 2, 2)
    assert [model["mosaic"] for model in found] == [
        None,
        {"segments": 9, "segment": [32, 32, 3]},
        {"segments": 9, "segment": [2]},
    ]
    assert "9 images of 32 x 32 pixels" in text
    assert "9 vectors of 2 numbers" in text


# Mosaics


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    file = tmp_path / "sheet.png"
    write_mosaic(file, tiles())
    return file


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    file = tmp_path / "vectors.json"
    write_mosaic(file, points(0))
    return file


def test_a_sheet_is_asked_about_segment_by_segment(
    address: str, service: CannedService, sheet: Path, tmp_path: Path
) -> None:
    drawing = tmp_path / "explanation.png"
    asked = ["--model", "sdc-images", "--mosaic", str(sheet), "--foreground", "4", "--save", str(drawing)]
    result = _run(address, "explain", *asked)
    assert result.exit_code == 0, result.output
    for expected in (
        "automobile, 87.5%",
        "Where the model looked",
        "segment 0, which got 33% of the weight",
        "wrong: the foreground is segment 4",
        "almost certainly right (wrong in 4.2% of such answers)",
        "NNZ 5 of 9, Dist 0.44, entropy 1.06 of at most 2.20 nats",
    ):
        assert expected in " ".join(result.stdout.split())
    assert "How much weight each input got" not in result.stdout
    assert drawing.read_bytes().startswith(b"\x89PNG")
    listed, explained_ = service.requests
    assert not listed.HasField("instance")
    assert read_mosaic(explained_) == tiles(4)
    assert explained_.model == "sdc-images"


def test_vectors_are_asked_about_and_told_as_json(
    address: str, service: CannedService, vectors: Path
) -> None:
    asked = ["--model", "sdc-points", "--mosaic", str(vectors)]
    document = json.loads(_run(address, "explain", *asked, "--json").stdout)
    focus = document["focus"]
    assert focus.pop("risk") == pytest.approx(0.042)
    assert focus == {"index": 0, "nnz": 5, "dist": 0.4375, "entropy": 1.0625, "is_true": True}
    (vector,) = document["attention"]["vectors"]
    assert (vector["kind"], vector["target"], vector["source"]) == ("focus", "segment", None)
    assert read_mosaic(service.requests[-1]) == points(0)
    result = _run(address, "predict", *asked, "--foreground", "3")
    assert "automobile, 87.5%" in result.stdout
    assert read_mosaic(service.requests[-1]) == points(3)


def test_a_tweets_document_says_that_there_is_no_focus(address: str) -> None:
    assert json.loads(_run(address, "explain", "--text", "a", "--json").stdout)["focus"] is None


def test_all_asks_for_what_the_model_of_mosaics_offers(
    address: str, service: CannedService, vectors: Path
) -> None:
    asked = ["--model", "sdc-points", "--mosaic", str(vectors), "--all", "--target", "segment"]
    result = _run(address, "explain", *asked)
    assert result.exit_code == 0, result.output
    options = read_options(service.requests[-1].options)
    assert options.methods == tuple(map(Method, IMAGES.methods))
    assert options.erasure == ErasureOptions((Modality.SEGMENT,))
    for expected in ("Shuffled attention", "median total variation distance", "Gradients", "segment 5: "):
        assert expected in " ".join(result.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--mosaic", "FILE"], "'sarcasm' takes no mosaics; give --model, one of: sdc-images, sdc-points"),
        (["--mosaic", "FILE", "--text", "a"], "a mosaic is no tweet: give --mosaic without"),
        (["--mosaic", "FILE", "--image", "FILE"], "a mosaic is no tweet"),
        (["--mosaic", "FILE", "--attribute", "sky"], "a mosaic is no tweet"),
        (["--text", "a", "--foreground", "1"], "--foreground is about --mosaic, which is not given"),
        (["--mosaic", "no such file"], "does not exist"),
        (["--mosaic", "FILE", "--model", "sdc-images"], "a mosaic of images is a folder, or one of"),
        (["--mosaic", "FILE", "--model", "sdc-points", "--foreground", "9"], "segment 0 to 8, not 9"),
        (["--mosaic", "FILE", "--model", "sdc-points", "--foreground", "-1"], "--foreground"),
    ],
)
@pytest.mark.parametrize("command", ["explain", "predict"])
def test_mosaics_that_cannot_be_asked_about(
    command: str, arguments: list[str], expected: str, address: str, service: CannedService, vectors: Path
) -> None:
    named = [str(vectors) if word == "FILE" else word for word in arguments]
    result = _run(address, command, *named)
    assert result.exit_code == 2
    assert expected in " ".join(result.stderr.split())
    assert [request for request in service.requests if request.HasField("instance")] == []


def test_a_model_that_is_not_there(address: str, vectors: Path) -> None:
    result = _run(address, "explain", "--mosaic", str(vectors), "--model", "nope", "--json")
    assert result.exit_code == 1
    error = json.loads(result.stdout)["error"]
    assert error["reason"] == "MODEL_NOT_FOUND"
    assert "sdc-points" in error["message"]


@pytest.mark.parametrize("foreground", [None, 4, 6])
def test_each_segment_has_a_row_with_its_weight_and_what_it_is(foreground: int | None) -> None:
    result = explain_result(focus_outcome(foreground=foreground))
    lines = _lines(terminal.explanation(result, foreground))
    start = next(number for number, line in enumerate(lines) if line.startswith("Segments"))
    rows = lines[start + 1 : start + 10]
    for index, (row, weight) in enumerate(zip(rows, FOCUS_WEIGHTS, strict=True)):
        assert row.split()[0] == str(index)
        assert row.count("█") == round(30 * weight)
        assert f"{weight:.1%}" in row
        assert ("focus" in row, "foreground" in row) == (index == 4, index == foreground)


def test_a_mosaic_of_many_segments_fits_a_narrow_terminal() -> None:
    answer = focus_outcome([1 / 64] * 64, foreground=63)
    result = explain_result(answer, explained(answer, IMAGES.methods))
    lines = _lines(terminal.explanation(result, 63), width=60)
    assert max(map(len, lines)) <= 60
    assert sum("foreground" in line for line in lines) == 2  # that the focus is wrong, and the row


def test_a_token_comes_from_its_file_or_the_environment(
    address: str, service: CannedService, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("from the file\n")
    assert _run(address, "--token-file", str(file), "predict", "--text", "a").exit_code == 0
    assert (
        _run(address, "predict", "--text", "a", ATTENDANT_CLIENT_TOKEN="from the environment").exit_code == 0
    )
    assert [sent["authorization"] for sent in service.metadata] == [
        "Bearer from the file",
        "Bearer from the environment",
    ]


# What goes wrong


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["explain"], "nothing to ask about: give --text, --image, or --attribute"),
        (["predict"], "attendant predict --text"),
        (["explain", "--text", "a", "--image", "no such file"], "does not exist"),
        (["explain", "--text", "a", "--method", "guess"], "'permutation'"),
        (["explain", "--text", "a", "--save", "out.gif"], "--save draws .png, .svg, .pdf"),
        (["explain", "--text", "a", "--save", "no/such/folder/out.png"], "there is no folder"),
        (["explain", "--text", "a", "--refresh", "--no-cache"], "give one of them"),
        (["explain", "--text", "a", "--timeout", "0"], "--timeout"),
        (
            ["explain", "--text", "a", "--samples", "3"],
            "--samples is about --method permutation, which is not",
        ),
        (
            ["explain", "--text", "a", "--method", "gradient", "--target", "text"],
            "--target is about --method permutation or leave_one_out or adversarial or erasure, which is not",
        ),
        (
            ["explain", "--text", "a", "--method", "adversarial", "--visual-group"],
            "--visual-group is about --method cross_modal",
        ),
        (["explain", "--text", "a", "--class", "x"], "--class is about --method class_activation"),
        (["explain", "--text", "a", "--method", "box_alignment"], "box_alignment needs a box: give --box"),
        (["explain", "--text", "a", "--box", "1,2,3"], "--box takes x,y,width,height"),
        (["explain", "--text", "a", "--all", "--samples", "0"], "--samples"),
        (["explain", "--text", "a", "--all", "--epsilon", "0"], "--epsilon"),
        (["explain", "--text", "a", "--all", "--target", "visual"], "'text', 'image', 'attribute'"),
        (["explain", "--bogus"], "No such option: --bogus"),
        (["bogus"], "No such command"),
        (["--tls-key", __file__, "predict", "--text", "a"], "--tls-certificate and --tls-key go together"),
        (["predict", "--text", "a", "--address", "attendant.example:1"], "unencrypted"),
        (["predict", "--text", "a\udc80"], "not UTF-8"),
    ],
)
def test_wrong_use_is_exit_code_2_and_asks_nobody(
    arguments: list[str], expected: str, service: CannedService
) -> None:
    with serving(service) as address:
        result = _run(address, *arguments, ATTENDANT_CLIENT_TOKEN="secret")
        as_json = _run(address, *arguments, "--json", ATTENDANT_CLIENT_TOKEN="secret")
    assert (result.exit_code, as_json.exit_code) == (2, 2)
    assert expected in result.stderr
    assert "--help` says what goes" in result.stderr
    assert result.stdout == ""
    error = json.loads(as_json.stdout)["error"]
    assert (error["reason"], error["read_on"]) == ("WRONG_USE", "docs/cli.md")
    assert service.calls == 0


def test_nothing_listens() -> None:
    result = _run(NOWHERE, "explain", "--text", "a")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "error: nothing listens at 127.0.0.1:1",
        "what to do: start the service with `make run`, or give its address",
        "read on: docs/client.md#connecting",
    ]


def test_what_the_service_refuses_as_json(address: str, service: CannedService) -> None:
    service.failures = [
        status(
            grpc.StatusCode.INVALID_ARGUMENT, "image: junk", "INVALID_INPUT", ("instance.tweet.image", "junk")
        )
    ]
    result = _run(address, "explain", "--text", "a", "--json")
    assert result.exit_code == 1
    error = json.loads(result.stdout)["error"]
    assert (error["reason"], error["code"], error["message"]) == (
        "INVALID_INPUT",
        "INVALID_ARGUMENT",
        "image: junk",
    )
    assert error["violations"] == [{"field": "instance.tweet.image", "description": "junk"}]
    assert error["retry_after_seconds"] is None


def test_a_fault_of_ours_is_a_sentence_and_a_traceback_only_when_asked_for(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "answer", lambda _: 1 / 0)
    result = _run(address, "predict", "--text", "a")
    assert result.exit_code == 1
    assert result.stderr.startswith(
        "error: ZeroDivisionError: division by zero\nwhat to do: this is a fault in Attendant"
    )
    asked = _run(address, "predict", "--text", "a", ATTENDANT_DEBUG="1")
    assert isinstance(asked.exception, ZeroDivisionError)


def test_a_file_that_cannot_be_written(address: str, tmp_path: Path) -> None:
    (tmp_path / "out.png").symlink_to(tmp_path / "gone" / "out.png")
    result = _run(address, "explain", "--text", "a", "--save", str(tmp_path / "out.png"))
    assert result.exit_code == 1
    assert "No such file or directory" in result.stderr


def test_without_a_command_the_help_is_shown() -> None:
    result = CliRunner().invoke(app, [])
    assert result.exit_code == 2
    assert "explain" in result.output
    assert "error:" not in result.output


@pytest.mark.parametrize("command", ["explain", "predict", "models", "train", "evaluate", "archive"])
def test_every_command_has_help(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output


def test_exit_codes_of_the_installed_command() -> None:
    command = [str(Path(sys.executable).with_name("attendant"))]
    environment = {**os.environ, "ATTENDANT_ADDRESS": NOWHERE}
    codes = [
        subprocess.run([*command, *arguments], env=environment, capture_output=True, check=False).returncode
        for arguments in (["--version"], ["predict", "--text", "a"], ["predict"])
    ]
    assert codes == [0, 1, 2]


def test_asking_needs_neither_torch_nor_matplotlib() -> None:
    script = (
        "import sys, attendant.cli.main; print({'torch', 'onnxruntime', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)
    assert done.stdout == "set()\n"


# The terminal


def _lines(answer: object, width: int = 80) -> list[str]:
    console = Console(width=width, markup=False, file=io.StringIO())
    with console.capture() as captured:
        console.print(answer)
    return captured.get().splitlines()


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        (0, "row 1, column 1 (upper left)"),
        (13, "row 1, column 14 (upper right)"),
        (7 * 14 + 6, "row 8, column 7 (centre)"),
        (6 * 14, "row 7, column 1 (middle left)"),
        (195, "row 14, column 14 (lower right)"),
    ],
)
def test_places_in_words(index: int, expected: str) -> None:
    assert place(index, 14, 14) == expected


def test_the_map_is_darkest_where_the_weight_is() -> None:
    result = explain_result(outcome())
    mean = result.attention.find(AttentionKind.REPRESENTATION_MEAN, Modality.IMAGE)
    assert mean is not None
    mean.weights[:] = 0
    mean.weights[2 * 14 + 12] = 1
    rows = [line.strip("│") for line in _lines(terminal.explanation(result)) if line.startswith("│")]
    assert [(number, row.index("██")) for number, row in enumerate(rows) if "█" in row] == [(2, 24)]
    assert len(rows) == 14


@pytest.mark.parametrize(
    ("tokens", "image", "attributes"), [(("one",), False, ()), ((), True, ("sky",)), ((), False, ("a", "b"))]
)
def test_absent_inputs_are_said_to_be_absent(
    tokens: tuple[str, ...], image: bool, attributes: tuple[str, ...]
) -> None:
    text = "\n".join(
        _lines(
            terminal.explanation(explain_result(outcome(tokens=tokens, image=image, attributes=attributes)))
        )
    )
    absent = [not tokens, not image, not attributes]
    assert text.count("not given") == sum(absent)
    assert [heading in text for heading in ("Words ", "Image ", "Attributes ")] == [not one for one in absent]


def test_no_escape_sequence_of_a_tweet_reaches_the_terminal(address: str) -> None:
    attributes = ["--attribute", "\x1b]0;title\x07", "--attribute", "[/b]:smile:"]
    result = _run(address, "explain", "--text", "\x1b[2J\x07 [bold]x[/bold]", *attributes)
    assert result.exit_code == 0, result.output
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", result.stdout)
    assert "[bold]x[/bold]" in result.stdout
    assert "[/b]:smile:" in result.stdout


def _explained(width: int = 200, **changes: object) -> str:
    """The terminal's words for every method; `changes` are what was computed otherwise."""
    answer = outcome()
    result = explain_result(answer, replace(explained(answer), **changes))
    return "\n".join(_lines(terminal.explanation(result), width))


@pytest.mark.parametrize(
    "words",
    [
        r"text +moves the answer by 0\.\d{3} ± 0\.\d{3} on average \(95% sure: 0\.\d{3} to 0\.\d{3}\), changes",
        r"changes the label in 3% of 10 shuffles",
        r"attributes +moves the answer by .* of all 120 orders \(cut short by the deadline\)",
        r"the inputs' weights +moves the answer",
        r"agreement with attention: tau 0\.32 \(p = 0\.011\)",
        r"Class activation +what speaks for “sarcastic”",
        r"text +attention can look quite different \(JSD 0\.41\) with the same answer \(moved by 0\.008\), 4 of 5",
        r"of it lies on “what”",
        r"if the answer may move by 0\.05: JSD 0\.52",
        r"attributes +none of 5 tries gave the same answer",
        r"by 0\.05: none \(cut short by the deadline\)",
        r"text +the label changes once the strongest 12% are erased",
        r"image +the label stays, whatever is erased",
        r"without the strongest 20% its probability falls by 0\.067 \(comprehensiveness\)",
        r"image +text +\d+% .* row 1, column 1 \(upper left\) and 18 more +(yes|no)",
        r"text +with both others taken away, its gradients change by \d+%, the label (stays|changes) and the prob",
        r"its 20 strongest cells +0\.53",
    ],
)
def test_methods_in_words(words: str) -> None:
    assert re.search(words, _explained())


@pytest.mark.parametrize("method", [Method.LEAVE_ONE_OUT, Method.CROSS_MODAL])
def test_targets_that_the_deadline_came_before_are_said_to_be_missing(method: Method) -> None:
    missing = "cut short by the deadline: the last inputs are missing"
    assert missing not in _explained()
    whole = getattr(explained(outcome()), method)
    assert _explained(**{method: replace(whole, truncated=True)}).count(missing) == 1


def test_joint_masks_in_words() -> None:
    cross_modal = CrossModal((), (JointMask(Modality.IMAGE, 0.75, True, 0.31),), 0)
    assert re.search(
        r"image +with both others taken away, its gradients change by 75%, "
        r"the label changes and the probability is 0\.31 *\n",
        _explained(cross_modal=cross_modal),
    )
    assert "both others" not in _explained(cross_modal=replace(cross_modal, joint_masks=()))


@pytest.mark.parametrize(
    ("scores", "words"), [([0.5], "not defined: one element"), ([0.5, 0.5], "not defined: all are equal")]
)
def test_an_agreement_that_is_not_defined_says_why(scores: list[float], words: str) -> None:
    importance = RankedImportance(Modality.TEXT, np.array(scores, np.float32), None, None)
    assert f"agreement with attention: {words}" in _explained(gradient=Gradient((importance,)))


def test_a_probability_that_rises_and_an_attention_that_is_not_so_different() -> None:
    answer = outcome()
    curve, adversary = explained(answer).erasure.curves[0], explained(answer).adversarial.attentions[0]
    text = _explained(
        erasure=Erasure((replace(curve, comprehensiveness=(-0.25,) * 5),)),
        adversarial=Adversarial((replace(adversary, max_jensen_shannon=0.01),), 0),
    )
    assert "its probability rises by 0.250 (comprehensiveness)" in text
    assert "attention can look hardly different (JSD 0.01)" in text


def test_a_map_without_any_activation_is_empty() -> None:
    nothing = ElementScores(Modality.IMAGE, np.zeros(196, np.float32))
    lines = _explained(class_activation=ClassActivation("sarcastic", (nothing,))).splitlines()
    start = next(number for number, line in enumerate(lines) if "class activation ─" in line)
    assert set(lines[start + 1 : start + 15]) == {f"│{' ' * 28}│"}


@pytest.mark.parametrize(
    ("tokens", "image", "attributes"), [(("one",), False, ()), ((), True, ("sky",)), ((), False, ("a", "b"))]
)
def test_methods_over_what_there_is(
    tokens: tuple[str, ...], image: bool, attributes: tuple[str, ...]
) -> None:
    answer = outcome(tokens=tokens, image=image, attributes=attributes)
    text = "\n".join(_lines(terminal.explanation(explain_result(answer, explained(answer)))))
    assert "Shuffled attention" in text
    assert ("Attention and boxes" in text) == image


def test_elements_have_names() -> None:
    attention = outcome().attention
    assert element(attention, Modality.TEXT, 2) == "great"
    assert element(attention, Modality.IMAGE, 13) == "row 1, column 14 (upper right)"
    assert element(attention, Modality.VISUAL, 13) == "row 1, column 14 (upper right)"
    assert element(attention, Modality.VISUAL, 196) == "woman"
    assert element(outcome(image=False).attention, Modality.IMAGE, 4) == "element 5"


def test_no_escape_sequence_comes_by_way_of_a_method() -> None:
    answer = outcome(tokens=("\x1b[2J", "\x07"), image=False, attributes=("\x1b]0;x",), label="\x1b[31m")
    lines = _lines(terminal.explanation(explain_result(answer, explained(answer))))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", "\n".join(lines))


def test_every_number_of_a_method_is_in_its_document() -> None:
    """What the document says is what the contract's own JSON says, which leaves out what is not defined."""
    answer = outcome()
    computed = explained(answer)
    computed = replace(
        computed,
        leave_one_out=replace(computed.leave_one_out, truncated=True),
        cross_modal=replace(computed.cross_modal, truncated=True),
    )
    document = explain_document(explain_result(answer, computed))["explanations"]
    assert list(document) == list(Method)
    message = service_pb2.ExplainResponse()
    json_format.ParseDict(_without_names(document), message)
    assert message == encode_explanations(computed)
    assert explain_document(explain_result(answer))["explanations"] == {}
    assert document["gradient"]["importances"][0]["kendall_tau"] is None
    assert document["leave_one_out"]["truncated"]
    assert [one["target"] for one in document["cross_modal"]["joint_masks"]] == ["text", "image", "attribute"]
    assert document["permutation"]["impacts"][-1]["target"] is None


def _without_names(value: Any) -> Any:
    """Modalities as the contract has them."""
    if isinstance(value, dict):
        return {
            key: MODALITY_TO_WIRE[None if one is None else Modality(one)]
            if key in ("target", "masked")
            else _without_names(one)
            for key, one in value.items()
        }
    return [_without_names(one) for one in value] if isinstance(value, list) else value


def test_the_document_is_plain_json() -> None:
    answer = outcome(image=False)
    document = explain_document(explain_result(answer, explained(answer)))
    assert json.loads(json.dumps(document, allow_nan=False)) == document
