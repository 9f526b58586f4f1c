"""FCAM against literal loops over segments, its losses, and its configuration."""

import itertools

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from attendant.models.fcam import (
    Encoding,
    Fcam,
    FcamConfig,
    ImageNetworks,
    Networks,
    VectorNetworks,
    build_fcam,
)
from attendant.models.focus_maps import EntropyTerm, LossOptions, Mechanism, softmax

IMAGE = ImageNetworks(widths=(4, 6, 8), hidden_width=10)
DEEP_HEAD = ImageNetworks(widths=(4, 6, 8), hidden_width=10, head_widths=(5, 7, 9))
VECTOR = VectorNetworks(2, focus_widths=(7, 5), classifier_widths=(20, 20))
LINEAR = VectorNetworks(2)
KINDS: list[tuple[Networks, int]] = [
    (IMAGE, 0),
    (IMAGE, 6),
    (DEEP_HEAD, 6),
    (LINEAR, 0),
    (VECTOR, 0),
    (VECTOR, 6),
]
TARGETS = torch.tensor([0, 2])


def model_of(mechanism: Mechanism, layer: int, networks: Networks, seed: int = 0) -> Fcam:
    torch.manual_seed(seed)
    config = FcamConfig(mechanism, layer, n_segments=4, n_classes=3, networks=networks)  # type: ignore[arg-type]
    return build_fcam(config).double().eval()


def mosaics(model: Fcam, size: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    shape = (size, model.config.n_segments, *model.config.networks.segment)
    return torch.randn(shape, dtype=torch.float64, generator=generator)


def looped(model: Fcam, mosaic: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Scores, weights and logits of one mosaic, one segment at a time, from the paper's formula."""
    pairs = [model.focus(segment.unsqueeze(0)) for segment in mosaic]
    scores = torch.cat([score for score, _ in pairs])
    hidden = [vector[0] for _, vector in pairs]
    phi = hidden if model.config.averaging_layer else list(mosaic)
    if model.config.mechanism is Mechanism.HARD:
        best = int(scores.argmax())
        weights = torch.eye(len(mosaic), dtype=scores.dtype)[best]
        averaged = phi[best]
    else:
        weights = model.config.mechanism.focus_map.weights(scores)
        averaged = torch.zeros_like(phi[0])
        for weight, vector in zip(weights, phi, strict=True):
            averaged = averaged + weight * vector
    return scores, weights, model.classifier(averaged.unsqueeze(0))[0]


@pytest.mark.parametrize("mechanism", Mechanism)
@pytest.mark.parametrize(("networks", "layer"), KINDS)
def test_a_batch_is_a_loop_over_its_segments(mechanism: Mechanism, networks: Networks, layer: int) -> None:
    model = model_of(mechanism, layer, networks)
    batch = mosaics(model)
    with torch.no_grad():
        output = model(batch)
        for row, mosaic in enumerate(batch):
            scores, weights, logits = looped(model, mosaic)
            torch.testing.assert_close(output.scores[row], scores)
            torch.testing.assert_close(output.weights[row], weights)
            torch.testing.assert_close(output.logits[row], logits)
            torch.testing.assert_close(output.probabilities[row], logits.softmax(0))


@pytest.mark.parametrize(
    ("networks", "layer", "phi"),
    [
        (IMAGE, 0, (3, 32, 32)),
        (IMAGE, 6, (8, 4, 4)),
        (DEEP_HEAD, 6, (8, 4, 4)),
        (LINEAR, 0, (2,)),
        (VECTOR, 6, (5,)),
    ],
)
def test_shapes(networks: Networks, layer: int, phi: tuple[int, ...]) -> None:
    model = model_of(Mechanism.SOFTMAX, layer, networks)
    output = model(mosaics(model))
    assert output.scores.shape == output.weights.shape == (2, 4)
    assert output.phi.shape == (2, 4, *phi)
    assert output.averaged.shape == (2, *phi)
    assert output.logits.shape == output.probabilities.shape == (2, 3)


def test_f_runs_once_a_batch() -> None:
    model = model_of(Mechanism.SOFTMAX, 0, VECTOR)
    seen: list[int] = []
    model.focus.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    model(mosaics(model))
    assert seen == [2 * 4]


def test_layer_zero_of_linear_nets_is_the_formula() -> None:
    model = model_of(Mechanism.SOFTMAX, 0, LINEAR)
    batch = mosaics(model)
    with torch.no_grad():
        f, g = model.focus.score, model.classifier[0]
        alpha = torch.softmax((batch @ f.weight.T + f.bias)[..., 0], dim=1)
        expected = (alpha.unsqueeze(-1) * batch).sum(1) @ g.weight.T + g.bias
        torch.testing.assert_close(model(batch).logits, expected)


def test_error_mode_three_has_the_papers_classifier() -> None:
    model = build_fcam(FcamConfig(Mechanism.SOFTMAX, n_classes=6, networks=VectorNetworks(2, (), (20, 20))))
    linear = [layer for layer in model.classifier if isinstance(layer, torch.nn.Linear)]
    assert [(one.in_features, one.out_features) for one in linear] == [(2, 20), (20, 20), (20, 6)]
    assert sum(p.numel() for p in model.focus.parameters()) == 3


@pytest.mark.parametrize("layer", [0, 6])
def test_image_nets_have_six_convolutions_and_two_fully_connected_layers(layer: int) -> None:
    with torch.device("meta"):
        model = build_fcam(FcamConfig(Mechanism.SOFTMAX, layer))  # type: ignore[arg-type]
    counts = [
        [sum(isinstance(one, kind) for one in net.modules()) for kind in (torch.nn.Conv2d, torch.nn.Linear)]
        for net in (model.focus, model.classifier)
    ]
    assert counts == [[6, 2], [0 if layer else 6, 2]]


def test_layer_six_shares_the_last_hidden_layer_between_f_and_g() -> None:
    model = model_of(Mechanism.SOFTMAX, 6, VECTOR)
    linear = [layer for layer in model.focus.modules() if isinstance(layer, torch.nn.Linear)]
    hidden = mosaics(model)
    for layer in linear[:-1]:
        hidden = (hidden @ layer.weight.T + layer.bias).relu()
    output = model(mosaics(model))
    torch.testing.assert_close(output.phi, hidden)
    torch.testing.assert_close(output.scores, (hidden @ linear[-1].weight.T + linear[-1].bias)[..., 0])


@pytest.mark.parametrize(("networks", "layer"), KINDS)
def test_tail_reproduces_the_answer_and_answers_many_weights_of_one_mosaic(
    networks: Networks, layer: int
) -> None:
    model = model_of(Mechanism.SPARSEMAX, layer, networks)
    with torch.no_grad():
        output = model(mosaics(model))
        assert torch.equal(model.tail(output.phi, output.weights).logits, output.logits)
        weights = torch.rand(5, 4, dtype=torch.float64).softmax(-1)
        many = model.tail(output.phi[:1], weights)
        for row in range(5):
            one = model.tail(output.phi[:1], weights[row : row + 1])
            torch.testing.assert_close(many.logits[row], one.logits[0])


@pytest.mark.parametrize("layer", [0, 6])
def test_hard_attention_predicts_from_the_first_largest_score(layer: int) -> None:
    model = model_of(Mechanism.HARD, layer, VECTOR)
    batch = mosaics(model)
    with torch.no_grad():
        best = int(model(batch).scores[0].argmax())
        tied = batch.clone()
        tied[0] = batch[0, best]  # four times the same segment
        tied[0, 2:] = batch[1, 0]  # the largest score may stand in the first two, or the last two
        output = model(tied)
        first = int(output.scores[0].argmax())
        assert first in (0, 2)
        assert output.weights[0].tolist() == [float(j == first) for j in range(4)]
        assert torch.equal(output.averaged[0], output.phi[0, first])


def encode(model: Fcam, batch: Tensor) -> Encoding:
    """Of mosaics that share nothing."""
    return model.encode(
        batch.flatten(0, 1), torch.arange(batch.shape[0] * batch.shape[1]).reshape(batch.shape[:2])
    )


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    return logits.logsumexp(-1) - logits[target]


@pytest.mark.parametrize(("networks", "layer"), KINDS)
def test_losses_are_those_of_a_loop(networks: Networks, layer: int) -> None:
    for mechanism, term in itertools.product(Mechanism, EntropyTerm):
        model = model_of(mechanism, layer, networks)
        batch = mosaics(model)
        encoding = encode(model, batch)
        losses = []
        for row, target in enumerate(TARGETS):
            alpha = softmax(encoding.scores[row])
            if mechanism is Mechanism.HARD:
                each = [cross_entropy(model.classify(x.unsqueeze(0))[0], target) for x in encoding.phi[row]]
                losses.append((alpha * torch.stack(each)).sum())
                continue
            loss = cross_entropy(looped(model, batch[row])[2], target)
            if mechanism is Mechanism.ENTROPY:
                share = 0.7 if term is EntropyTerm.SHARED else 1.0
                loss = share * loss - 0.3 * (alpha * alpha.log()).sum()
            losses.append(loss)
        loss = model.loss(encoding, TARGETS, LossOptions(0.3, term))
        torch.testing.assert_close(loss, torch.stack(losses).mean())


@pytest.mark.parametrize("mechanism", Mechanism)
@pytest.mark.parametrize(("networks", "layer"), KINDS)
def test_the_loss_has_finite_gradients_in_both_nets(
    mechanism: Mechanism, networks: Networks, layer: int
) -> None:
    model = model_of(mechanism, layer, networks).train()
    batch = mosaics(model, size=8)
    model.loss(encode(model, batch), TARGETS.repeat(4)).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    for net in (model.focus.score, model.classifier):
        assert any(p.grad is not None and p.grad.ne(0).any() for p in net.parameters())


@pytest.mark.parametrize("mechanism", Mechanism)
def test_a_few_steps_lower_the_loss(mechanism: Mechanism) -> None:
    model = model_of(mechanism, 0, VectorNetworks(2, (), (20,))).train()
    batch = mosaics(model, size=12)
    targets = torch.arange(12) % 3
    batch[:, 0, 0] += 4 * targets  # the foreground is the first segment here
    optimiser = torch.optim.Adam(model.parameters(), 0.02)
    losses = []
    for _ in range(40):
        loss = model.loss(encode(model, batch), targets)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.1


def test_mosaics_may_share_elements() -> None:
    model = model_of(Mechanism.HARD, 6, VECTOR)
    batch = mosaics(model)
    segments = batch.flatten(0, 1)
    index = torch.tensor([[0, 3, 5, 5], [7, 0, 1, 2]])
    gathered = model.loss(model.encode(segments, index), TARGETS)
    direct = model.loss(encode(model, segments[index]), TARGETS)
    torch.testing.assert_close(gathered, direct)


@pytest.mark.parametrize("layer", [0, 6])
def test_rows_are_independent_and_segments_may_be_reordered(layer: int) -> None:
    model = model_of(Mechanism.SPHERICAL, layer, IMAGE)
    batch, order = mosaics(model, size=3), torch.tensor([2, 0, 3, 1])
    with torch.no_grad():
        output, first, turned = model(batch), model(batch[:1]), model(batch[:, order])
    torch.testing.assert_close(first.logits, output.logits[:1])
    torch.testing.assert_close(turned.weights, output.weights[:, order])
    torch.testing.assert_close(turned.logits, output.logits)


def test_dropout_is_for_training_only() -> None:
    model = model_of(Mechanism.SOFTMAX, 0, ImageNetworks((4, 6, 8), 10, dropout=0.5))
    batch = mosaics(model)
    with torch.no_grad():
        assert torch.equal(model(batch).logits, model(batch).logits)
        model.train()
        assert not torch.equal(model(batch).logits, model(batch).logits)


def test_scores_are_single_precision_under_autocast() -> None:
    model = model_of(Mechanism.SPARSEMAX, 6, VECTOR).float()
    batch = mosaics(model).float()
    with torch.autocast("cpu", torch.bfloat16):
        output = model(batch)
        loss = model.loss(encode(model, batch), TARGETS)
    assert output.scores.dtype == output.weights.dtype == loss.dtype == torch.float32
    torch.testing.assert_close(output.weights.sum(-1), torch.ones(2))


def test_a_channels_last_batch_gives_the_same_answer() -> None:
    model = model_of(Mechanism.SOFTMAX, 6, IMAGE)
    batch = mosaics(model)
    strided = batch.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)
    with torch.no_grad():
        torch.testing.assert_close(model(strided).logits, model(batch).logits)


def test_hard_answers_are_the_cheapest_loss_where_one_segment_has_all_the_weight() -> None:
    """Training and serving agree in the limit of a certain focus."""
    model = model_of(Mechanism.HARD, 0, LINEAR)
    batch = mosaics(model)
    with torch.no_grad():
        encoding = encode(model, batch)
        certain = encoding._replace(scores=encoding.scores * 1e6)
        expected = functional.cross_entropy(model(batch).logits, TARGETS)
        torch.testing.assert_close(model.loss(certain, TARGETS), expected)


def test_a_mosaic_of_another_shape_is_refused() -> None:
    model = model_of(Mechanism.SOFTMAX, 0, LINEAR)
    with pytest.raises(ValueError, match=r"a mosaic is \(4, 2\), not \(5, 2\)"):
        model(torch.zeros(1, 5, 2, dtype=torch.float64))


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"mechanism": "sofmax"}, "sofmax"),
        ({"averaging_layer": 3}, "averaging_layer must be 0 or 6, not 3"),
        ({"n_segments": 0}, "n_segments"),
        ({"n_classes": 1}, "n_classes"),
        ({"averaging_layer": 6, "networks": LINEAR}, "linear f"),
        ({"averaging_layer": 0, "networks": DEEP_HEAD}, "head_widths"),
    ],
)
def test_a_bad_configuration_is_named(fields: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        FcamConfig(**({"mechanism": Mechanism.SOFTMAX} | fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "fields", "complaint"),
    [
        (ImageNetworks, {"widths": (32, 64)}, "widths must be 3"),
        (ImageNetworks, {"widths": (32, 0, 64)}, "widths must be at least 1"),
        (ImageNetworks, {"hidden_width": 0}, "hidden_width"),
        (ImageNetworks, {"head_widths": (0,)}, "head_widths"),
        (ImageNetworks, {"dropout": 1.0}, "dropout"),
        (VectorNetworks, {"width": 0}, "width"),
        (VectorNetworks, {"width": 2, "focus_widths": (20, 0)}, "focus_widths"),
        (VectorNetworks, {"width": 2, "classifier_widths": (-1,)}, "classifier_widths"),
    ],
)
def test_a_bad_width_is_named(kind: type[Networks], fields: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        kind(**fields)  # type: ignore[arg-type]
