"""How results show themselves in notebooks: HTML that holds all it needs, with everything from outside escaped."""

import base64
from collections.abc import Iterable
from html import escape

from attendant.results import ExplainResult, PredictResult
from attendant.types import ModelRef, Prediction, Timing, Warning_

_FRAME = (
    '<div style="font-family:system-ui,sans-serif;max-width:1100px;line-height:1.45;'
    'color:#1f2933;background:#fff;padding:12px 16px;border:1px solid #d9dee4;border-radius:8px">{}</div>'
)
_SMALL = '<div style="color:#5b6670;font-size:85%;margin-top:6px">{}</div>'


def answer_html(result: PredictResult) -> str:
    """A prediction as a headline with a bar."""
    return _FRAME.format(
        _headline(result.prediction) + _warnings(result.warnings) + _footer(result.model, result.timing)
    )


def explanation_html(result: ExplainResult, png: bytes) -> str:
    """A prediction and its picture, embedded; the picture says the rest."""
    image = (
        f'<img style="max-width:100%;height:auto" alt="{escape(_sentence(result.prediction))}" '
        f'src="data:image/png;base64,{base64.b64encode(png).decode()}">'
    )
    return _FRAME.format(image + _warnings(result.warnings) + _footer(result.model, result.timing))


def _sentence(prediction: Prediction) -> str:
    return f"{prediction.label} ({prediction.probability:.0%})"


def _headline(prediction: Prediction) -> str:
    bars = "".join(
        '<tr><td style="text-align:left;padding:1px 12px 1px 0">'
        f"{escape(label)}</td>"
        '<td style="padding:1px"><div style="width:240px;background:#e8ecf0;border-radius:3px">'
        f'<div style="width:{100 * min(max(score, 0.0), 1.0):.1f}%;height:10px;background:#c2410c;border-radius:3px">'
        "</div></div></td>"
        f'<td style="padding:1px 0 1px 12px">{score:.1%}</td></tr>'
        for label, score in prediction.scores
    )
    return (
        f'<div style="font-size:140%;font-weight:600">{escape(prediction.label)}</div><table>{bars}</table>'
    )


def _warnings(warnings: Iterable[Warning_]) -> str:
    return "".join(_SMALL.format(f"&#9888; {escape(warning.message)}") for warning in warnings)


def _footer(model: ModelRef, timing: Timing) -> str:
    return _SMALL.format(
        f"model {escape(model.name)} {escape(model.version)} "
        f'<span title="{escape(model.weights_digest)}">({escape(model.weights_digest[:12])})</span>'
        f", {1000 * timing.total:.0f} ms"
    )
