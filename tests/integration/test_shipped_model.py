"""The shipped weights on real rows: both engines agree, and a row does not depend on its batch."""

import gzip
import itertools
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from matplotlib.cbook import get_sample_data

from attendant.analysis.rows import read_tweets
from attendant.analysis.sarcasm import evaluate_sarcasm
from attendant.models.quantisation import TOLERATED, Movement
from attendant.models.sarcasm import SarcasmModel
from attendant.types import Modality, Tweet

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def served(archives):
    return SarcasmModel.open_served(archives / "sarcasm" / "sarcasm")


@pytest.fixture(scope="module")
def eager():
    return SarcasmModel.open_torch(ROOT / "model_store" / "sarcasm")


def rows(path):
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


@pytest.fixture(scope="module")
def tweets(shared_data):
    """140 with text and attributes, 60 with text and a photograph."""
    worded = (
        Tweet(row["text"], attributes=tuple(row["attributes"]))
        for row in rows(shared_data / "sarcasm" / "sarcasm_valid.jsonl.gz")
    )
    with zipfile.ZipFile(shared_data / "mvsa" / "images.zip") as images:
        names = {Path(name).stem: name for name in images.namelist()}
        pictured = [
            Tweet(row["text"], images.read(names[row["id"]]))
            for row in itertools.islice(rows(shared_data / "mvsa" / "mvsa_single.jsonl.gz"), 60)
        ]
    return [*itertools.islice(worded, 140), *pictured]


def answers(model, tweets, size):
    prepared = [model.prepare(tweet) for tweet in tweets]
    return [
        outcome
        for start in range(0, len(prepared), size)
        for outcome in model.infer(prepared[start : start + size])
    ]


def assert_close(left, right, tolerance):
    for one, other in zip(left, right, strict=True):
        for ours, theirs in zip(one.attention.axes, other.attention.axes, strict=True):
            assert ours.labels == theirs.labels  # the same words named
            np.testing.assert_allclose(ours.scores, theirs.scores, atol=tolerance.probability)
        assert one.prediction.probability == pytest.approx(
            other.prediction.probability, abs=tolerance.probability
        )
        for mine, theirs in zip(one.attention.vectors, other.attention.vectors, strict=True):
            np.testing.assert_allclose(mine.weights, theirs.weights, atol=tolerance.attention)


def test_onnx_runtime_agrees_with_torch_on_200_real_rows(served, eager, tweets):
    assert len(tweets) == 200
    ours, theirs = answers(served, tweets, 8), answers(eager, tweets, 8)
    pictured = [outcome.attention.axis(Modality.IMAGE) is not None for outcome in ours]
    assert sum(pictured) == 60
    for with_image, tolerance in ((False, Movement(1e-4, 1e-4)), (True, TOLERATED)):
        rows = [row for row, image in enumerate(pictured) if image is with_image]
        assert_close([ours[row] for row in rows], [theirs[row] for row in rows], tolerance)


def test_the_shipped_weights_reach_their_floor(shared_data, eager):
    labelled = read_tweets(shared_data / "sarcasm" / "sarcasm_valid.jsonl.gz")
    scores = evaluate_sarcasm(eager, labelled, lambda _done, _total: None)
    assert scores.n == 2410
    assert scores.accuracy >= 0.80


def test_a_row_alone_is_a_row_in_a_batch_of_eight(served, tweets):
    some = tweets[100:180]
    assert_close(answers(served, some, 8), answers(served, some, 1), Movement(1e-5, 1e-5))


@pytest.mark.gpu
def test_on_a_gpu_the_shipped_model_says_so_and_agrees(archives, eager, monkeypatch):
    monkeypatch.setenv("ATTENDANT_DEVICE", "cuda")
    on_gpu = SarcasmModel.open_served(archives / "sarcasm" / "sarcasm")
    if on_gpu.runtime.device == "cpu":
        pytest.skip("no CUDA device, or onnxruntime-gpu is not installed")
    assert on_gpu.runtime.provider == "CUDAExecutionProvider"
    photograph = Path(get_sample_data("grace_hopper.jpg", asfileobj=False)).read_bytes()
    asked = [Tweet("so much fun", photograph), Tweet("another monday"), Tweet(attributes=("dog", "screen"))]
    # There integers are floats, and sums of them not exact: a value may be rounded to the level beside it
    for one, other in zip(answers(on_gpu, asked, 3), answers(eager, asked, 3), strict=True):
        assert one.prediction.probability == pytest.approx(other.prediction.probability, abs=0.02)
