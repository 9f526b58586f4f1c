import numpy as np
import pytest
from toy_explainable import ToyExplainable

from attendant.analysis.agreement import examine
from attendant.analysis.boxes import Alignment
from attendant.analysis.faithfulness import Deletions, Ranking, summarise
from attendant.methods import SHARES, AdversarialOptions
from attendant.pictures.agreement import draw_agreement
from attendant.pictures.alignments import draw_alignments
from attendant.pictures.charts import render
from attendant.pictures.faithfulness import draw_faithfulness
from attendant.types import Modality

TEXT = Modality.TEXT


@pytest.fixture
def measured():
    generator = np.random.default_rng(0)
    falls = generator.normal(size=(2, 4, len(Ranking), len(SHARES)))
    taus = generator.uniform(-1, 1, (4, len(Ranking), len(Ranking)))
    taus[:, 0, 4] = np.nan
    return summarise(TEXT, [Deletions(*each) for each in zip(*falls, taus, strict=True)], 0)


def test_curves_and_numbers_are_those_measured(measured):
    falls, holds, matrix = draw_faithfulness([measured], "rows_$1$.jsonl").axes
    for axes, name in ((falls, "comprehensiveness"), (holds, "sufficiency")):
        for line, curves in zip(axes.lines, measured.curves, strict=False):
            expected = [one.value for one in getattr(curves, name).shares]
            np.testing.assert_allclose(line.get_ydata(), expected)
    numbers = [text.get_text() for text in matrix.texts]
    assert numbers[0] == "1.00"
    assert numbers[4] == "-"
    assert numbers[1] == f"{measured.pairs[0].tau.value:.2f}"


@pytest.mark.parametrize(("options", "panels"), [(AdversarialOptions(steps=2), 3), (None, 1)])
def test_agreement_has_what_was_examined(options, panels):
    found = {TEXT: [examine(ToyExplainable(seed=seed), options)[TEXT] for seed in range(3)]}
    axes = draw_agreement(found, "title").axes
    assert len(axes) == panels
    taus = [one.gradient.kendall_tau for one in found[TEXT]]
    heights, _ = np.histogram(taus, 30, (-1, 1))
    assert axes[0].patches[0].get_path().vertices[:, 1].max() == heights.max()


def test_alignments_show_their_means():
    figure = draw_alignments([Alignment(False, 0.5, 0.4, 0.2, 0.6), Alignment(True, 0.7, 0.2, 0.2, 0.4)], "t")
    legends = [[text.get_text() for text in axes.get_legend().get_texts()] for axes in figure.axes]
    assert legends[0] == ["mean 0.600", "published mean 0.539", "even attention, mean 0.500"]
    assert legends[1][0] == "mean 0.300"


@pytest.mark.parametrize(("kind", "begin"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_a_file_of_each_kind(measured, kind, begin):
    assert render(draw_faithfulness([measured], "title"), format=kind).startswith(begin)
