"""A data folder of the shape of ../shared/data, with a few invented tweets, drawn pictures and a tiny image teacher."""

import gzip
import io
import json
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

SARCASTIC = ("oh great , another monday", "i just love waiting <num> hours", "so much fun emoji_12")
SINCERE = ("good morning everyone", "nice weather in the park", "my dog is happy # dog")
TEACHER = """
import torch

class MobileNetV2(torch.nn.Module):
    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.register_buffer("kernel", torch.randn(12, 3, 32, 32, generator=generator) / 30)
        self.register_buffer("logits_w", torch.randn(6, 12, 1, 1, generator=generator))
        self.register_buffer("logits_b", torch.zeros(6))

    def features(self, x):
        return torch.nn.functional.conv2d(x, self.kernel, stride=32).clamp(0, 6)
"""
CLASSES = ("background", "tench, Tinca tinca", "web site, website", "suit, suit of clothes", "menu", "pizza")


def build_tiny_data(root: Path, tweets: int = 24, pictures: int = 10) -> Path:
    """Write the folder and return it."""
    rows = [_tweet(number) for number in range(tweets)]
    for split, chosen in (("train", rows), ("valid", rows[: tweets // 2])):
        _write_rows(root / "sarcasm" / f"sarcasm_{split}.jsonl.gz", chosen)
    mvsa = [{"id": str(number), "text": _tweet(number)["text"]} for number in range(pictures)]
    _write_rows(root / "mvsa" / "mvsa_single.jsonl.gz", mvsa)
    _write_pictures(root / "mvsa" / "images.zip", [f"{number}.jpg" for number in range(pictures)], 0)
    coco = [{"id": 7, "boxes_xywh_norm": [["dog", 0.1, 0.1, 0.5, 0.5, 0]], "captions": ["A sign."]}]
    _write_rows(root / "coco" / "coco_small.jsonl.gz", coco)
    _write_pictures(root / "coco" / "images.zip", ["000000000007.jpg"], 99)
    (root / "weights").mkdir()
    (root / "weights" / "mobilenet_v2.py").write_text(TEACHER)
    (root / "weights" / "imagenet_labels_1001.txt").write_text("\n".join(CLASSES) + "\n")
    return root


def _tweet(number: int) -> dict[str, object]:
    sarcastic = number % 2
    text = (SARCASTIC if sarcastic else SINCERE)[number // 2 % 3]
    words = (
        ["man", "suit", "screen", "sign", "food"]
        if sarcastic
        else ["dog", "picture", "woman", "tie", "pizza"]
    )
    return {"id": str(number), "text": text, "label": sarcastic, "attributes": words}


def _write_rows(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode(), mtime=0))


def _write_pictures(path: Path, names: list[str], seed: int) -> None:
    generator = np.random.default_rng(seed)
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            blocks = generator.integers(0, 256, (6, 8, 3), dtype=np.uint8)
            buffer = io.BytesIO()
            Image.fromarray(blocks).resize((128, 96), Image.Resampling.NEAREST).save(buffer, "JPEG")
            archive.writestr(name, buffer.getvalue())
