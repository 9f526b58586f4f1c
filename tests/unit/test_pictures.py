"""Pictures: files of the right kind and size for whatever comes, and what is where in them."""

import io
import warnings

import matplotlib as mpl
import numpy as np
import pytest
from canned_service import ATTRIBUTES, TOKENS, explain_result, explained, outcome, photograph
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from PIL import Image

from attendant.methods import ClassActivation, ElementScores, Explanations, Method, Permutation
from attendant.pictures.explanation import draw, render
from attendant.pictures.impacts import Impacts
from attendant.pictures.style import WIDTH, Page, fitted, font, ink_on, printable, text_width
from attendant.pictures.views import View, compared, modality_weights, score, views
from attendant.types import AttentionKind, Modality, Prediction

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
    figure = draw(explain_result(answer), photograph())
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
    figure = draw(explain_result(answer, explained(answer, methods)), photograph())
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
    figure = draw(explain_result(answer, explained(answer)), photograph())
    extents = [text.get_window_extent().padded(-0.5) for text in figure.texts]
    for number, extent in enumerate(extents):
        for other in range(number):
            assert not extent.overlaps(extents[other]), (_texts(figure)[number], _texts(figure)[other])


def test_the_png_is_as_large_as_the_page() -> None:
    result = explain_result(outcome())
    figure = draw(result, photograph())
    width, height = _png(render(result, photograph(), dpi=50)).size
    assert (width, height) == tuple(int(inches * 50) for inches in figure.get_size_inches())
    assert figure.get_size_inches()[0] == WIDTH


def test_the_frame_is_on_the_strongest_cell() -> None:
    result = explain_result(outcome())
    mean = result.attention.find(AttentionKind.REPRESENTATION_MEAN, Modality.IMAGE)
    assert mean is not None
    axes = draw(result, photograph()).axes[0]
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
    figure = draw(explain_result(outcome()), file.getvalue())
    assert figure.get_size_inches()[1] < 20


@pytest.mark.parametrize("image", [b"", b"junk", photograph()[:1000]], ids=["none", "junk", "truncated"])
def test_without_a_photograph_the_weights_stand_on_grey(image: bytes) -> None:
    assert _png(render(explain_result(outcome()), image, dpi=30)).format == "PNG"


@pytest.mark.parametrize(("format_", "start"), [("svg", b"<?xml"), ("pdf", b"%PDF-")])
def test_vector_formats(format_: str, start: bytes) -> None:
    assert render(explain_result(outcome()), photograph(), format=format_).startswith(start)


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match="png, svg, pdf, not 'gif'"):
        render(explain_result(outcome()), format="gif")


def test_drawing_leaves_matplotlib_as_it_was() -> None:
    before, filters = dict(mpl.rcParams), list(warnings.filters)
    render(explain_result(outcome()), photograph(), dpi=30)
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
