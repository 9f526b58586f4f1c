"""Model folders of small SDC models with seeded random weights, and mosaics for them: everything real but the size."""

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from attendant.manifest import ModelManifest, VersionManifest, describe, write_manifest
from attendant.methods import Method
from attendant.models.encoders import scale
from attendant.models.fcam import Fcam, FcamConfig, ImageNetworks, Networks, VectorNetworks, build_fcam
from attendant.models.fcam_store import SdcConfig, save_fcam_config
from attendant.models.focus_maps import Mechanism
from attendant.models.store import save_weights
from attendant.statistics.focus_risk import EVIDENCE, FocusRisk
from attendant.types import Modality, Mosaic, MosaicShape

SEGMENTS = 3
CLASSES = ("airplane", "automobile", "bird")
METHODS = (Method.PERMUTATION, Method.GRADIENT, Method.LEAVE_ONE_OUT, Method.ADVERSARIAL, Method.ERASURE)
NETWORKS: dict[str, Networks] = {
    "image": ImageNetworks(widths=(4, 6, 8), hidden_width=10),
    "vector": VectorNetworks(2, focus_widths=(7,), classifier_widths=(20, 20)),
}
SHAPES = {"image": (32, 32, 3), "vector": (2,)}  # of a segment, as manifests have it
# Standard deviations over random segments: attention is uneven, and answers move.
SCORE_SPREAD, LOGIT_SPREAD = 1.5, 3.0


def small_fcam(
    mechanism: Mechanism = Mechanism.SOFTMAX,
    layer: int = 0,
    kind: str = "image",
    *,
    segments: int = SEGMENTS,
    networks: Networks | None = None,
    seed: int = 0,
) -> Fcam:
    """In eval mode, with random weights that give different mosaics different answers."""
    config = FcamConfig(mechanism, layer, segments, len(CLASSES), networks or NETWORKS[kind])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build_fcam(config)
        elements = torch.from_numpy(draw_segments(kind, 64, seed))
        elements = scale(elements) if elements.ndim > 2 else elements
        norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
        with torch.no_grad():
            for norm in norms:
                norm.momentum = 1.0  # one pass gives them these elements' moments, so that no layer fades
            model.classify(model.examine(elements)[1])
            model.eval()
            scores, phi = model.examine(elements)
            stretch(model.focus.score, scores[:, None], SCORE_SPREAD)
            stretch(model.classifier, model.classify(phi), LOGIT_SPREAD)
    return model


def stretch(net: torch.nn.Module, outputs: torch.Tensor, spread: float) -> None:
    """Change a net's last layer so that these outputs, N x k, would have mean 0 and that deviation."""
    last = [layer for layer in net.modules() if isinstance(layer, torch.nn.Linear)][-1]
    factors = spread / outputs.std(dim=0)
    last.bias.sub_(outputs.mean(dim=0)).mul_(factors)
    last.weight.mul_(factors[:, None])


def small_risk(seed: int = 0) -> FocusRisk:
    """Any that answers."""
    size = len(EVIDENCE)
    coefficients = np.random.default_rng(seed).uniform(0, 0.3, size)
    return FocusRisk(
        (0.5,) * size, (1.0,) * size, tuple(map(float, coefficients)), (-0.6, 0.0, 0.6), (0.05, 0.4, 0.9)
    )


def write_small_sdc(
    folder: Path,
    name: str = "sdc-small",
    mechanism: Mechanism = Mechanism.SOFTMAX,
    layer: int = 0,
    kind: str = "image",
    *,
    segments: int = SEGMENTS,
    networks: Networks | None = None,
    seed: int = 0,
) -> ModelManifest:
    """Write a model folder, `folder` / `name`, of one version, and return its manifest. `kind`: image or vector."""
    model = small_fcam(mechanism, layer, kind, segments=segments, networks=networks, seed=seed)
    root = folder / name
    place = root / "1"
    place.mkdir(parents=True)
    save_fcam_config(place / "config.json", SdcConfig(model.config, small_risk(seed)))
    save_weights(place / "fcam.safetensors", model.state_dict())
    (place / "card.md").write_text(f"# {name}\n\nRandom weights.\n", encoding="utf-8")
    roles = {"config": "config.json", "fcam": "fcam.safetensors", "card": "card.md"}
    version = VersionManifest(
        version="1",
        description=f"Random weights, seed {seed}.",
        files={role: describe(root, place / file) for role, file in roles.items()},
    )
    manifest = ModelManifest(
        name=name,
        archive="sdc",
        classes=CLASSES,
        modalities=(Modality.SEGMENT,),
        methods=METHODS,
        default_version="1",
        versions={"1": version},
        mosaic=MosaicShape(segments, SHAPES[kind]),
    )
    write_manifest(root, manifest)
    return manifest


def small_mosaic(
    kind: str = "image", seed: int = 0, *, segments: int = SEGMENTS, foreground_index: int | None = None
) -> Mosaic:
    """Random segments for the models above."""
    drawn = draw_segments(kind, segments, seed)
    if kind == "image":
        return Mosaic(tuple(to_png(picture) for picture in drawn), foreground_index)
    return Mosaic(tuple(tuple(map(float, row)) for row in drawn), foreground_index)


def draw_segments(kind: str, count: int, seed: int) -> np.ndarray:
    """Noise in uint8 around a colour of each image's own, or float32 vectors: `count` of the shape.

    No pixel is at either end, where nets would see many equal patches, and have no derivative.
    """
    rng = np.random.default_rng(seed)
    if kind == "vector":
        return rng.uniform(-1, 1, (count, *SHAPES[kind])).astype(np.float32)
    colours = rng.uniform(70, 185, (count, 1, 1, 3))
    return (colours + rng.uniform(-60, 60, (count, *SHAPES[kind]))).astype(np.uint8)


def to_png(pixels: np.ndarray) -> bytes:
    """H x W x 3, or H x W for grey."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()
