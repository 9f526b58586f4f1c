"""HFM run again from its elements, against the model itself: its answers, and its gradients by autograd."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_hfm import CONFIG, LENGTHS, small_hfm, small_tweet

from attendant.models.hfm import HfmInput, Variant, build_hfm, weighted_sum
from attendant.models.replay import Replay
from attendant.types import MODALITIES, Modality

TEXT, IMAGE, ATTRIBUTE = MODALITIES
SETS = [(TEXT, IMAGE, ATTRIBUTE), (TEXT, ATTRIBUTE), (TEXT,), (IMAGE,), (IMAGE, ATTRIBUTE)]
MODEL = small_hfm()
REPLAY = Replay(MODEL)


def tweet_of(present):
    return small_tweet(MODEL, {m: LENGTHS[m] for m in present})


def literally(tweet, variant) -> float:
    """The model's answer to the tweet that the variant describes, as if nobody had asked about another one."""
    kept = {m: torch.from_numpy(np.asarray(variant.get(m, []), np.int64)) for m in MODALITIES}

    def rows(values, m):
        return values[:, kept[m]] if len(kept[m]) else torch.zeros_like(values[:, :1])

    batch = HfmInput(
        tokens=rows(tweet.batch.tokens, TEXT),
        token_counts=torch.tensor([len(kept[TEXT])]),
        attributes=rows(tweet.batch.attributes, ATTRIBUTE),
        attribute_counts=torch.tensor([len(kept[ATTRIBUTE])]),
        regions=rows(tweet.batch.regions, IMAGE),
        present=torch.tensor([[len(kept[m]) > 0 for m in MODALITIES]]),
    )
    with torch.no_grad():
        return float(MODEL(batch).logit)


def without_one(tweet):
    """The whole tweet, and every tweet without one of its elements."""
    variants = [tweet.whole]
    for modality, rows in tweet.whole.items():
        variants += [{**tweet.whole, modality: np.delete(rows, i)} for i in rows]
    return variants


@pytest.mark.parametrize("present", SETS)
def test_every_element_left_out_is_a_literal_run_again(present):
    tweet = tweet_of(present)
    variants = without_one(tweet)
    expected = [literally(tweet, variant) for variant in variants]
    np.testing.assert_allclose(REPLAY.logits(tweet.tables, variants), expected, rtol=1e-4, atol=1e-5)


def test_more_variants_than_are_run_at_a_time():
    tweet = tweet_of(SETS[0])
    variants = without_one(tweet) * 8
    expected = [literally(tweet, variant) for variant in without_one(tweet)] * 8
    np.testing.assert_allclose(REPLAY.logits(tweet.tables, variants), expected, rtol=1e-4, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_choice_of_elements_is_answered_as_the_model_does(data):
    tweet = tweet_of(SETS[0])
    variants = [
        {
            m: np.array(data.draw(st.lists(st.integers(0, LENGTHS[m] - 1), max_size=9)), np.int64)
            for m in data.draw(st.sets(st.sampled_from(MODALITIES), min_size=1))
        }
        for _ in range(3)
    ]
    variants = [v for v in variants if any(len(rows) for rows in v.values())] or [tweet.whole]
    expected = [literally(tweet, variant) for variant in variants]
    np.testing.assert_allclose(REPLAY.logits(tweet.tables, variants), expected, rtol=1e-4, atol=1e-5)


def gradients_of_the_model(tweet) -> dict[Modality, np.ndarray]:
    """Every token and word is another one, so that an embedding's gradient is its element's."""
    model = small_hfm()
    regions = tweet.batch.regions.clone().requires_grad_()
    model(replace(tweet.batch, regions=regions)).logit.sum().backward()
    by_element = {
        TEXT: model.word_embedding.weight.grad[tweet.batch.tokens[0]],
        IMAGE: regions.grad[0],
        ATTRIBUTE: model.attribute_embedding.weight.grad[tweet.batch.attributes[0]],
    }
    return {m: by_element[m].numpy() for m in tweet.whole}


@pytest.mark.parametrize("present", SETS)
def test_gradients_through_attention_are_the_models(present):
    tweet = tweet_of(present)
    variants = [tweet.whole] * 15  # more than are differentiated at a time
    logits, found = REPLAY.gradients(tweet.tables, variants, present, through_attention=True)
    np.testing.assert_allclose(logits, float(tweet.output.logit), rtol=1e-4, atol=1e-5)
    for modality, expected in gradients_of_the_model(tweet).items():
        assert found[modality].shape == (15, LENGTHS[modality], expected.shape[1])
        for row in found[modality]:
            np.testing.assert_allclose(row, expected, rtol=1e-3, atol=1e-5)


def ending(at):
    """What ends at its `at`th call, and how often it was called."""
    looks = []

    def check():
        looks.append(len(looks))
        if len(looks) == at:
            raise TimeoutError

    return check, looks


@pytest.mark.parametrize("count", [1, 15])  # 15 are more than are differentiated at a time
@pytest.mark.parametrize("tokens", [1, 2, 100])
def test_gradients_end_between_their_steps(monkeypatch, count, tokens):
    monkeypatch.setattr("attendant.models.replay._STEPS", tokens)
    tweet = tweet_of(MODALITIES)
    for at in itertools.count(1):
        check, looks = ending(at)
        try:
            REPLAY.gradients(
                tweet.tables, [tweet.whole] * count, MODALITIES, through_attention=True, check=check
            )
        except TimeoutError:
            assert len(looks) == at
        else:
            break
    pieces = math.ceil(LENGTHS[TEXT] / tokens)
    # before each piece of each direction of the LSTM, there and back; after the LSTM, before and after all the way back
    steps = 2 * 2 * pieces + 4
    assert len(looks) == steps * math.ceil(count / 12)


def test_gradients_are_the_same_however_many_tokens_are_read_at_a_time(monkeypatch):
    tweet = tweet_of(MODALITIES)
    answer, whole = REPLAY.gradients(tweet.tables, [tweet.whole], MODALITIES, through_attention=True)
    for tokens in range(1, LENGTHS[TEXT]):
        monkeypatch.setattr("attendant.models.replay._STEPS", tokens)
        logits, found = REPLAY.gradients(tweet.tables, [tweet.whole], MODALITIES, through_attention=True)
        np.testing.assert_allclose(logits, answer, rtol=1e-6)
        for modality in MODALITIES:
            np.testing.assert_allclose(found[modality], whole[modality], rtol=1e-4, atol=1e-7)


def test_answers_end_between_their_steps(monkeypatch):
    """Looks before each piece of the text is read and goes through its layer, and of a modality's scores."""
    tweet = tweet_of(MODALITIES)
    variants = without_one(tweet)
    check, once = ending(None)
    expected = REPLAY.logits(tweet.tables, variants, check)
    monkeypatch.setattr("attendant.models.replay._READ", 1)  # a tweet's tokens at a time
    monkeypatch.setattr("attendant.models.replay._STEPS", 1)
    monkeypatch.setattr("attendant.models.replay._UNITS", 1)
    check, piecewise = ending(None)
    np.testing.assert_allclose(REPLAY.logits(tweet.tables, variants, check), expected, rtol=1e-4, atol=1e-6)
    assert len(piecewise) > 3 * len(once)
    for at in (1, 2, len(piecewise)):
        check, looks = ending(at)
        with pytest.raises(TimeoutError):
            REPLAY.logits(tweet.tables, variants, check)
        assert len(looks) == at


def with_constant_weights(tweet, words, regions, attributes) -> torch.Tensor:
    """The logit with every attention weight as it was in the answer."""
    output, present = tweet.output, tweet.batch.present
    guidance = weighted_sum(output.attribute_guidance, attributes)
    states = MODEL.lstm(words, tweet.batch.token_counts * present[:, 0], guidance, present[:, 2])
    raw = (states, MODEL.image(regions).relu(), attributes)
    vectors = [weighted_sum(alpha, x) for alpha, x in zip(output.representation_mean, raw, strict=True)]
    values = [torch.tanh(layer(v)) for layer, v in zip(MODEL.fusion.value, vectors, strict=True)]
    return MODEL.classify(weighted_sum(output.modality, torch.stack(values, dim=1)))


@pytest.mark.parametrize("present", SETS)
def test_gradients_past_attention_hold_its_weights(present):
    tweet = tweet_of(present)
    leaves = {
        TEXT: MODEL.word_embedding.weight[tweet.batch.tokens].detach().requires_grad_(),
        IMAGE: tweet.batch.regions.clone().requires_grad_(),
        ATTRIBUTE: MODEL.attribute_embedding.weight[tweet.batch.attributes].detach().requires_grad_(),
    }
    with_constant_weights(tweet, *leaves.values()).sum().backward()
    _, found = REPLAY.gradients(tweet.tables, [tweet.whole], present, through_attention=False)
    for modality in present:
        expected = leaves[modality].grad[0][: LENGTHS[modality]]
        np.testing.assert_allclose(found[modality][0], expected, rtol=1e-3, atol=1e-6)


def test_gradients_by_some_targets_are_those_by_all():
    tweet = tweet_of(SETS[0])
    variants = [tweet.whole, {**tweet.whole, TEXT: tweet.whole[TEXT][::-1].copy()}]
    _, everything = REPLAY.gradients(tweet.tables, variants, MODALITIES, through_attention=True)
    for target in MODALITIES:
        _, alone = REPLAY.gradients(tweet.tables, variants, (target,), through_attention=True)
        np.testing.assert_allclose(alone[target], everything[target], rtol=1e-3, atol=1e-6)


def test_gradients_are_finite_differences():
    tweet = tweet_of(SETS[0])
    rng = np.random.default_rng(0)
    _, found = REPLAY.gradients(tweet.tables, [tweet.whole], MODALITIES, through_attention=True)
    for target in MODALITIES:
        table = tweet.tables[target]
        step = rng.normal(size=table.shape).astype(np.float32)
        ahead, back = (
            REPLAY.logits({**tweet.tables, target: table + sign * np.float32(3e-3) * step}, [tweet.whole])[0]
            for sign in (1, -1)
        )
        assert (ahead - back) / 6e-3 == pytest.approx(
            float((found[target][0] * step).sum()), rel=2e-2, abs=2e-3
        )


def test_repeated_rows_and_added_rows_are_elements_like_others():
    tweet = tweet_of(SETS[0])
    added = {
        m: np.concatenate([table, table.mean(axis=0, keepdims=True)]) for m, table in tweet.tables.items()
    }
    masked = {**tweet.whole, IMAGE: np.full(LENGTHS[IMAGE], LENGTHS[IMAGE])}
    _, found = REPLAY.gradients(added, [masked], (TEXT, ATTRIBUTE), through_attention=True)
    other = tweet.tables | {IMAGE: np.repeat(added[IMAGE][-1:], LENGTHS[IMAGE], axis=0)}
    _, expected = REPLAY.gradients(other, [tweet.whole], (TEXT, ATTRIBUTE), through_attention=True)
    for target in (TEXT, ATTRIBUTE):
        np.testing.assert_allclose(found[target], expected[target], rtol=1e-3, atol=1e-6)


def test_a_model_in_training_is_not_run_again():
    with pytest.raises(ValueError, match="eval mode"):
        Replay(build_hfm(CONFIG))
    with pytest.raises(ValueError, match="corrected"):
        Replay(build_hfm(replace(CONFIG, variant=Variant.PYTORCH_2020)).eval())
