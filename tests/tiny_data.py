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
TIMES = ("", " today", " again", " now")
TEACHER = """
import torch
import torch.nn.functional as F

LAYERS = ((5, 32, 15, 8), (12, 96, 3, 2), (15, 160, 3, 2), (16, 320, 1, 1))  # block, channels, kernel, stride
FEATURES, CLASSES = 12, 6

class MobileNetV2(torch.nn.Module):
    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)

        def add(name, outputs, inputs, kernel=1):
            weight = torch.randn(outputs, inputs, kernel, kernel, generator=generator)
            self.register_buffer(name, weight / (inputs * kernel * kernel) ** 0.5)

        inputs = 3
        for block, channels, kernel, _ in LAYERS:
            add(f"block{block}_w", channels, inputs, kernel)
            inputs = channels
        add("head_w", FEATURES, inputs)
        add("logits_w", CLASSES, FEATURES)
        self.head_w *= 3
        self.logits_w *= 6
        self.register_buffer("head_b", torch.linspace(-0.5, 1.5, FEATURES))
        self.register_buffer("logits_b", -self.logits_w.flatten(1).sum(1))

    def features(self, x, upto=None):
        for block, _, kernel, stride in LAYERS:
            # the real one's zeros before and after (0, 1), three times over: centres lie on stride * (i + 1) - 1
            padding = []
            for size in (x.shape[-1], x.shape[-2]):
                padding += [0, max((-(-size // stride) - 1) * stride + kernel - size, 0)]
            x = F.conv2d(F.pad(x, padding), getattr(self, f"block{block}_w"), stride=stride)
            if block == upto:
                return x
        return F.conv2d(x, self.head_w, self.head_b).clamp(0, 6)
"""
CLASSES = ("background", "tench, Tinca tinca", "web site, website", "suit, suit of clothes", "menu", "pizza")


def build_tiny_data(root: Path, tweets: int = 24, pictures: int = 10) -> Path:
    """Write the folder and return it."""
    train = [_tweet(number) for number in range(tweets)]
    valid = [_tweet(number, ", they said") for number in range(tweets // 2)]
    valid[0] = train[0]  # as happens
    for split, rows in (("train", train), ("valid", valid)):
        _write_rows(root / "sarcasm" / f"sarcasm_{split}.jsonl.gz", rows)
    mvsa = [{"id": str(number), "text": _tweet(number, ", look")["text"]} for number in range(pictures)]
    _write_rows(root / "mvsa" / "mvsa_single.jsonl.gz", mvsa)
    _write_pictures(root / "mvsa" / "images.zip", [f"{number}.jpg" for number in range(pictures)], 0)
    coco = [{"id": 7, "boxes_xywh_norm": [["dog", 0.1, 0.1, 0.5, 0.5, 0]], "captions": ["A sign."]}]
    _write_rows(root / "coco" / "coco_small.jsonl.gz", coco)
    _write_pictures(root / "coco" / "images.zip", ["000000000007.jpg"], 99)
    (root / "embeddings").mkdir()
    for name, width in (("glove6B_50d_5k.npz", 3), ("glove_twitter27B_25d_subset.npz", 2)):
        vectors = np.random.default_rng(width).normal(size=(3, width)).astype(np.float32)
        np.savez(root / "embeddings" / name, words=np.array(["dog", "great", "monday"]), vectors=vectors)
    (root / "weights").mkdir()
    (root / "weights" / "mobilenet_v2.py").write_text(TEACHER)
    (root / "weights" / "imagenet_labels_1001.txt").write_text("\n".join(CLASSES) + "\n")
    return root


def _tweet(number: int, ending: str = "") -> dict[str, object]:
    sarcastic = number % 2
    text = (SARCASTIC if sarcastic else SINCERE)[number // 2 % 3] + TIMES[number // 6 % len(TIMES)]
    text = f"{text} {ending}".rstrip()
    words = (
        ["man", "suit", "screen", "sign", "food"]
        if sarcastic
        else ["dog", "picture", "woman", "tie", "pizza"]
    )
    return {
        "id": str(number),
        "text": text,
        "label": sarcastic,
        "attributes": words,
        "mmsd2_text": text.replace(" # dog", ""),
        "mmsd2_label": sarcastic,
    }


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
