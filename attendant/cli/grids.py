"""Tables that are printed for people and pasted into pages."""

from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.table import Table


@dataclass(frozen=True)
class Grid:
    """A table before it is drawn: the first column is of names; `note` is what stands below."""

    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def table(self) -> Table:
        table = Table(
            title=self.title,
            caption=self.note,
            title_justify="left",
            caption_justify="left",
            box=SIMPLE_HEAD,
            padding=(0, 1, 0, 0),
            pad_edge=False,
        )
        for number, column in enumerate(self.columns):
            table.add_column(column, justify="right" if number else "left", no_wrap=not number)
        for row in self.rows:
            table.add_row(*row)
        return table

    def markdown(self) -> str:
        ruler = ("---", *("---:" for _ in self.columns[1:]))
        lines = ("| " + " | ".join(row) + " |" for row in (self.columns, ruler, *self.rows))
        return f"### {self.title}\n\n" + "\n".join(lines) + f"\n\n{self.note}\n"
