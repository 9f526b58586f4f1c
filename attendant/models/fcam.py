"""FCAM, the focus-classify attention model of Pandey, Vashisht and Ramaswamy, with its attention in a typed output.

h(x) = softmax(g(sum_j alpha_j phi(x_j))), alpha = map(f(x_1) .. f(x_m)): f is the focus net, g the classifier.
B mosaics of m segments, k classes; N segments on their own.

phi is read as follows. Averaging layer 0: the segment itself, so that g runs on a blend of segments. Averaging layer 6:
the last layer of f's body, as the rest of f reads it. In the image nets (six convolutions, two fully connected layers)
that is the sixth convolution's map, and in vector nets the last hidden layer. f and g share the body, and g is a head
on it. The released code departs from this twice: its phi is the tanh of the sixth convolution, and its g has six more
convolutions, which `head_widths` can add.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from attendant.models.encoders import ConvNorm
from attendant.models.focus_maps import Attended, LossOptions, Mechanism, average
from attendant.types import MosaicShape

CHANNELS, SIDE = 3, 32  # of an image segment
_PAIRS = 3


def _check_widths(name: str, *widths: int) -> None:
    for width in widths:
        if width < 1:
            raise ValueError(f"{name} must be at least 1, not {width}")


@dataclass(frozen=True)
class ImageNetworks:
    """f and g for segments of 3 x 32 x 32: a pair of convolutions for each of `widths`, two fully connected layers.

    (16, 32, 64) is the small one. `head_widths` adds pairs to the head g of averaging layer 6; the released code's
    would be (128, 256, 512). `dropout` acts before the fully connected layers.
    """

    widths: tuple[int, ...] = (32, 64, 128)
    hidden_width: int = 128
    head_widths: tuple[int, ...] = ()
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if len(self.widths) != _PAIRS:
            raise ValueError(f"widths must be {_PAIRS}, one for each pair of convolutions, not {self.widths}")
        _check_widths("widths", *self.widths)
        _check_widths("hidden_width", self.hidden_width)
        _check_widths("head_widths", *self.head_widths)
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), not {self.dropout}")

    @property
    def segment(self) -> tuple[int, ...]:
        """The shape of a segment."""
        return CHANNELS, SIDE, SIDE


@dataclass(frozen=True)
class VectorNetworks:
    """f and g for segments of `width` numbers: linear, or with ReLU layers of the hidden widths, such as (20, 20)."""

    width: int
    focus_widths: tuple[int, ...] = ()
    classifier_widths: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        _check_widths("width", self.width)
        _check_widths("focus_widths", *self.focus_widths)
        _check_widths("classifier_widths", *self.classifier_widths)

    @property
    def segment(self) -> tuple[int, ...]:
        """The shape of a segment."""
        return (self.width,)


Networks = ImageNetworks | VectorNetworks


@dataclass(frozen=True)
class FcamConfig:
    """What is attended to and how; the defaults are CIFAR-SDC's."""

    mechanism: Mechanism
    averaging_layer: Literal[0, 6] = 0
    n_segments: int = 9
    n_classes: int = 3
    networks: Networks = ImageNetworks()

    def __post_init__(self) -> None:
        if not isinstance(self.mechanism, Mechanism):
            raise ValueError(f"mechanism must be one of {', '.join(Mechanism)}, not {self.mechanism!r}")  # noqa: TRY004
        if self.averaging_layer not in (0, 6):
            raise ValueError(f"averaging_layer must be 0 or 6, not {self.averaging_layer}")
        if self.n_segments < 1:
            raise ValueError(f"n_segments must be at least 1, not {self.n_segments}")
        if self.n_classes < 2:
            raise ValueError(f"n_classes must be at least 2, not {self.n_classes}")
        match self.networks:
            case VectorNetworks(focus_widths=()) if self.averaging_layer:
                raise ValueError(
                    "averaging_layer 6 is a hidden layer, and a linear f (focus_widths) has none"
                )
            case ImageNetworks(head_widths=(_, *_)) if not self.averaging_layer:
                raise ValueError(
                    "head_widths are for averaging_layer 6; in layer 0 the classifier has its own widths"
                )

    @property
    def mosaic(self) -> MosaicShape:
        """What a caller must send: images lie row by row, their channels last."""
        if isinstance(self.networks, ImageNetworks):
            return MosaicShape(self.n_segments, (SIDE, SIDE, CHANNELS))
        return MosaicShape(self.n_segments, self.networks.segment)


class Encoding(NamedTuple):
    """Elements after f, before attention; mosaics are made of them, and may share them."""

    scores: Tensor  # B x m
    elements: Tensor  # phi, N x ...
    indices: Tensor  # of the segments in `elements`, B x m

    @property
    def phi(self) -> Tensor:
        """B x m x ..."""
        return self.elements[self.indices]


@dataclass(frozen=True)
class TailOutput:
    """Everything from the weights on: what changes when attention is changed."""

    averaged: Tensor  # sum_j alpha_j phi_j, B x ...
    logits: Tensor  # B x k
    probabilities: Tensor  # B x k


@dataclass(frozen=True)
class FcamOutput(TailOutput):
    """The answer, the attention and what it was computed from."""

    scores: Tensor  # f(x_j), B x m
    weights: Tensor  # alpha, B x m
    phi: Tensor  # B x m x ...


class ConvolutionPairs(nn.Sequential):
    """Two convolutions for each width, and half the side, down to 1.

    The maximum is taken before norm and ReLU, which then have a quarter of the work: a sixth more segments a second.
    """

    def __init__(self, channels: int, side: int, widths: tuple[int, ...]) -> None:
        layers: list[nn.Module] = []
        for width in widths:
            pool = [nn.MaxPool2d(2)] if side > 1 else []
            second = nn.Conv2d(width, width, 3, padding=1, bias=False)
            layers += [ConvNorm(channels, width), second, *pool, nn.BatchNorm2d(width), nn.ReLU()]
            channels, side = width, max(side // 2, 1)
        super().__init__(*layers)
        self.outputs = channels * side**2


class Perceptron(nn.Sequential):
    """Linear layers from the first width to the last, ReLU between them."""

    def __init__(self, *widths: int) -> None:
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        super().__init__(*layers[:-1])


class FocusNet(nn.Module):
    """f, in two parts: the body up to its last layer that g can share, and from there to the score."""

    def __init__(self, body: nn.Module, score: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.score = score

    def forward(self, segments: Tensor) -> tuple[Tensor, Tensor]:
        """N x ...: scores N and the body's output N x ..."""
        hidden = self.body(segments)
        return self.score(hidden).squeeze(-1), hidden


class Fcam(nn.Module):
    """The focus net, the map of its scores to weights, and the classifier of the average."""

    def __init__(self, config: FcamConfig, focus: FocusNet, classifier: nn.Module) -> None:
        super().__init__()
        self.config = config
        self.focus = focus
        self.classifier = classifier

    def forward(self, segments: Tensor) -> FcamOutput:
        """Answer mosaics B x m x ...; in evaluation mode rows are independent of each other."""
        expected = (self.config.n_segments, *self.config.networks.segment)
        if segments.shape[1:] != expected:
            raise ValueError(f"a mosaic is {expected}, not {tuple(segments.shape[1:])}")
        examined = self.examine(segments.flatten(0, 1))
        scores, phi = (rows.reshape(*segments.shape[:2], *rows.shape[1:]) for rows in examined)
        weights = self.config.mechanism.focus_map.weights(scores)
        tail = self.tail(phi, weights)
        return FcamOutput(**vars(tail), scores=scores, weights=weights, phi=phi)

    def encode(self, elements: Tensor, indices: Tensor) -> Encoding:
        """Scores and phi of mosaics given as indices, B x m, into elements N x ...: f runs once an element."""
        scores, phi = self.examine(elements)
        return Encoding(scores[indices], phi, indices)

    def examine(self, elements: Tensor) -> tuple[Tensor, Tensor]:
        """Scores N and phi N x ... of elements N x ...."""
        scores, hidden = self.focus(elements)
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32))  # under autocast they are not
        return scores, hidden if self.config.averaging_layer else elements

    def tail(self, phi: Tensor, weights: Tensor) -> TailOutput:
        """From phi (B x m x ...) and alpha (B x m) to the answer; f is not run again.

        A phi of one mosaic (1 x m x ...) serves any number of weights.
        """
        averaged = average(weights, phi)
        logits = self.classify(averaged)
        return TailOutput(averaged, logits, logits.softmax(dim=-1))

    def classify(self, averaged: Tensor) -> Tensor:
        """The logits, N x k, of averages (or of single phi) N x ..."""
        logits: Tensor = self.classifier(averaged)
        return logits

    def loss(self, encoding: Encoding, targets: Tensor, options: LossOptions | None = None) -> Tensor:
        """The mechanism's training loss, averaged over mosaics; targets int64, B."""
        focus_map = self.config.mechanism.focus_map
        weights = focus_map.training_weights(encoding.scores)
        scores, elements, indices = encoding
        attended = Attended(scores, weights, elements, indices, self.classify)
        return focus_map.loss(attended, targets, options or LossOptions())


def build_fcam(config: FcamConfig) -> Fcam:
    """The model with fresh weights, in training mode."""
    match config.networks:
        case ImageNetworks():
            return Fcam(config, *_image_networks(config, config.networks))
        case VectorNetworks():
            return Fcam(config, *_vector_networks(config, config.networks))


def _image_networks(config: FcamConfig, networks: ImageNetworks) -> tuple[FocusNet, nn.Module]:
    def fully_connected(inputs: int, outputs: int) -> nn.Sequential:
        perceptron = Perceptron(inputs, networks.hidden_width, outputs)
        return nn.Sequential(nn.Flatten(), nn.Dropout(networks.dropout), perceptron)

    body = ConvolutionPairs(CHANNELS, SIDE, networks.widths)
    if config.averaging_layer:
        own = ConvolutionPairs(networks.widths[-1], SIDE >> _PAIRS, networks.head_widths)
    else:
        own = ConvolutionPairs(CHANNELS, SIDE, networks.widths)
    classifier = nn.Sequential(own, fully_connected(own.outputs, config.n_classes))
    return FocusNet(body, fully_connected(body.outputs, 1)), classifier


def _vector_networks(config: FcamConfig, networks: VectorNetworks) -> tuple[FocusNet, nn.Module]:
    widths = (networks.width, *networks.focus_widths)
    body = nn.Sequential(Perceptron(*widths), nn.ReLU()) if networks.focus_widths else nn.Identity()
    inputs = widths[-1] if config.averaging_layer else networks.width
    classifier = Perceptron(inputs, *networks.classifier_widths, config.n_classes)
    return FocusNet(body, nn.Linear(widths[-1], 1)), classifier
