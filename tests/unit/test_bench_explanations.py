"""What the benchmark compares with: the naive ways find what ours find, so that the two are the same work."""

import numpy as np
import pytest
import torch
from small_hfm import small_hfm, small_tweet

from attendant.explainers.adversarial import Attack, descend
from attendant.explainers.base import Deadline
from attendant.explainers.cross_modal import cross_modal
from attendant.explainers.leave_one_out import leave_one_out
from attendant.methods import AdversarialOptions, CrossModalOptions, LeaveOneOutOptions, Masking
from attendant.models.explained import Explaining
from attendant.models.hfm import PerModality
from attendant.types import MODALITIES, Typical
from benchmarks.naive import NaiveModel, attack, differentiate, embed, leave_out, permute, probe

TEMPERATURE = 1.3
HFM = small_hfm()
TWEET = small_tweet(HFM)
RNG = np.random.default_rng(0)
TYPICAL = {
    modality: Typical(RNG.normal(size=table.shape[1]).astype(np.float32), np.ones(table.shape[1], np.float32))
    for modality, table in TWEET.tables.items()
}
NAIVE = NaiveModel(HFM, TEMPERATURE)


@pytest.fixture(scope="module")
def subject():
    # A model of its own: what is explained has its weights frozen.
    explaining = Explaining.of(small_hfm(), ("no", "yes"), TEMPERATURE, 0.5, TYPICAL)
    return TWEET.explained(explaining)


def test_permutations(subject):
    before = subject.probabilities[1]
    found = permute(
        NAIVE,
        lambda: TWEET.batch,
        float(before),
        dict.fromkeys([*MODALITIES, None], 1),
        order=lambda count: torch.arange(count - 1, -1, -1),
    )
    for modality in MODALITIES:
        expected = subject.attend(modality, subject.attention(modality)[None, ::-1])[0, 1]
        assert found[modality] == pytest.approx(abs(expected - before), abs=1e-5)
    assert found[None] == pytest.approx(
        abs(subject.fuse(subject.fusion[None, ::-1])[0, 1] - before), abs=1e-5
    )


def test_elements_left_out(subject):
    found = leave_out(NAIVE, TWEET.batch)
    for importance in leave_one_out(subject, LeaveOneOutOptions(), Deadline()).importances:
        np.testing.assert_allclose(found[importance.target], importance.scores, atol=1e-5)


def test_gradients(subject):
    tables = {modality: subject.features(modality) for modality in MODALITIES}
    own = {modality: np.arange(len(table)) for modality, table in tables.items()}
    ours = subject.gradients(tables, [own], 1, MODALITIES, through_attention=True).elements
    found = differentiate(NAIVE, TWEET.batch, embed(NAIVE, TWEET.batch))
    for modality, gradient in zip(MODALITIES, found, strict=True):
        np.testing.assert_allclose(gradient, ours[modality], rtol=1e-4, atol=1e-5)


def test_adversaries(subject):
    options = AdversarialOptions(adversaries=3, steps=12)
    ours = Attack(subject, MODALITIES, options)
    logits, _ = descend(ours.gradient, ours.start(), options.steps, Deadline())
    starts = {target: torch.from_numpy(rows) for target, rows in ours.split(ours.start()).items()}
    found = attack(NAIVE, TWEET.output, TWEET.batch.present, starts, options.steps, options.epsilon)
    for target, weights in ours.split(ours.weigh(logits)).items():
        np.testing.assert_allclose(found[target], weights, atol=1e-4)


def test_probes(subject):
    means = PerModality(*(torch.from_numpy(TYPICAL[modality].mean) for modality in MODALITIES))
    found = probe(NAIVE, TWEET.batch, means, 4, torch.Generator().manual_seed(0))
    options = CrossModalOptions(masking=Masking.MEAN, random_masks=4)
    ours = cross_modal(subject, options, Deadline()).probes
    assert {(one.target, one.masked) for one in ours} == set(found)
    for one in ours:
        similarity, _ = found[one.target, one.masked]
        assert similarity == pytest.approx(one.similarity, abs=1e-4)
