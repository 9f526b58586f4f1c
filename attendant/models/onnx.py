"""Export to ONNX, done once when an archive is built.

The names below are the interface between the exported files and whoever runs them in ONNX Runtime.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.jit._trace import TracerWarning  # torch.jit has it too, but does not export it to type checkers

from attendant.models.fcam import Fcam
from attendant.models.hfm import HfmConfig, HfmInput, HierarchicalFusion
from attendant.types import IMAGE_SIZE, MODALITIES

HFM_INPUTS = ("tokens", "token_counts", "attributes", "attribute_counts", "regions", "present")  # as HfmInput
HFM_OUTPUTS = (
    "logit",
    "modality",
    *(f"representation_{modality}" for modality in MODALITIES),
    *(f"representation_mean_{modality}" for modality in MODALITIES),
)
# What explanations start from: X_m, and the fusion's scores and values
HFM_TAIL_OUTPUTS = (*(f"raw_{modality}" for modality in MODALITIES), "scores", "values")
ENCODER_INPUTS = ("pixels",)
ENCODER_OUTPUTS = ("regions", "attribute_logits")
FCAM_INPUTS = ("segments",)  # float32, B x m x ...
FCAM_OUTPUTS = ("scores", "weights", "probabilities")
FCAM_TAIL_OUTPUTS = ("phi",)  # what explanations start from

# The TorchScript exporter turns nn.LSTM into one ONNX LSTM node; it needs no package beside torch and onnx.
_OPSET = 17


class _HfmGraph(nn.Module):
    """The model with tensors in and tensors out, in the order of HFM_INPUTS, HFM_OUTPUTS and HFM_TAIL_OUTPUTS."""

    def __init__(self, model: HierarchicalFusion) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        output = self.model(HfmInput(*inputs))
        attention = (*output.representation, *output.representation_mean)
        return (output.logit, output.modality, *attention, *output.raw, output.scores, output.values)


class _EncoderGraph(nn.Module):
    """The encoder with its encoding as a tuple, in the order of ENCODER_OUTPUTS."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        encoding = self.encoder(pixels)
        if encoding.attribute_logits is None:  # the paper's encoder names no attributes
            return (encoding.regions,)
        return encoding.regions, encoding.attribute_logits


class _FcamGraph(nn.Module):
    """The model with its output as a tuple, in the order of FCAM_OUTPUTS and FCAM_TAIL_OUTPUTS."""

    def __init__(self, model: Fcam) -> None:
        super().__init__()
        self.model = model

    def forward(self, segments: Tensor) -> tuple[Tensor, ...]:
        output = vars(self.model(segments))
        return tuple(output[name] for name in (*FCAM_OUTPUTS, *FCAM_TAIL_OUTPUTS))


def export_hfm(model: HierarchicalFusion, path: Path) -> None:
    """Write the fusion model with B, T, A and R free: inputs HFM_INPUTS, outputs HFM_OUTPUTS and HFM_TAIL_OUTPUTS."""
    batch = {0: "batch"}
    tokens, words, regions = batch | {1: "tokens"}, batch | {1: "words"}, batch | {1: "regions"}
    axes = {
        "logit": batch,
        "modality": batch,
        "scores": batch,
        "values": batch,
        "present": batch,
        "token_counts": batch,
        "attribute_counts": batch,
    }
    axes |= {"tokens": tokens, "attributes": words, "regions": regions}
    for modality, elements in zip(MODALITIES, ("tokens", "regions", "words"), strict=True):
        axes[f"representation_{modality}"] = batch | {2: elements}
        axes[f"representation_mean_{modality}"] = axes[f"raw_{modality}"] = batch | {1: elements}
    with _expected_warnings():
        torch.onnx.export(
            _evaluating(_HfmGraph(model), model),
            _example(model.config),
            path,
            input_names=list(HFM_INPUTS),
            output_names=[*HFM_OUTPUTS, *HFM_TAIL_OUTPUTS],
            dynamic_axes=axes,
            opset_version=_OPSET,
            dynamo=False,
        )


def export_encoder(encoder: nn.Module, path: Path) -> None:
    """Write a region encoder with B free: uint8 `pixels` in; `regions` out, and `attribute_logits` if it has them."""
    pixels = torch.zeros(2, IMAGE_SIZE, IMAGE_SIZE, 3, dtype=torch.uint8)
    graph = _evaluating(_EncoderGraph(encoder), encoder)
    with torch.no_grad():
        outputs = ENCODER_OUTPUTS[: len(graph(pixels[:1]))]
    with _expected_warnings():
        torch.onnx.export(
            graph,
            (pixels,),
            path,
            input_names=list(ENCODER_INPUTS),
            output_names=list(outputs),
            dynamic_axes={name: {0: "batch"} for name in (*ENCODER_INPUTS, *outputs)},
            opset_version=_OPSET,
            dynamo=False,
        )


def export_fcam(model: Fcam, path: Path) -> None:
    """Write an FCAM with B free: inputs FCAM_INPUTS, outputs FCAM_OUTPUTS and FCAM_TAIL_OUTPUTS."""
    segments = torch.zeros(2, model.config.n_segments, *model.config.networks.segment)
    outputs = (*FCAM_OUTPUTS, *FCAM_TAIL_OUTPUTS)
    with _expected_warnings():
        torch.onnx.export(
            _evaluating(_FcamGraph(model), model),
            (segments,),
            path,
            input_names=list(FCAM_INPUTS),
            output_names=list(outputs),
            dynamic_axes={name: {0: "batch"} for name in (*FCAM_INPUTS, *outputs)},
            opset_version=_OPSET,
            dynamo=False,
        )


def _evaluating(graph: nn.Module, model: nn.Module) -> nn.Module:
    if model.training:
        raise ValueError("a model is exported in eval mode")
    return graph.eval()


def _example(config: HfmConfig) -> tuple[Tensor, ...]:
    """What the model is traced with, in the order of HFM_INPUTS; sizes differ so that none is taken for another."""
    batch, tokens, words, regions = 2, 7, 3, 5
    return (
        torch.ones(batch, tokens, dtype=torch.int64),
        torch.tensor([tokens, 1]),
        torch.ones(batch, words, dtype=torch.int64),
        torch.tensor([words, 1]),
        torch.ones(batch, regions, config.region_width),
        torch.ones(batch, 3, dtype=torch.bool),
    )


@contextmanager
def _expected_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        # The exporter is deprecated, and so are parts that it calls; it is meant (see _OPSET), and torch is pinned
        warnings.simplefilter("ignore", DeprecationWarning)
        # nn.LSTM compares the sizes it is given with its own: once, while it is traced
        warnings.filterwarnings("ignore", "Converting a tensor to a Python boolean", TracerWarning)
        # It says so of the pads of nn.ZeroPad2d, which ONNX Runtime folds
        warnings.filterwarnings("ignore", "Constant folding - Only steps=1 can be", UserWarning)
        # Its own remedy is to give the initial states, which GuidedBiLstm does
        warnings.filterwarnings(
            "ignore", "Exporting a model to ONNX with a batch_size other than 1", UserWarning
        )
        yield
