"""Variants of Table 2 that train in a moment, and the mosaics for them."""

from dataclasses import replace

import numpy as np

from attendant.models.fcam import FcamConfig, ImageNetworks
from attendant.models.focus_maps import Mechanism
from attendant.training.cifar import Cifar
from attendant.training.mosaics import ImageProtocol, Split, cifar_mosaics
from attendant.training.sdc import SdcRecipe
from attendant.training.sdc_sets import SdcSets
from attendant.training.variants import Variant

NETWORKS = ImageNetworks((4, 4, 6), 8)
RECIPE = SdcRecipe(epochs=1, batch=16)
SOFTMAX = Variant("sdc-cifar-softmax-0", FcamConfig(Mechanism.SOFTMAX, networks=NETWORKS), RECIPE)
HARD = Variant(
    "sdc-cifar-hard-6", FcamConfig(Mechanism.HARD, 6, networks=NETWORKS), replace(RECIPE, fresh_images=48)
)


def build_tiny_sets() -> SdcSets:
    """Of 300 images of noise: 32 mosaics in training, 30 held out, 40 by the authors' protocol."""
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 256, (300, 32, 32, 3), dtype=np.uint8)
    images = Cifar(pixels, np.arange(300) % 10, tuple("abcdefghij"))
    held_out = cifar_mosaics(images, Split.TEST, 30)
    return SdcSets(
        training=cifar_mosaics(images, Split.TRAINING, 32),
        held_out=held_out,
        authors=cifar_mosaics(images, Split.TEST, 40, protocol=ImageProtocol.AUTHORS),
        risk_fitting=held_out,
        risk_measuring=held_out,
        classes=images.classes[:3],
    )
