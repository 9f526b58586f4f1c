import gzip
import json

import numpy as np
import pytest
import torch
from tiny_data import CLASSES, build_tiny_data
from torch import nn

from attendant.analysis.rows import DataError, read_rows
from attendant.models.encoders import CompactConfig, CompactEncoder, ImageEncoding, scale
from attendant.training.data import read_coco, read_mvsa
from attendant.training.encoder_evaluation import evaluate_encoder
from attendant.training.photographs import load_photographs
from attendant.training.progress import Silent
from attendant.training.teacher import load_teacher

WIDTH = 12  # the tiny teacher's features


class Copy(nn.Module):
    """An encoder that is the teacher: its grid is the teacher's features."""

    def __init__(self, network):
        super().__init__()
        self.network = network
        self.classes = nn.Linear(WIDTH, len(CLASSES))
        self.classes.load_state_dict({"weight": network.logits_w.flatten(1), "bias": network.logits_b})

    def grid(self, pixels):
        return self.network.features(scale(pixels))

    def features(self, regions):
        return regions * 1.0

    def forward(self, pixels):
        regions = self.grid(pixels).flatten(2).transpose(1, 2)
        return ImageEncoding(regions, self.classes(self.features(regions).mean(1)))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = build_tiny_data(tmp_path_factory.mktemp("data"), pictures=24)
    path = folder / "mvsa" / "mvsa_single.jsonl.gz"
    rows = [row for _, row in read_rows(path)]
    for number, row in enumerate(rows):
        split = ("train", "train", "valid", "test")[number % 4]
        row |= {"label": ("negative", "positive")[number // 4 % 2], "split": split}
    rows[-1] |= {"label": None, "split": "unlabelled_extra"}
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    return folder


@pytest.fixture(scope="module")
def found(data, tmp_path_factory):
    network, _ = load_teacher(data)
    cache = tmp_path_factory.mktemp("cache")
    return evaluate_encoder(Copy(network).eval(), data, cache, Silent(), threads=1)


def test_the_teacher_against_itself_is_perfect(found):
    measures = {measure.name: measure for measure in found.measures}
    for name in ("pooled_agreement", "regional_agreement", "pooled_r2", "regional_r2"):
        assert measures[name].encoder.value == pytest.approx(1, abs=1e-3), name
        assert measures[f"{name}_centred"].centred_teacher.value == 1, name
    assert measures["sentiment_probe"].difference.value == 0
    localised = measures["localisation_all"]
    assert localised.encoder.value == pytest.approx(localised.teacher.value, abs=1e-3)
    assert 0 < localised.constant < 1


def test_every_figure_lies_in_its_interval(found):
    for measure in found.measures:
        for one in (measure.encoder, measure.teacher, measure.centred_teacher, measure.difference):
            assert one is None or one.low <= one.value <= one.high, measure.name


def test_latency_is_measured_side_by_side(found):
    assert found.latency.ratio.value == pytest.approx(
        found.latency.other_ms.value / found.latency.this_ms.value
    )


def test_a_real_encoder_of_random_weights_is_measured(data, tmp_path):
    torch.manual_seed(0)
    config = CompactConfig(
        n_attributes=3,
        n_classes=len(CLASSES),
        stem_width=4,
        widths=(4, 4, 4, 8),
        units=(0, 0, 0, 0),
        outputs=(4, 4, 4, 8),
        feature_width=WIDTH,
    )
    found = evaluate_encoder(CompactEncoder(config).eval(), data, tmp_path, Silent(), limit=2, threads=1)
    assert {measure.n for measure in found.measures} <= {1, 2}
    assert len(list(tmp_path.glob("teacher-pooled-*.npy"))) == 1


def test_held_out_is_what_training_holds_out(data, tmp_path):
    photographs = load_photographs(read_mvsa(data) + read_coco(data), tmp_path, Silent())
    expected = [item.held_out for item in photographs.items]
    np.testing.assert_array_equal(photographs.held_out, expected)
    assert any(expected)


def test_an_encoder_of_another_teacher_is_refused(data, tmp_path):
    encoder = Copy(load_teacher(data)[0]).eval()
    encoder.classes = nn.Linear(WIDTH, 99)
    with pytest.raises(DataError, match=r"99.*teacher"):
        evaluate_encoder(encoder, data, tmp_path, Silent(), threads=1)


def test_a_split_that_is_missing_is_named(tmp_path):
    folder = build_tiny_data(tmp_path / "data", pictures=24)
    network, _ = load_teacher(folder)
    with pytest.raises(DataError, match="split 'train'"):
        evaluate_encoder(Copy(network).eval(), folder, tmp_path, Silent(), limit=1, threads=1)
