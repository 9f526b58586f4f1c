"""HFM against the worked example (an independent float64 implementation), and against its own invariants."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from attendant.models.hfm import (
    HfmConfig,
    HfmInput,
    HfmOutput,
    HierarchicalFusion,
    PerModality,
    Variant,
    build_hfm,
    masked_softmax,
    reversal,
    weighted_sum,
)

EXAMPLE = np.load(Path(__file__).parents[1] / "data" / "hfm_example.npz")
SHORT = ("text", "img", "attr")  # the example's names, in our order
LONG = ("text", "image", "attribute")
SOURCES = {"text": ("text", "image", "attribute"), "image": ("image", "text", "attribute")} | {
    "attribute": ("attribute", "image", "text")
}
PUBLISHED = [Variant.CORRECTED, Variant.PYTORCH_2020]
SMALL = HfmConfig(20, 9, 7, 6, 4, 5, 8, 10, 3)


def tensor(name: str) -> Tensor:
    return torch.from_numpy(EXAMPLE[name])


def weight(name: str) -> Tensor:
    return tensor(f"W/{name}")


def linear(ours: str, theirs: str) -> Iterator[tuple[str, Tensor]]:
    for part in ("weight", "bias"):
        yield f"{ours}.{part}", weight(f"{theirs}.{part}")


def lstm(ours: str, suffix: str) -> Iterator[tuple[str, Tensor]]:
    for part in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
        yield f"{ours}.{part}", weight(f"text.biLSTM.{part}{suffix}")


def representation_attention(index: int, target: str) -> Iterator[tuple[str, Tensor]]:
    """W1 reads [X_m ; g_n]: the first d_m columns belong to the elements, the rest to the source."""
    ours, theirs = f"attention.{index}", f"fuse.{target}_attention"
    positions = [SOURCES[target].index(source) + 1 for source in LONG]
    width = tensor(f"corrected/raw/{SHORT[index]}").shape[-1]
    first = [weight(f"{theirs}.linear1_{position}.weight") for position in positions]
    yield f"{ours}.element.weight", torch.cat([matrix[:, :width] for matrix in first])
    for source, position in enumerate(positions):
        yield f"{ours}.source.{source}.weight", first[source][:, width:]
        yield f"{ours}.source.{source}.bias", weight(f"{theirs}.linear1_{position}.bias")
        yield from linear(f"{ours}.score.{source}", f"{theirs}.linear2_{position}")


def example_weights() -> dict[str, Tensor]:
    """The example's weights, named as the 2020 PyTorch code names them, under our names."""
    state = {
        "word_embedding.weight": weight("text.embedding.weight"),
        "attribute_embedding.weight": weight("attribute.embedding.weight"),
        "lstm.start.weight": torch.cat([weight(f"text.Linear_{i}.weight") for i in (1, 2, 3, 4)]),
        "lstm.start.bias": torch.cat([weight(f"text.Linear_{i}.bias") for i in (1, 2, 3, 4)]),
    }
    state.update(linear("attribute_guidance.hidden", "attribute.Linear_1"))
    state.update(linear("attribute_guidance.score", "attribute.Linear_2"))
    state.update(lstm("lstm.ahead", ""))
    state.update(lstm("lstm.back", "_reverse"))
    state.update(linear("image", "image.Linear"))
    for index, name in enumerate(LONG):
        state.update(representation_attention(index, name))
        state.update(linear(f"fusion.hidden.{index}", f"fuse.{name}_linear_1"))
        state.update(linear(f"fusion.score.{index}", f"fuse.{name}_linear_2"))
        state.update(linear(f"fusion.value.{index}", f"fuse.{name}_linear_3"))
    state.update(linear("classifier.0", "final_classifier.Linear_1"))
    state.update(linear("classifier.2", "final_classifier.Linear_2"))
    return state


def example_model(variant: Variant) -> HierarchicalFusion:
    sizes = json.loads(str(EXAMPLE["config_json"]))
    config = HfmConfig(
        vocabulary_size=sizes["vocab"],
        attribute_vocabulary_size=sizes["attr_vocab"],
        region_width=sizes["region_in"],
        embedding_width=sizes["emb"],
        attribute_width=sizes["attr_emb"],
        hidden_width=sizes["hid"],
        image_width=sizes["img"],
        fusion_width=sizes["mod"],
        classifier_width=sizes["cls"],
        variant=variant,
    )
    model = build_hfm(config).double().eval()
    model.load_state_dict(example_weights())
    return model


def example_input() -> HfmInput:
    count = len(EXAMPLE["in/lengths"])
    return HfmInput(
        tokens=tensor("in/text_ids"),
        token_counts=tensor("in/lengths"),
        attributes=tensor("in/attr_ids"),
        attribute_counts=torch.full((count,), EXAMPLE["in/attr_ids"].shape[1]),
        regions=tensor("in/regions"),
        present=torch.ones(count, 3, dtype=torch.bool),
    )


@pytest.fixture(params=PUBLISHED)
def example(request: pytest.FixtureRequest) -> tuple[str, HierarchicalFusion, HfmOutput]:
    model = example_model(request.param)
    with torch.no_grad():
        return str(request.param), model, model(example_input())


def agrees(ours: Tensor, theirs: NDArray[np.float64]) -> None:
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=0, atol=1e-9)


def test_worked_example(example: tuple[str, HierarchicalFusion, HfmOutput]) -> None:
    variant, _, output = example
    for m, target in enumerate(SHORT):
        for n, source in enumerate(SHORT):
            agrees(output.representation[m][:, n], EXAMPLE[f"{variant}/alpha/{target}/{source}"])
        agrees(output.representation_mean[m], EXAMPLE[f"{variant}/alpha_avg/{target}"])
        agrees(output.vectors[m], EXAMPLE[f"{variant}/rep_vec/{target}"])
        agrees(output.guidance[m], EXAMPLE[f"{variant}/guidance/{target}"])
        agrees(output.raw[m], EXAMPLE[f"{variant}/raw/{target}"])
    agrees(output.attribute_guidance, EXAMPLE[f"{variant}/attr_guidance_attention"])
    agrees(output.modality[:, [1, 0, 2]], EXAMPLE[f"{variant}/modality_attention"])  # theirs: image first
    agrees(output.fused, EXAMPLE[f"{variant}/fused"])
    agrees(output.logit, EXAMPLE[f"{variant}/logit"])
    agrees(output.probability, EXAMPLE[f"{variant}/prob"])


@pytest.mark.parametrize("index", range(3))
def test_tail_with_permuted_representation_attention(
    example: tuple[str, HierarchicalFusion, HfmOutput], index: int
) -> None:
    variant, model, output = example
    permutations = tensor(f"perm/{SHORT[index]}")
    for draw in range(permutations.shape[1]):
        means = list(output.representation_mean)
        means[index] = means[index].gather(1, permutations[:, draw])
        with torch.no_grad():
            tail = model.tail(output.raw, PerModality(*means), example_input().present)
        agrees(tail.logit.sigmoid(), EXAMPLE[f"{variant}/perm_prob/{SHORT[index]}"][:, draw])


def test_classifier_with_permuted_modality_attention(
    example: tuple[str, HierarchicalFusion, HfmOutput],
) -> None:
    variant, model, output = example
    weights, values = output.modality[:, [1, 0, 2]], output.values[:, [1, 0, 2]]
    permutations = tensor("perm/modality")
    for draw in range(permutations.shape[1]):
        fused = weighted_sum(weights.gather(1, permutations[:, draw]), values)
        with torch.no_grad():
            agrees(model.classify(fused).sigmoid(), EXAMPLE[f"{variant}/perm_prob/modality"][:, draw])


def test_the_papers_widths_give_the_papers_parameter_count() -> None:
    with torch.device("meta"):
        model = build_hfm(HfmConfig(12_000, 1_002, region_width=2048))
    embeddings = 200 * (12_000 + 1_002)
    assert sum(p.numel() for p in model.parameters()) - embeddings == 12_252_326


def test_each_variant_is_its_own_model() -> None:
    logits = []
    for variant in Variant:
        with torch.no_grad():
            logits.append(example_model(variant)(example_input()).logit)
    for i, one in enumerate(logits):
        for other in logits[i + 1 :]:
            assert (one - other).abs().max() > 1e-6


def test_states_are_those_of_a_packed_bidirectional_lstm() -> None:
    torch.manual_seed(0)
    model = build_hfm(SMALL).eval()
    lstm_ = torch.nn.LSTM(6, 5, bidirectional=True, batch_first=True)
    state = dict(model.lstm.ahead.state_dict())
    state |= {f"{name}_reverse": value for name, value in model.lstm.back.state_dict().items()}
    lstm_.load_state_dict(state)
    words, counts = torch.randn(3, 6, 6), torch.tensor([6, 1, 4])
    with torch.no_grad():
        packed = pack_padded_sequence(words, counts, batch_first=True, enforce_sorted=False)
        expected, _ = pad_packed_sequence(lstm_(packed)[0], batch_first=True)
        # without attributes the states start from zeros
        got = model.lstm(words, counts, torch.randn(3, 4), torch.zeros(3, dtype=torch.bool))
    real = torch.arange(6) < counts.unsqueeze(1)
    torch.testing.assert_close(got[real], expected[real])


def random_input(rng: np.random.Generator, presence: list[list[bool]], tokens: int = 6) -> HfmInput:
    size = len(presence)
    return HfmInput(
        tokens=torch.from_numpy(rng.integers(0, 20, (size, tokens))),
        token_counts=torch.from_numpy(rng.integers(1, tokens + 1, size)),
        attributes=torch.from_numpy(rng.integers(0, 9, (size, 5))),
        attribute_counts=torch.from_numpy(rng.integers(1, 6, size)),
        regions=torch.from_numpy(rng.normal(size=(size, 4, 7))),
        present=torch.tensor(presence),
    )


presences = st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=4)


@settings(deadline=None, max_examples=40)
@given(presences, st.sampled_from(Variant), st.integers(0, 1000))
def test_weights_sum_to_one_where_present_and_are_zero_elsewhere(
    presence: list[list[bool]], variant: Variant, seed: int
) -> None:
    torch.manual_seed(seed)
    model = build_hfm(HfmConfig(**(vars(SMALL) | {"variant": variant}))).double().eval()
    batch = random_input(np.random.default_rng(seed), presence)
    with torch.no_grad():
        output = model(batch)
    here = batch.present.double()
    for target in range(3):
        sums = output.representation[target].sum(-1)
        torch.testing.assert_close(sums, here * here[:, [target]])
        torch.testing.assert_close(output.representation_mean[target].sum(-1), here[:, target])
    any_present = here.amax(dim=1)
    torch.testing.assert_close(output.modality.sum(-1), any_present)
    assert (output.modality[here == 0] == 0).all()
    assert output.logit.isfinite().all()


@settings(deadline=None, max_examples=40)
@given(presences, st.integers(0, 1000))
def test_what_is_masked_changes_nothing(presence: list[list[bool]], seed: int) -> None:
    """Garbage in pads and absent modalities, more padding, and company in the batch leave every row alone."""
    torch.manual_seed(seed)
    model = build_hfm(SMALL).double().eval()
    rng = np.random.default_rng(seed)
    batch = random_input(rng, presence)
    garbage = random_input(rng, presence, tokens=9)
    real = torch.arange(9) < batch.token_counts.unsqueeze(1)
    tokens = torch.where(
        real & batch.present[:, :1], torch.nn.functional.pad(batch.tokens, (0, 3)), garbage.tokens
    )
    words = torch.arange(5) < batch.attribute_counts.unsqueeze(1)
    attributes = torch.where(words & batch.present[:, 2:], batch.attributes, garbage.attributes)
    regions = torch.where(batch.present[:, 1, None, None], batch.regions, garbage.regions)
    changed = HfmInput(tokens, batch.token_counts, attributes, batch.attribute_counts, regions, batch.present)
    with torch.no_grad():
        before, after = model(batch), model(changed)
        first = model(HfmInput(*(field[:1] for field in vars(batch).values())))
    torch.testing.assert_close(before.logit, after.logit, rtol=0, atol=1e-12)
    torch.testing.assert_close(before.modality, after.modality, rtol=0, atol=1e-12)
    torch.testing.assert_close(before.representation.text, after.representation.text[..., :6])
    torch.testing.assert_close(first.logit, before.logit[:1], rtol=0, atol=1e-12)


@settings(deadline=None, max_examples=20)
@given(presences, st.integers(0, 1000))
def test_gradients_are_finite_whatever_is_absent(presence: list[list[bool]], seed: int) -> None:
    torch.manual_seed(seed)
    model = build_hfm(SMALL).double()
    batch = random_input(np.random.default_rng(seed), presence)
    model(batch).logit.sum().backward()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert gradients
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_dropout_is_for_training_only() -> None:
    torch.manual_seed(0)
    model = build_hfm(SMALL).double()
    batch = random_input(np.random.default_rng(0), [[True] * 3] * 2)
    with torch.no_grad():
        assert not torch.equal(model(batch).logit, model(batch).logit)
        model.eval()
        assert torch.equal(model(batch).logit, model(batch).logit)


def test_reversal_mirrors_only_the_real_rows() -> None:
    order = reversal(torch.tensor([0, 2, 4]), torch.zeros(3, 4, 1))
    assert order.tolist() == [[0, 1, 2, 3], [1, 0, 2, 3], [3, 2, 1, 0]]


def test_masked_softmax_of_nothing_is_zero() -> None:
    scores = torch.tensor([[1.0, 2.0, 1e30], [5.0, 5.0, 5.0]])
    mask = torch.tensor([[True, True, False], [False, False, False]])
    weights = masked_softmax(scores, mask)
    torch.testing.assert_close(weights[0, :2], torch.tensor([1.0, 2.0]).softmax(0))
    assert weights[0, 2] == 0
    assert (weights[1] == 0).all()


@pytest.mark.parametrize(
    ("field", "value"), [("vocabulary_size", 0), ("hidden_width", -1), ("dropout", 1.0), ("dropout", -0.1)]
)
def test_a_bad_width_is_named(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=field):
        HfmConfig(**(vars(SMALL) | {field: value}))
