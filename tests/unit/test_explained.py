"""A tweet as the explainers see it: the served model's numbers, at the model's calibration and threshold."""

from pathlib import Path

import numpy as np
import pytest
from canned_service import photograph
from scipy.special import expit, logit
from tiny_store import build_tiny_store

from attendant.manifest import read_manifest
from attendant.models.explained import ExplainedTweet, Explaining
from attendant.models.sarcasm import SarcasmModel
from attendant.models.store import load_hfm
from attendant.types import MODALITIES, REGIONS, AttentionKind, Modality, Tweet

TEXT, IMAGE, ATTRIBUTE = MODALITIES
TWEETS = [
    Tweet("i love mondays so much !", photograph()),
    Tweet("so much fun"),
    Tweet(image=photograph(), attributes=("man", "sign")),
    Tweet("i love mondays", attributes=("dog",)),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return build_tiny_store(tmp_path_factory.mktemp("store")) / "sarcasm"


@pytest.fixture(scope="module")
def model(folder) -> SarcasmModel:
    return SarcasmModel.open_torch(folder)


@pytest.fixture(scope="module")
def inspected(model):
    return model.inspect([model.prepare(tweet) for tweet in TWEETS])


def test_answers_are_those_of_infer(model, inspected):
    inferred = model.infer([model.prepare(tweet) for tweet in TWEETS])
    for (outcome, subject), expected in zip(inspected, inferred, strict=True):
        assert outcome.prediction == expected.prediction
        assert subject.probabilities[1] == pytest.approx(expected.prediction.probability, abs=1e-6)
        assert subject.probabilities.sum() == pytest.approx(1)


def test_targets_are_what_is_present(inspected):
    expected = [MODALITIES, (TEXT,), (IMAGE, ATTRIBUTE), (TEXT, ATTRIBUTE)]
    assert [subject.targets for _, subject in inspected] == [tuple(targets) for targets in expected]
    for _, subject in inspected:
        assert len(subject.fusion) == len(subject.targets)
        assert subject.fusion.sum() == pytest.approx(1, abs=1e-5)


def test_attention_is_the_answers_own(inspected):
    for outcome, subject in inspected:
        for target in subject.targets:
            vector = outcome.attention.find(AttentionKind.REPRESENTATION_MEAN, target)
            np.testing.assert_array_equal(subject.attention(target), vector.weights)
            assert len(subject.features(target)) == len(vector.weights)


def test_elements_run_again_are_the_same_answer(inspected):
    for _, subject in inspected:
        tables = {target: subject.features(target) for target in subject.targets}
        whole = {target: np.arange(len(table)) for target, table in tables.items()}
        np.testing.assert_allclose(subject.answer(tables, [whole])[0], subject.probabilities, atol=1e-5)


def test_gradients_are_of_the_calibrated_log_odds(inspected):
    _, subject = inspected[0]
    tables = {target: subject.features(target) for target in subject.targets}
    whole = {target: np.arange(len(table)) for target, table in tables.items()}
    step = np.zeros_like(tables[TEXT])
    step[1] = 0.05
    ahead, back = (
        logit(subject.answer({**tables, TEXT: tables[TEXT] + sign * step}, [whole])[0, 1]) for sign in (1, -1)
    )
    positive, negative = (
        subject.gradients(tables, [whole], label, (TEXT,), through_attention=True).elements[TEXT]
        for label in (1, 0)
    )
    assert (positive[0] * step).sum() == pytest.approx((ahead - back) / 2, rel=0.02, abs=1e-6)
    np.testing.assert_array_equal(positive, -negative)


def test_pulling_back_is_a_finite_difference(inspected):
    _, subject = inspected[0]
    weights = {target: subject.attention(target)[None].repeat(3, axis=0) for target in subject.targets}
    probabilities, back = subject.pull(weights)
    outer = {target: np.array([[0.0, 1.0], [1.0, 0.0], [-1.0, 2.0]]) for target in weights}
    found = back(outer)
    for target, rows in weights.items():
        np.testing.assert_allclose(probabilities[target], subject.attend(target, rows), atol=1e-6)
        step = np.zeros_like(rows)
        step[:, 0] = 0.02
        change = subject.attend(target, rows + step) - subject.attend(target, rows - step)
        expected = (change * outer[target]).sum(axis=1) / 0.04
        np.testing.assert_allclose(found[target][:, 0], expected, rtol=0.03, atol=2e-5)


def test_several_vectors_at_once_are_each_on_its_own(model):
    ((_, subject),) = model.inspect([model.prepare(TWEETS[0])])
    weights = {target: subject.attention(target)[None, ::-1].repeat(2, axis=0) for target in subject.targets}
    weights |= {None: np.eye(3, dtype=np.float32)}
    found = subject.attend_each(weights)  # its own answer goes along
    again = subject.attend_each(weights)
    assert list(found) == list(again) == list(weights)
    for target, rows in weights.items():
        alone = subject.fuse(rows) if target is None else subject.attend(target, rows)
        assert found[target].shape == (len(rows), 2)
        np.testing.assert_allclose(found[target], alone, atol=1e-6)
        np.testing.assert_allclose(again[target], alone, atol=1e-6)
    np.testing.assert_allclose(subject.probabilities, subject.fuse(subject.fusion[None])[0], atol=1e-6)


def test_what_was_answered_first_leaves_the_own_answer(model):
    prepared = model.prepare(TWEETS[0])
    (_, asked), (_, fresh) = model.inspect([prepared, prepared])
    asked.attend(TEXT, asked.attention(TEXT)[None, ::-1])
    np.testing.assert_allclose(asked.probabilities, fresh.probabilities, atol=1e-7)


def test_the_label_is_decided_at_the_models_threshold(folder, inspected):
    _, subject = inspected[0]
    hfm = load_hfm(folder, read_manifest(folder).version_or_default())
    strict = Explaining.of(hfm, ("no", "yes"), temperature=1.0, threshold=0.9, typical={})
    attention = {target: subject.attention(target) for target in subject.targets}
    other = ExplainedTweet(strict, dict, attention, subject.fusion, subject._tail)
    probabilities = np.array([[0.2, 0.8], [0.05, 0.95], [0.1, 0.9]])
    assert other.decide(probabilities).tolist() == [0, 1, 1]
    assert subject.decide(probabilities).tolist() == [1, 1, 1]
    assert other.probabilities[1] == pytest.approx(expit(1.3 * logit(subject.probabilities[1])), abs=1e-5)


def test_typical_elements_and_the_grid(inspected):
    _, subject = inspected[0]
    for target in subject.targets:
        typical = subject.typical(target)
        assert typical.mean.shape == typical.deviation.shape == subject.features(target).shape[1:]
    assert subject.grid(IMAGE) == (14, 14)
    assert subject.grid(TEXT) is None
    assert len(subject.features(IMAGE)) == REGIONS
    assert subject.targets[0] is Modality.TEXT
