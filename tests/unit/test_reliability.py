import io

import numpy as np
import pytest
from PIL import Image

from attendant.analysis.classification import reliability
from attendant.pictures.reliability import draw_reliability, render_reliability


@pytest.fixture
def bins():
    generator = np.random.default_rng(0)
    probabilities = generator.uniform(0.1, 0.7, 300)  # some bins stay empty
    return reliability((generator.random(300) < probabilities).astype(np.int64), probabilities)


def test_counts_stand_over_their_bins(bins):
    upper, lower = draw_reliability(bins, "sarcasm 1 on rows_$1$.jsonl", "300 rows").axes
    assert [text.get_text() for text in lower.texts] == [str(count) for count in bins.counts]
    assert [bar.get_height() for bar in lower.patches] == bins.counts.tolist()
    assert upper.get_title(loc="left").startswith("sarcasm 1 on rows_$1$.jsonl")
    points = upper.lines[1].get_xydata()
    np.testing.assert_allclose(points[:, 0], bins.forecast[bins.counts > 0])


@pytest.mark.parametrize(("kind", "begin"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_a_file_of_each_kind(bins, kind, begin):
    picture = render_reliability(bins, "title", "note", format=kind)
    assert picture.startswith(begin)
    if kind == "png":
        assert Image.open(io.BytesIO(picture)).size == (900, 960)
