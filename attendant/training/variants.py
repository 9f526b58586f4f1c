"""The ten models of the paper's Table 2: what each is, and how it is trained.

All have the small networks (16, 32, 64), which two CPU cores can train. Softmax and sparsemax over the segments
themselves are trained on 30,000 fixed mosaics, as in the paper. The others, for want of time, draw theirs anew at each
step: three times the mosaics an hour, and never the same one twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

from attendant.models.fcam import FcamConfig, ImageNetworks
from attendant.models.focus_maps import Mechanism
from attendant.training.sdc import SdcRecipe

NETWORKS = ImageNetworks((16, 32, 64))
FIXED = SdcRecipe()
FRESH = SdcRecipe(epochs=16, batch=128, fresh_images=256)
# At the others' rate these two soon have all weight on one segment, and their scores no gradient
SLOWLY = {Mechanism.SPARSEMAX: 1e-3, Mechanism.SPHERICAL: 1e-3}


class Protocol(StrEnum):
    """Which mosaics a model is trained on."""

    FIXED = "fixed"  # the same 30,000 in every epoch, as the paper's
    FRESH = "fresh"  # drawn anew at each step


RECIPES = {Protocol.FIXED: FIXED, Protocol.FRESH: FRESH}


@dataclass(frozen=True)
class Variant:
    """A row of the table."""

    name: str  # of the model
    config: FcamConfig
    recipe: SdcRecipe

    @property
    def protocol(self) -> Protocol:
        return Protocol.FRESH if self.recipe.fresh_images else Protocol.FIXED

    def by(self, protocol: Protocol) -> "Variant":
        """The same model trained by that protocol."""
        recipe = replace(RECIPES[protocol], learning_rate=self.recipe.learning_rate)
        return self if protocol is self.protocol else replace(self, recipe=recipe)


def checkpoint_of(runs: Path, variant: Variant, seed: int) -> Path:
    return runs / f"{variant.name}-{variant.protocol}-{seed}.pt"


def _variant(mechanism: Mechanism, layer: int) -> Variant:
    fixed = layer == 0 and mechanism in (Mechanism.SOFTMAX, Mechanism.SPARSEMAX)
    recipe = FIXED if fixed else FRESH
    recipe = replace(recipe, learning_rate=SLOWLY.get(mechanism, recipe.learning_rate))
    config = FcamConfig(mechanism, 6 if layer else 0, networks=NETWORKS)
    return Variant(f"sdc-cifar-{mechanism}-{layer}", config, recipe)


VARIANTS: Mapping[str, Variant] = MappingProxyType(
    {
        variant.name: variant
        for variant in (_variant(mechanism, layer) for layer in (0, 6) for mechanism in Mechanism)
    }
)
