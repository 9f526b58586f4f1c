"""Pictures of any size to the pixels that region encoders read."""

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from PIL import Image

from attendant.images import Pixels
from attendant.types import IMAGE_SIZE


def resize(pixels: Pixels, size: int = IMAGE_SIZE) -> Pixels:
    """The whole picture, H x W x 3, squashed to `size` x `size` x 3 (bicubic, antialiased).

    The aspect ratio goes, so that cell (r, c) of the model's grid is the same share of every picture. Torch takes a
    fraction of Pillow's time for it.
    """
    height, width, _ = pixels.shape
    factors = max(1, width // (2 * size)), max(1, height // (2 * size))
    if factors != (1, 1):  # torch takes memory for every pixel of a side
        pixels = np.asarray(Image.fromarray(pixels).reduce(factors))
    # In this order torch keeps colours side by side in memory, and nothing is copied but what is resized
    planes = torch.from_numpy(np.require(pixels, requirements=["C", "W"])).unsqueeze(0).permute(0, 3, 1, 2)
    resized = F.interpolate(planes, (size, size), mode="bicubic", antialias=True)
    return resized.permute(0, 2, 3, 1).squeeze(0).contiguous().numpy()
