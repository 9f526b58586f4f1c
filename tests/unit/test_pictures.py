"""Pictures: files of the right kind and size for whatever comes, and what is where in them."""

import io
import warnings
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
from canned_service import (
    ATTRIBUTES,
    FOCUS_WEIGHTS,
    IMAGES,
    TOKENS,
    explain_result,
    explained,
    focus_outcome,
    outcome,
    photograph,
    points,
    tile,
    tiles,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from PIL import Image

from attendant.methods import ClassActivation, ElementScores, Explanations, Method, Permutation
from attendant.pictures.explanation import draw, render
from attendant.pictures.impacts import Impacts
from attendant.pictures.plane import Plane
from attendant.pictures.segments import Segments, panel_of
from attendant.pictures.style import INK, RIGHT, WIDTH, Page, fitted, font, ink_on, printable, text_width
from attendant.pictures.tiles import Tiles
from attendant.pictures.verdicts import look, risk, spread, truth
from attendant.pictures.views import View, compared, modality_weights, score, views
from attendant.types import AttentionKind, Focus, Modality, Mosaic, Prediction, Tweet

PHOTOGRAPH = Tweet(image=photograph())
LONG = tuple(f"word{number}" for number in range(75))


def _texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


def _assert_within_the_page(figure: Figure) -> None:
    for text in figure.texts:
        extent = text.get_window_extent()
        assert min(extent.x0, extent.y0) >= 0, text.get_text()
        assert extent.x1 <= figure.bbox.x1, text.get_text()
        assert extent.y1 <= figure.bbox.y1, text.get_text()


def _png(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize(
    ("tokens", "image", "attributes", "sections"),
    [
        (TOKENS, True, ATTRIBUTES, {"Words", "Image", "Attributes"}),
        (LONG, True, ATTRIBUTES, {"Words", "Image", "Attributes"}),
        (TOKENS, False, (), {"Words"}),
        (("one",), False, (), {"Words"}),
        ((), True, ATTRIBUTES[:1], {"Image", "Attributes"}),
        ((), False, ATTRIBUTES, {"Attributes"}),
    ],
)
def test_a_picture_has_what_the_answer_has_and_nothing_outside_its_edges(
    tokens: tuple[str, ...], image: bool, attributes: tuple[str, ...], sections: set[str]
) -> None:
    answer = outcome(tokens=tokens, image=image, attributes=attributes)
    figure = draw(explain_result(answer), PHOTOGRAPH)
    assert {text for text in _texts(figure) if text in {"Words", "Image", "Attributes"}} == sections
    assert len(figure.axes) == (0 if not image else 4 if tokens and attributes else 3)
    _assert_within_the_page(figure)


METHODS = {
    (Method.PERMUTATION,): {"Shuffled attention"},
    (Method.GRADIENT,): {"Beyond attention", "Words by method", "Image by method", "Attributes by method"},
    (Method.CLASS_ACTIVATION,): {
        "Beyond attention",
        "Words by method",
        "Image by method",
        "Attributes by method",
    },
    (Method.ERASURE,): {"Erasure"},
    (Method.CROSS_MODAL, Method.BOX_ALIGNMENT): set(),
    tuple(Method): {
        "Shuffled attention",
        "Beyond attention",
        "Words by method",
        "Image by method",
        "Attributes by method",
        "Erasure",
    },
}


@pytest.mark.parametrize("methods", METHODS)
@pytest.mark.parametrize(
    ("tokens", "image", "attributes"),
    [(TOKENS, True, ATTRIBUTES), (("one",), False, ()), ((), True, ATTRIBUTES[:1])],
)
def test_a_picture_has_a_section_for_what_was_computed(
    methods: tuple[Method, ...], tokens: tuple[str, ...], image: bool, attributes: tuple[str, ...]
) -> None:
    answer = outcome(tokens=tokens, image=image, attributes=attributes)
    figure = draw(explain_result(answer, explained(answer, methods)), PHOTOGRAPH)
    absent = {"Words by method"} if not tokens else set()
    absent |= set() if image else {"Image by method"}
    absent |= set() if attributes else {"Attributes by method"}
    every = set().union(*METHODS.values())
    assert {text for text in _texts(figure) if text in every} == METHODS[methods] - absent
    _assert_within_the_page(figure)
    figure.canvas.draw()


def test_methods_are_drawn_beside_attention_as_shares() -> None:
    answer = outcome()
    computed = explained(answer)
    shown = compared(computed, explain_result(answer).attention, Modality.TEXT)
    assert [view.name for view in shown] == [
        "attention",
        "gradients",
        "one left out",
        "class activation",
        "other attention",
    ]
    assert [view.main for view in shown] == [True, False, False, False, False]
    np.testing.assert_allclose([view.weights.sum() for view in shown], 1, rtol=1e-5)
    assert shown[1].weights.argmax() == computed.gradient.importances[0].scores.argmax()
    without = compared(computed, explain_result(answer).attention, Modality.ATTRIBUTE)
    assert "other attention" not in [view.name for view in without]  # none gave the same answer
    assert compared(Explanations(), explain_result(answer).attention, Modality.TEXT) == ()


def test_nothing_found_is_drawn_as_nothing() -> None:
    nothing = ClassActivation("sarcastic", (ElementScores(Modality.IMAGE, np.zeros(196, np.float32)),))
    figure = draw(explain_result(outcome(), Explanations(class_activation=nothing)))
    frames = [[patch for patch in axes.patches if isinstance(patch, Rectangle)] for axes in figure.axes]
    assert [len(found) for found in frames] == [1, 1, 1, 1, 1, 0]
    assert "strongest cell 0.0% (evenly spread: 0.5%)" in _texts(figure)


def test_an_interval_is_drawn_around_its_impact_and_only_where_shuffles_were_drawn() -> None:
    sampled, exhaustive = explained(outcome(image=False, attributes=())).permutation.impacts
    section, figure = Impacts(Permutation((sampled, exhaustive), 0)), Figure()
    section.draw(Page(figure, section.height), 0.0)
    whole, bar, line, low, high, *rest = figure.artists
    assert len(rest) == 2  # a bar and its background
    scale = bar.get_width() / sampled.impact
    assert whole.get_width() == pytest.approx(max(sampled.interval[1], exhaustive.impact) * scale)
    assert line.get_width() == pytest.approx((sampled.interval[1] - sampled.interval[0]) * scale)
    for end, bound in zip((low, high), sampled.interval, strict=True):
        middle = end.get_x() + end.get_width() / 2
        assert middle - bar.get_x() == pytest.approx(bound * scale)


def test_no_two_texts_overlap() -> None:
    answer = outcome(tokens=LONG, attributes=("m" * 64, *ATTRIBUTES[1:]), label="m" * 60)
    figure = draw(explain_result(answer, explained(answer)), PHOTOGRAPH)
    extents = [text.get_window_extent().padded(-0.5) for text in figure.texts]
    for number, extent in enumerate(extents):
        for other in range(number):
            assert not extent.overlaps(extents[other]), (_texts(figure)[number], _texts(figure)[other])


def test_the_png_is_as_large_as_the_page() -> None:
    result = explain_result(outcome())
    figure = draw(result, PHOTOGRAPH)
    width, height = _png(render(result, PHOTOGRAPH, dpi=50)).size
    assert (width, height) == tuple(int(inches * 50) for inches in figure.get_size_inches())
    assert figure.get_size_inches()[0] == WIDTH


def test_the_frame_is_on_the_strongest_cell() -> None:
    result = explain_result(outcome())
    mean = result.attention.find(AttentionKind.REPRESENTATION_MEAN, Modality.IMAGE)
    assert mean is not None
    axes = draw(result, PHOTOGRAPH).axes[0]
    (frame,) = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    row, column = np.unravel_index(mean.weights.argmax(), (14, 14))
    assert (frame.get_x(), frame.get_y()) == (column, row)


def test_cells_lie_row_by_row_over_the_photograph() -> None:
    """All weight on the upper right cell reddens that corner and no other."""
    result = explain_result(outcome(tokens=(), attributes=()))
    for vector in result.attention.vectors:
        if vector.target is Modality.IMAGE:
            vector.weights[:] = 0
            vector.weights[13] = 1
    figure = draw(result)
    box = figure.axes[0].get_position()
    picture = np.asarray(_png(render(result, dpi=100)).convert("RGB")).astype(int)
    height, width, _ = picture.shape

    def redness(column: float, row: float) -> int:
        x = box.x0 + box.width * (column + 0.5) / 14
        y = box.y1 - box.height * (row + 0.5) / 14
        red, _, blue = picture[int((1 - y) * height), int(x * width)]
        return int(red - blue)

    assert redness(13, 0) > 80
    assert max(redness(0, 0), redness(0, 13), redness(13, 13), redness(12, 0)) < 20


@pytest.mark.parametrize("size", [(1, 1), (3000, 20), (20, 3000)])
def test_photographs_of_odd_proportions(size: tuple[int, int]) -> None:
    file = io.BytesIO()
    Image.new("RGB", size, "teal").save(file, "PNG")
    figure = draw(explain_result(outcome()), Tweet(image=file.getvalue()))
    assert figure.get_size_inches()[1] < 20


@pytest.mark.parametrize("image", [b"", b"junk", photograph()[:1000]], ids=["none", "junk", "truncated"])
def test_without_a_photograph_the_weights_stand_on_grey(image: bytes) -> None:
    assert _png(render(explain_result(outcome()), Tweet(image=image), dpi=30)).format == "PNG"


@pytest.mark.parametrize(("format_", "start"), [("svg", b"<?xml"), ("pdf", b"%PDF-")])
def test_vector_formats(format_: str, start: bytes) -> None:
    assert render(explain_result(outcome()), PHOTOGRAPH, format=format_).startswith(start)


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match="png, svg, pdf, not 'gif'"):
        render(explain_result(outcome()), format="gif")


def test_drawing_leaves_matplotlib_as_it_was() -> None:
    before, filters = dict(mpl.rcParams), list(warnings.filters)
    render(explain_result(outcome()), PHOTOGRAPH, dpi=30)
    assert dict(mpl.rcParams) == before
    assert list(warnings.filters) == filters


@settings(max_examples=15, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=40), min_size=1, max_size=12), st.text(max_size=80))
def test_any_text_can_be_drawn(tokens: list[str], warning: str) -> None:
    """Warnings are errors here, so a glyph that is missing would fail."""
    answer = outcome(
        tokens=tuple(tokens), image=False, attributes=tuple(tokens[:5]), warning=warning, label=tokens[0]
    )
    figure = draw(explain_result(answer, explained(answer)))
    _assert_within_the_page(figure)
    figure.canvas.draw()


@pytest.mark.parametrize(
    "token", ["$x_1$", r"$\frac{1}{", "日本語", "שלום", "مرحبا", "e\u0301", "\x1b[31m", "\n", "😂"]
)
def test_signs_that_need_care(token: str) -> None:
    figure = draw(explain_result(outcome(tokens=(token,), image=False, attributes=())))
    assert printable(token) in _texts(figure)
    assert all(isinstance(text, Text) and not text.get_parse_math() for text in figure.texts)


def test_printable_keeps_what_can_be_drawn() -> None:
    assert printable("größe $1 ☺") == "größe $1 ☺"
    assert printable("a\tb\x00") == "a\N{WHITE SQUARE}b\N{WHITE SQUARE}"
    assert len(printable("x" * 5000)) == 200


@pytest.mark.parametrize("room", [0.05, 0.5, 2.0])
def test_what_is_too_wide_is_cut_at_the_last_letter_that_fits(room: float) -> None:
    properties, text = font(10), "immediately"
    shown = fitted(text, properties, room)
    assert (shown == text) == (text_width(text, properties) <= room)
    if shown != text:
        assert shown == "…" or text_width(shown, properties) <= room
        assert text_width(text[: len(shown)] + "…", properties) > room


def test_ink_can_be_read_on_light_and_dark() -> None:
    assert ink_on((1.0, 1.0, 1.0, 1.0)) != "white"
    assert ink_on((0.5, 0.0, 0.0, 1.0)) == "white"


# What is shown


def test_views_are_the_mean_and_then_each_source() -> None:
    attention = explain_result(outcome()).attention
    shown = views(attention, Modality.TEXT)
    assert [view.source for view in shown] == [None, Modality.TEXT, Modality.IMAGE, Modality.ATTRIBUTE]
    np.testing.assert_allclose(
        shown[0].weights, np.mean([view.weights for view in shown[1:]], axis=0), atol=1e-6
    )


def test_the_strongest_is_full_and_what_is_even_is_pale() -> None:
    peaked = View("", None, np.array([0.7, 0.1, 0.1, 0.1], np.float32))
    np.testing.assert_allclose(peaked.shades, [0.7 / 0.75, 0.1 / 0.75, 0.1 / 0.75, 0.1 / 0.75], rtol=1e-6)
    assert View("", None, np.array([0.9, 0.1, 0, 0], np.float32)).shades[0] == 1.0
    np.testing.assert_allclose(View("", None, np.full(196, 1 / 196, np.float32)).shades, 1 / 3, rtol=1e-6)
    assert View("", None, np.ones(1, np.float32)).shades.tolist() == [1.0]


def test_a_single_source_is_not_shown_twice() -> None:
    attention = explain_result(outcome(image=False, attributes=())).attention
    assert [view.name for view in views(attention, Modality.TEXT)] == ["attention"]
    assert views(attention, Modality.IMAGE) == ()
    assert modality_weights(attention) == {Modality.TEXT: pytest.approx(1)}


def test_the_headline_says_the_probability_of_the_label() -> None:
    prediction = Prediction("not sarcastic", 0.2, (("not sarcastic", 0.8), ("sarcastic", 0.2)))
    assert score(prediction) == 0.8
    figure = draw(explain_result(outcome(label="not sarcastic", probability=0.2)))
    assert "not sarcastic, 80%" in _texts(figure)


# Mosaics


def _outlines(figure: Figure, colour: str) -> list[Rectangle]:
    """Those of at least a tenth of an inch by as much that are no key."""
    found = [one for one in figure.artists if isinstance(one, Rectangle) and not one.get_fill()]
    return [one for one in found if one.get_edgecolor()[:3] == to_rgb(colour) and one.get_width() > 0.03]


MOSAICS = {
    "images": tiles(),
    "of two kinds of files": Mosaic((*tiles(count=4).segments, *(tile(n, kind="JPEG") for n in range(5)))),
    "points": points(),
    "points in one place": Mosaic(((1.0, 2.0),) * 9),
    "points far away": Mosaic((*((3e38, -3e38),) * 4, *((-3e38, 3e38),) * 5)),
    "vectors": points(width=5),
    "numbers": points(width=1),
    "of another length": tiles(count=4),
}


@pytest.mark.parametrize(
    ("name", "foreground", "methods"),
    [
        *((name, 6, ()) for name in MOSAICS),
        *(("images", foreground, IMAGES.methods) for foreground in (None, 4)),
        *(("points", foreground, IMAGES.methods) for foreground in (None, 4)),
    ],
)
def test_a_mosaics_picture_says_where_the_model_looked_and_whether_rightly(
    name: str, foreground: int | None, methods: tuple[str, ...]
) -> None:
    answer = focus_outcome(foreground=foreground)
    mosaic = Mosaic(MOSAICS[name].segments, foreground)
    figure = draw(explain_result(answer, explained(answer, methods)), mosaic)
    texts = _texts(figure)
    said = {
        None: "whether that is the foreground was not told",
        4: "right: that is the foreground",
        6: "wrong: the foreground is segment 6",
    }
    assert {"automobile, 88%", "segment 4, which got 62% of the weight", said[foreground]} <= set(texts)
    assert "risk: almost certainly right (wrong in 4.2% of such answers)" in texts
    assert [text for text in texts if text.startswith("segment ")][1:10] == [
        f"segment {index}" for index in (4, 6, 8, 2, 0, 1, 3, 5, 7)
    ]
    every = {"Beyond attention", "Segments by method", "Shuffled attention", "Erasure"}
    assert every & set(texts) == (every if methods else set())
    if methods:
        assert "median TVD of the classes' probabilities 0.105" in texts
    _assert_within_the_page(figure)
    figure.canvas.draw()


@pytest.mark.parametrize("mosaic", [tiles(8, 64), points(8), points(8, width=3)], ids=["64", "plane", "bars"])
def test_no_two_texts_of_a_mosaic_overlap_and_none_is_cut(mosaic: Mosaic) -> None:
    count = len(mosaic.segments)
    weights = np.random.default_rng(0).dirichlet(np.full(count, 0.3))
    answer = focus_outcome(weights, foreground=8, risk=1.0)
    figure = draw(explain_result(answer, explained(answer, IMAGES.methods)), mosaic)
    extents = [text.get_window_extent().padded(-0.5) for text in figure.texts]
    for number, extent in enumerate(extents):
        for other in range(number):
            assert not extent.overlaps(extents[other]), (_texts(figure)[number], _texts(figure)[other])
    assert [text for text in _texts(figure) if text.endswith("…")] == []


@pytest.mark.parametrize(("foreground", "told"), [(None, ()), (4, (4,)), (0, (0,)), (8, (8,))])
def test_the_outlines_are_around_the_focus_and_the_foreground(
    foreground: int | None, told: tuple[int, ...]
) -> None:
    figure = draw(explain_result(focus_outcome(foreground=foreground)), tiles(foreground))
    boxes = [axes.get_position() for axes in figure.axes]
    assert len(boxes) == 9

    def inside(outline: Rectangle) -> list[int]:
        extent = outline.get_bbox()
        middles = [((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2) for box in boxes]
        return [index for index, middle in enumerate(middles) if extent.contains(*middle)]

    assert [inside(outline) for outline in _outlines(figure, INK)] == [[4]]
    assert [inside(outline) for outline in _outlines(figure, RIGHT)] == [[index] for index in told]
    rows = [sorted(box.x0 for box in boxes[start : start + 3]) for start in (0, 3, 6)]
    assert rows[0] == rows[1] == rows[2] == [box.x0 for box in boxes[:3]]
    assert boxes[0].y0 > boxes[3].y0 > boxes[6].y0  # row by row, from above


def test_the_strongest_tile_is_clear_and_the_others_are_pale() -> None:
    figure = draw(explain_result(focus_outcome()), tiles())
    clear = [float(axes.images[0].get_alpha()) for axes in figure.axes]
    assert np.argsort(clear)[-3:].tolist() == [8, 6, 4]
    assert clear[4] == pytest.approx(1)
    assert clear[1] == clear[3] == min(clear) > 0.3


def test_points_are_where_they_are_and_the_cross_is_their_mean() -> None:
    mosaic = points(6)
    (axes,) = draw(explain_result(focus_outcome(foreground=6)), mosaic).axes
    weights = np.array(FOCUS_WEIGHTS, np.float32)
    drawn, focus, foreground = axes.collections
    np.testing.assert_allclose(
        sorted(map(tuple, np.asarray(drawn.get_offsets()))), sorted(mosaic.segments), rtol=1e-6
    )
    sizes = dict(zip(map(tuple, np.asarray(drawn.get_offsets()).round(3)), drawn.get_sizes(), strict=True))
    by_segment = [sizes[tuple(np.round(segment, 3))] for segment in mosaic.segments]
    np.testing.assert_array_equal(np.argsort(by_segment, kind="stable"), np.argsort(weights, kind="stable"))
    np.testing.assert_allclose(focus.get_offsets()[0], mosaic.segments[4], rtol=1e-6)
    np.testing.assert_allclose(foreground.get_offsets()[0], mosaic.segments[6], rtol=1e-6)
    (cross,) = axes.lines
    expected = sum(w * np.array(x) for w, x in zip(FOCUS_WEIGHTS, mosaic.segments, strict=True))
    np.testing.assert_allclose(np.ravel(cross.get_data()), expected, rtol=1e-5)


def test_a_segment_that_cannot_be_read_is_grey() -> None:
    mosaic = Mosaic((b"junk", tile(0)[:60], *tiles().segments[2:]))
    figure = draw(explain_result(focus_outcome()), mosaic)
    assert [axes.images[0].get_array().shape[:2] for axes in figure.axes] == [(1, 1), (1, 1), *[(32, 32)] * 7]
    assert _png(render(explain_result(focus_outcome()), mosaic, dpi=30)).format == "PNG"


def test_what_can_be_seen_of_a_mosaic() -> None:
    view = View("", None, np.full(9, 1 / 9, np.float32))
    assert isinstance(panel_of(tiles(), view), Tiles)
    assert isinstance(panel_of(points(), view), Plane)
    assert panel_of(points(width=3), view) is None
    assert panel_of(tiles(count=8), view) is None


def test_without_its_segments_a_mosaic_is_bars_alone() -> None:
    figure = draw(explain_result(focus_outcome()))
    assert figure.axes == []
    assert {"Segments", "segment 4, which got 62% of the weight", "segment 8"} <= set(_texts(figure))


def test_of_many_bars_the_strongest_are_drawn_and_the_foreground_among_them() -> None:
    weights = np.arange(64, 0, -1, dtype=np.float32)
    section, figure = Segments(View("", None, weights / weights.sum()), None, 60), Figure()
    section.draw(Page(figure, section.height), 0.0)
    named = [text for text in _texts(figure) if text.startswith("segment ")]
    assert named == [f"segment {index}" for index in (*range(11), 60)]
    assert "and 52 more" in _texts(figure)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.floats(0, 1, width=32), min_size=1, max_size=20).filter(lambda weights: sum(weights) > 1e-3),
    st.floats(0, 1),
    st.sampled_from([2, 3]),
    st.booleans(),
    st.data(),
)
def test_any_focus_can_be_drawn(
    raw: list[float], wrong: float, width: int, images: bool, data: st.DataObject
) -> None:
    weights = np.array(raw) / sum(raw)
    count = len(weights)
    foreground = data.draw(st.none() | st.integers(0, count - 1))
    mosaic = tiles(foreground, count) if images else points(foreground, count, width)
    figure = draw(explain_result(focus_outcome(weights, foreground, wrong)), mosaic)
    _assert_within_the_page(figure)
    figure.canvas.draw()


@pytest.mark.parametrize(
    ("probability", "words"),
    [
        (0.0, "almost certainly right (wrong in 0.0% of such answers)"),
        (0.049, "almost certainly right (wrong in 4.9% of such answers)"),
        (0.05, "probably right (wrong in 5.0% of such answers)"),
        (0.2, "quite possibly wrong (wrong in 20.0% of such answers)"),
        (0.5, "probably wrong (wrong in 50.0% of such answers)"),
        (1.0, "probably wrong (wrong in 100.0% of such answers)"),
    ],
)
def test_a_risk_in_words(probability: float, words: str) -> None:
    assert risk(Focus(0, probability, 1, 0.0, 0.0)) == f"{words}"


def test_a_focus_in_words() -> None:
    focus = Focus(3, 0.5, 2, 0.25, 0.5, None)
    assert look(focus, 0.755) == "segment 3, which got 76% of the weight"
    assert spread(focus, 9) == "NNZ 2 of 9, Dist 0.25, entropy 0.50 of at most 2.20 nats"
    assert truth(focus, 2) == ""
    assert truth(replace(focus, is_true=True), 3) == "right: that is the foreground"
    assert truth(replace(focus, is_true=False), 2) == "wrong: the foreground is segment 2"
    assert truth(replace(focus, is_true=False), None) == "wrong"
