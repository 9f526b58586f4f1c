"""The foot of a picture: what one should know about it, and who said it."""

from dataclasses import dataclass
from textwrap import wrap

from attendant.pictures.style import FAINT, MARGIN, MUTED, WIDTH, Page
from attendant.results import ExplainResult

_LINE = 0.19
_COLUMNS = 150  # characters a line
_CAUTION = (
    "Attention shows what the model weighed on its way to the answer; by itself it does not prove the reason."
)


@dataclass(frozen=True)
class Notes:
    """Warnings, and the model's name, version and digest."""

    result: ExplainResult

    @property
    def height(self) -> float:
        return 0.1 + _LINE * len(self._lines)

    @property
    def _lines(self) -> list[str]:
        model = self.result.model
        return [
            _CAUTION,
            *(line for warning in self.result.warnings for line in wrap(warning.message, _COLUMNS)),
            f"model {model.name} {model.version} ({model.weights_digest[:12]})",
        ]

    def draw(self, page: Page, top: float) -> None:
        page.box(MARGIN, top - 0.06, WIDTH - 2 * MARGIN, 0.01, FAINT)
        for number, line in enumerate(self._lines):
            page.write(
                MARGIN, top + 0.1 + number * _LINE, line, size=8, colour=MUTED, room=WIDTH - 2 * MARGIN
            )
