"""The tail in numpy against HFM's own tail in torch, forwards and, through autograd, backwards."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_hfm import CONFIG, LENGTHS, SmallTweet, small_hfm, small_tweet

from attendant.models.hfm import PerModality, Variant, build_hfm
from attendant.models.tail import Tail, TailWeights
from attendant.types import MODALITIES, Modality

SETS = [
    (Modality.TEXT, Modality.IMAGE, Modality.ATTRIBUTE),
    (Modality.TEXT, Modality.ATTRIBUTE),
    (Modality.IMAGE,),
]


def tweet_of(present: tuple[Modality, ...], seed: int = 0) -> SmallTweet:
    return small_tweet(small_hfm(seed), {m: LENGTHS[m] for m in present}, seed)


def tail_of(tweet: SmallTweet) -> Tail:
    output = tweet.output
    raw = dict(zip(MODALITIES, output.raw, strict=True))
    present = tweet.batch.present[0]
    return Tail(
        TailWeights.of(tweet.model),
        {m: tweet.part(raw[m], m) for m in tweet.whole},
        output.scores[0, present].numpy(),
        output.values[0, present].numpy(),
    )


def by_torch(tweet: SmallTweet, modality: Modality, weights: torch.Tensor) -> torch.Tensor:
    """Logits with `weights` N x L in the place of one alpha."""
    rows = len(weights)
    alphas = [alpha.expand(rows, -1) for alpha in tweet.output.representation_mean]
    alphas[MODALITIES.index(modality)] = weights
    raw = PerModality(*(x.expand(rows, -1, -1) for x in tweet.output.raw))
    return tweet.model.tail(raw, PerModality(*alphas), tweet.batch.present.expand(rows, -1)).logit


def drawn(modality: Modality, rows: int) -> np.ndarray:
    return np.random.default_rng(rows).dirichlet(np.ones(LENGTHS[modality]), rows).astype(np.float32)


@pytest.mark.parametrize("present", SETS)
@pytest.mark.parametrize("rows", [1, 3, 50])  # few: the product with the positions; many: the positions first
def test_replaced_attention_gives_what_the_model_gives(present, rows):
    tweet = tweet_of(present)
    tail = tail_of(tweet)
    for modality in present:
        weights = drawn(modality, rows)
        expected = by_torch(tweet, modality, torch.from_numpy(weights)).detach()
        np.testing.assert_allclose(tail.logits({modality: weights}), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("present", SETS)
def test_unchanged_attention_gives_the_answer(present):
    tweet = tweet_of(present)
    tail = tail_of(tweet)
    raw = dict(zip(MODALITIES, tweet.output.representation_mean, strict=True))
    for modality in present:
        found = tail.logits({modality: tweet.part(raw[modality], modality)[None]})
        np.testing.assert_allclose(found, tweet.output.logit, rtol=1e-4, atol=1e-5)
    fusion = tweet.output.modality[:, tweet.batch.present[0]].numpy()
    np.testing.assert_allclose(tail.logits({None: fusion}), tweet.output.logit, rtol=1e-4, atol=1e-5)


def test_replaced_fusion_weights_mix_the_values():
    tweet = tweet_of(SETS[0])
    weights = np.random.default_rng(0).dirichlet(np.ones(3), 20).astype(np.float32)
    values = tweet.output.values.expand(20, -1, -1)
    fused = (torch.from_numpy(weights).unsqueeze(1) @ values).squeeze(1)
    expected = tweet.model.classify(fused).detach()
    np.testing.assert_allclose(tail_of(tweet).logits({None: weights}), expected, rtol=1e-4, atol=1e-5)


def test_several_vectors_at_once_are_each_on_its_own():
    tweet = tweet_of(SETS[0])
    weights = {m: drawn(m, 3 + i) for i, m in enumerate(SETS[0])} | {None: np.eye(3, dtype=np.float32)}
    one_by_one = [tail_of(tweet).logits({m: row[None]}) for m, rows in weights.items() for row in rows]
    found = tail_of(tweet).logits(weights)
    np.testing.assert_allclose(found, np.concatenate(one_by_one), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("present", SETS)
def test_the_way_back_is_autograds(present):
    tweet = tweet_of(present, seed=3)
    weights = {m: drawn(m, 4 + i) for i, m in enumerate(present)}
    logits, gradients = tail_of(tweet).logits_with_gradient(weights)
    for modality, rows in weights.items():
        found, logits = np.split(logits, [len(rows)])
        leaf = torch.from_numpy(rows.copy()).requires_grad_()
        expected = by_torch(tweet, modality, leaf)
        expected.sum().backward()
        np.testing.assert_allclose(found, expected.detach(), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(gradients[modality], leaf.grad, rtol=1e-3, atol=1e-4)


def test_many_rows_do_not_change_what_few_gave():
    """The positions are projected once there are many rows, and stay projected."""
    tail = tail_of(tweet_of(SETS[0]))
    few = drawn(Modality.IMAGE, 3)
    before = tail.logits({Modality.IMAGE: few})
    tail.logits({Modality.IMAGE: drawn(Modality.IMAGE, 100)})
    np.testing.assert_allclose(tail.logits({Modality.IMAGE: few}), before, rtol=1e-4, atol=1e-5)


def test_only_the_corrected_model_has_a_tail():
    model = build_hfm(replace(CONFIG, variant=Variant.PYTORCH_2020))
    with pytest.raises(ValueError, match="pytorch_2020"):
        TailWeights.of(model)
