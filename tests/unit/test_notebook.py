"""What notebooks show: HTML that needs nothing from elsewhere and lets nothing in."""

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser

from canned_service import MODEL, TIMING, explain_result, focus_outcome, outcome, photograph, tiles
from hypothesis import given
from hypothesis import strategies as st

from attendant.client import Answer, Explanation
from attendant.notebook import answer_html, explanation_html
from attendant.results import PredictResult
from attendant.types import Prediction, Tweet, Warning_, WarningCode

ATTACK = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>&"


class _Outline(HTMLParser):
    """The elements and attributes of a document, and whether every element is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes += attrs
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def _outline(html: str) -> _Outline:
    outline = _Outline()
    outline.feed(html)
    outline.close()
    assert outline.open == []
    return outline


def _result(text: str) -> PredictResult:
    prediction = Prediction(text, 0.75, ((text, 0.25), ("sarcastic", 0.75)))
    warning = Warning_(WarningCode.MODALITY_ABSENT, text)
    return PredictResult(prediction, replace(MODEL, name=text, weights_digest=text), TIMING, (warning,), text)


@given(st.one_of(st.text(), st.just(ATTACK)))
def test_nothing_from_outside_becomes_markup(text: str) -> None:
    outline = _outline(answer_html(_result(text)))
    assert outline.elements == {"div", "table", "tr", "td", "span"}
    assert {name for name, _ in outline.attributes} == {"style", "title"}


def test_an_answer_says_what_it_is() -> None:
    html = Answer.of(_result("not sarcastic"))._repr_html_()
    assert "75.0%" in html
    assert "not sarcastic" in _outline(html).text
    assert "23 ms" in html


def test_an_explanation_embeds_its_picture_and_needs_nothing_else() -> None:
    result = explain_result(outcome(label=ATTACK, tokens=(ATTACK,), warning=ATTACK))
    html = Explanation.of(result, Tweet(ATTACK, photograph()))._repr_html_()
    outline = _outline(html)
    assert outline.elements == {"div", "img", "span"}
    sources = [value for name, value in outline.attributes if name == "src"]
    assert len(sources) == 1
    kind, _, data = str(sources[0]).partition(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(data, validate=True).startswith(b"\x89PNG")
    assert not re.search(r"https?:|url\(|@import", html)


def test_an_explanation_of_a_mosaic_shows_itself_too() -> None:
    html = Explanation.of(explain_result(focus_outcome(foreground=4)), tiles(4))._repr_html_()
    outline = _outline(html)
    assert outline.elements == {"div", "img", "span"}
    assert ("alt", "automobile (88%)") in outline.attributes


def test_the_picture_given_is_the_picture_shown() -> None:
    assert base64.b64encode(b"a picture").decode() in explanation_html(
        explain_result(outcome()), b"a picture"
    )
