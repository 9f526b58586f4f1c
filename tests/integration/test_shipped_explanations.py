"""Explanations at the paper's widths, with the shipped weights: against brute force and literal runs of the model."""

from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.cbook import get_sample_data

from attendant.explainers.adversarial import adversarial
from attendant.explainers.base import Deadline
from attendant.explainers.leave_one_out import leave_one_out
from attendant.explainers.permutation import permutation
from attendant.methods import AdversarialOptions, LeaveOneOutOptions, PermutationOptions
from attendant.models.hfm import PerModality
from attendant.models.sarcasm import SarcasmModel
from attendant.types import MODALITIES, Tweet

TEXT, IMAGE, ATTRIBUTE = MODALITIES
SHORT = "love mondays so much # blessed !"  # 7 tokens: 5,040 permutations
LONG = "oh great , another monday . i just love waiting in line for 2 hours # blessed"


@pytest.fixture(scope="module")
def model(archives):
    return SarcasmModel.open_served(archives / "sarcasm" / "sarcasm")


@pytest.fixture(scope="module")
def photograph():
    return Path(get_sample_data("grace_hopper.jpg", asfileobj=False)).read_bytes()


@pytest.fixture(scope="module")
def prepared(model, photograph):
    return model.prepare(Tweet(SHORT, photograph, ("woman", "uniform", "flag", "hat", "smile")))


@pytest.fixture(scope="module")
def subject(model, prepared):
    ((_, subject),) = model.inspect([prepared])
    return subject


def by_torch(model, subject, target, weights) -> np.ndarray:
    """P(sarcastic) from HFM's own tail in torch, with `weights` N x L in the place of the target's attention."""
    rows = len(weights)
    alphas, raw = [], []
    for modality in MODALITIES:
        alpha = weights if modality is target else subject.attention(modality)[None].repeat(rows, axis=0)
        alphas.append(torch.from_numpy(np.ascontiguousarray(alpha)))
        raw.append(torch.from_numpy(np.ascontiguousarray(subject._tail._raw[modality])).expand(rows, -1, -1))
    present = torch.ones(rows, 3, dtype=torch.bool)
    with torch.no_grad():
        return calibrated(model, hfm(model).tail(PerModality(*raw), PerModality(*alphas), present).logit)


def hfm(model):
    return model._explaining.replay._model


def calibrated(model, logits) -> np.ndarray:
    return 1 / (1 + np.exp(-logits.double().numpy() / model._config.temperature))


@pytest.mark.parametrize("target", [ATTRIBUTE, TEXT])
def test_exhaustive_impacts_are_brute_force(model, subject, target):
    orders = list(permutations(range(len(subject.attention(target)))))
    weights = subject.attention(target)[np.array(orders)]
    moved = np.concatenate([by_torch(model, subject, target, some) for some in np.array_split(weights, 8)])
    changes = moved - by_torch(model, subject, target, weights[:1])
    options = PermutationOptions(targets=(target,), modality=False)
    (impact,) = permutation(subject, options, Deadline()).impacts
    assert impact.exhaustive
    assert impact.samples == len(orders)
    assert impact.impact == pytest.approx(np.abs(changes).mean(), rel=1e-3, abs=1e-6)
    assert impact.signed_change == pytest.approx(changes.mean(), rel=1e-2, abs=1e-6)


def test_the_modality_vectors_impact_is_brute_force(model, prepared, subject):
    options = PermutationOptions(targets=(TEXT,))
    *_, impact = permutation(subject, options, Deadline()).impacts
    own = hfm(model)
    vectors = [torch.from_numpy(subject.attention(m) @ subject._tail._raw[m])[None] for m in MODALITIES]
    with torch.no_grad():
        _, fusion, values = own.fusion(PerModality(*vectors), torch.ones(1, 3, dtype=torch.bool))
        orders = fusion[0][torch.tensor(list(permutations(range(3))))]
        moved = calibrated(model, own.classify(orders @ values[0]))
    np.testing.assert_allclose(fusion[0], subject.fusion, atol=1e-5)
    assert impact.impact == pytest.approx(np.abs(moved - moved[0]).mean(), rel=1e-3)
    assert (impact.target, impact.samples, impact.exhaustive) == (None, 6, True)


@pytest.mark.parametrize("samples", [50, 196 * 20])
def test_sampled_impacts_lie_within_four_standard_errors_of_many_more(subject, samples):
    def measure(samples, seed):
        options = PermutationOptions(targets=(IMAGE,), modality=False, samples=samples, seed=seed)
        (impact,) = permutation(subject, options, Deadline()).impacts
        return impact

    truth = measure(100_000, 1)
    found = measure(samples, 2)
    assert not found.exhaustive
    assert abs(found.impact - truth.impact) < 4 * np.hypot(found.standard_error, truth.standard_error)


def test_leaving_out_is_a_literal_run_of_the_served_model(model, prepared, subject):
    """Regions cannot be taken out of a photograph: test_replay.py has them."""
    found = leave_one_out(subject, LeaveOneOutOptions((TEXT, ATTRIBUTE)), Deadline())
    without = [
        [replace(prepared, tokens=_without(prepared.tokens, i)) for i in range(len(prepared.tokens))],
        [
            replace(prepared, attributes=_without(prepared.attributes, i))
            for i in range(len(prepared.attributes))
        ],
    ]
    (whole,) = model.infer([prepared])
    for importance, variants in zip(found.importances, without, strict=True):
        answers = [model.infer([variant])[0].prediction.probability for variant in variants]
        expected = np.abs(np.array(answers) - whole.prediction.probability)
        # The served scores of regions are in 8 bits, those that are run again are not
        np.testing.assert_allclose(importance.scores, expected, atol=2e-3)
        assert importance.scores.max() > 0.01


def _without(items, i):
    return (*items[:i], *items[i + 1 :])


@pytest.mark.parametrize("target", MODALITIES)
def test_gradients_at_the_papers_widths_are_finite_differences(subject, target):
    """Along the gradient itself, where the difference is greatest: its slope is the gradient's norm."""
    tables = {modality: subject.features(modality) for modality in subject.targets}
    whole = {modality: np.arange(len(table)) for modality, table in tables.items()}
    found = subject.gradients(tables, [whole], 1, (target,), through_attention=True).elements[target][0]
    norm = np.linalg.norm(found)
    size = 0.05 * np.linalg.norm(tables[target]) / np.sqrt(len(found))
    step = (found / norm * size).astype(np.float32)

    def odds(sign):
        positive = subject.answer({**tables, target: tables[target] + sign * step}, [whole])[0, 1]
        return np.log(positive / (1 - positive))

    slope = norm * size
    assert slope > 3e-4  # float32 tells the two apart
    assert (odds(1) - odds(-1)) / 2 == pytest.approx(slope, rel=0.05)


def test_every_adversary_reported_meets_its_constraint(model, photograph):
    """By HFM's own tail."""
    ((_, subject),) = model.inspect([model.prepare(Tweet(LONG, photograph))])
    found = adversarial(subject, AdversarialOptions(), Deadline())
    assert len(found.attentions) == 3
    for attention in found.attentions:
        assert attention.feasible > 0
        assert 0.05 < attention.max_jensen_shannon <= np.log(2)
        weights = np.stack((subject.attention(attention.target), attention.weights))
        before, after = by_torch(model, subject, attention.target, weights)
        assert abs(after - before) <= 0.01 + 1e-5
        assert attention.change == pytest.approx(abs(after - before), abs=1e-5)
