"""CIFAR-10 as it lies in a data folder, with 480 invented images: noise, unless they are coloured by class."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from attendant.training.cifar import SHEETS

NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
ROWS, COLUMNS = 8, 10  # of a sheet


def draw_images(seed: int = 5) -> dict[str, NDArray[np.uint8]]:
    """400 for the five training sheets, 80 for the test sheet."""
    rng = np.random.default_rng(seed)
    return {
        split: rng.integers(0, 256, (len(sheets) * ROWS * COLUMNS, 32, 32, 3), dtype=np.uint8)
        for split, sheets in SHEETS.items()
    }


def write_tiny_cifar(data: Path, images: dict[str, NDArray[np.uint8]]) -> Path:
    """Below the data folder, which is returned. Label i of training is i % 10."""
    folder = data / "cifar10"
    folder.mkdir(parents=True)
    for split, pixels in images.items():
        sheets = pixels.reshape(-1, ROWS, COLUMNS, 32, 32, 3).swapaxes(2, 3)
        for sheet, name in zip(sheets, SHEETS[split], strict=True):
            picture = Image.fromarray(sheet.reshape(ROWS * 32, COLUMNS * 32, 3))
            picture.save(folder / name, lossless=True, method=0)
    labels = {"train": np.arange(400, dtype=np.uint8) % 10, "test": np.arange(1000, dtype=np.uint8) % 7}
    np.savez(folder / "labels.npz", classes=np.array(NAMES), **labels)
    return data
