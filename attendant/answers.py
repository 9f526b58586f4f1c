"""What the client hands out: results that can draw themselves and show themselves in notebooks."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from attendant.failures import ServiceError
from attendant.results import ExplainResult, PredictResult
from attendant.types import Instance

NOTEBOOK_DPI = 90


@dataclass(frozen=True)
class Answer(PredictResult):
    """The answer alone."""

    @classmethod
    def of(cls, result: PredictResult) -> "Answer":
        return cls(**_values(result))

    def _repr_html_(self) -> str:
        from attendant.notebook import answer_html  # noqa: PLC0415 - only notebooks need it

        return answer_html(self)


@dataclass(frozen=True)
class Explanation(ExplainResult):
    """The answer with its reasons, and what it is about."""

    instance: Instance = field(kw_only=True)

    @classmethod
    def of(cls, result: ExplainResult, instance: Instance) -> "Explanation":
        return cls(**_values(result), instance=instance)

    def picture(self, *, format: str = "png", dpi: int = 150) -> bytes:  # noqa: A002 - matplotlib's word for it
        """The explanation drawn: a PNG, SVG or PDF file."""
        from attendant.pictures.explanation import render  # noqa: PLC0415 - matplotlib is slow to import

        return render(self, self.instance, format=format, dpi=dpi)

    def save(self, path: Path | str) -> Path:
        """Draws into a file; its extension (.png, .svg, .pdf) says the format. ValueError on another one."""
        path = Path(path)
        path.write_bytes(self.picture(format=path.suffix.removeprefix(".").lower()))
        return path

    def _repr_html_(self) -> str:
        from attendant.notebook import explanation_html  # noqa: PLC0415 - only notebooks need it

        return explanation_html(self, self.picture(dpi=NOTEBOOK_DPI))


@dataclass(frozen=True)
class StreamItem:
    """One answer of `explain_many`: an explanation, or why there is none."""

    request_id: str
    instance: Instance
    outcome: Explanation | ServiceError

    def explanation(self) -> Explanation:
        """The explanation; raises the ServiceError where there is none."""
        if isinstance(self.outcome, ServiceError):
            raise self.outcome
        return self.outcome


def _values(result: PredictResult | ExplainResult) -> dict[str, Any]:
    return {field.name: getattr(result, field.name) for field in fields(result)}
