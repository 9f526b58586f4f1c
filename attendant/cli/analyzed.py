"""What `attendant analyze` measured, as tables for people and documents for programs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from rich.table import Table

from attendant.analysis import agreement as agreements
from attendant.analysis import boxes
from attendant.analysis.agreement import Agreement
from attendant.analysis.boxes import Alignments
from attendant.analysis.faithfulness import Faithfulness, Ranking
from attendant.methods import SHARES, Method
from attendant.pictures.views import NAMES
from attendant.statistics.intervals import Estimate
from attendant.types import Modality

_METHODS = {Method.GRADIENT: "gradient", Method.LEAVE_ONE_OUT: "leave-one-out"}
_PARTS = {"held_out": "held out", "all": "all"}


def faithfulness_tables(measured: Sequence[Faithfulness]) -> Iterator[Table]:
    """Two for each target: what deletions do, and how rankings agree."""
    for one in measured:
        yield _deletions(one)
        yield _matrix(one)


def faithfulness_document(measured: Sequence[Faithfulness]) -> dict[str, Any]:
    """By target; an estimate is an object of value, low and high."""
    targets = {}
    for one in measured:
        rankings = {
            str(curves.ranking): {
                "comprehensiveness": asdict(curves.comprehensiveness),
                "sufficiency": asdict(curves.sufficiency),
            }
            for curves in one.curves
        }
        targets[str(one.target)] = {
            "n": one.n,
            "skipped": one.skipped,
            "rankings": rankings,
            "agreement": [asdict(pair) for pair in one.pairs],
        }
    return {"shares": list(SHARES), "targets": targets}


def agreement_tables(measured: Sequence[Agreement]) -> Iterator[Table]:
    """For each target rank agreement and, where adversaries were looked for, how different attention could be."""
    for one in measured:
        yield _taus(one)
        if one.divergences:
            yield _divergences(one)


def agreement_document(measured: Sequence[Agreement]) -> dict[str, Any]:
    """By target; an estimate is an object of value, low and high; `published` is about words."""
    targets = {}
    for one in measured:
        document = asdict(one)
        targets[str(document.pop("target"))] = document
    return {"targets": targets, "published": [asdict(one) for one in agreements.PUBLISHED]}


def boxes_table(parts: Mapping[str, Alignments]) -> Table:
    """A row a set of photographs, and the published means."""
    table = _table(
        "cosine of image attention with the boxes",
        "all: mostly trained on; published: of another encoder; 95 % intervals in brackets; differences are taken "
        "photograph by photograph",
        ("full", "even", "full - even", "top 20", "random 20", "top 20 - random 20"),
    )
    for name, part in parts.items():
        columns = (part.full, part.even, part.over_even, part.top20, part.random20, part.over_random)
        table.add_row(f"{_PARTS[name]}\nn = {part.n:,}", *map(_figure, columns))
    published = boxes.PUBLISHED
    full, top20, random20 = (
        f"{value:.3f}" for value in (published.full, published.top20, published.random20)
    )
    table.add_row("published", full, "", "", top20, random20, "")
    return table


def boxes_document(parts: Mapping[str, Alignments]) -> dict[str, Any]:
    """By set of photographs; an estimate is an object of value, low and high."""
    return {
        "photographs": {name: asdict(part) for name, part in parts.items()},
        "published": asdict(boxes.PUBLISHED),
    }


def _deletions(one: Faithfulness) -> Table:
    table = _table(
        f"{NAMES[one.target]} of {one.n:,} tweets: how far the probability falls",
        "first deleted is comprehensiveness (high is faithful), kept alone is sufficiency (low is faithful): means "
        f"over {_percents()} of the elements; 95 % intervals in brackets{_skipped(one.skipped)}",
        ("first deleted", "less random's", "kept alone", "less random's"),
    )
    for curves in one.curves:
        cells = []
        for falls in (curves.comprehensiveness, curves.sufficiency):
            gain = "" if curves.ranking is Ranking.RANDOM else _figure(falls.over_random)
            cells += [_figure(falls.area), gain]
        table.add_row(_words(curves.ranking), *cells)
    return table


def _matrix(one: Faithfulness) -> Table:
    names = [_words(ranking) for ranking in Ranking]
    table = _table(f"{NAMES[one.target]}: how rankings agree, mean Kendall's tau-b", "", names)
    for name, row in zip(names, one.agreement, strict=True):
        table.add_row(name, *(f"{tau:z.2f}" if np.isfinite(tau) else "-" for tau in row))
    return table


def _taus(one: Agreement) -> Table:
    published = "; Jain and Wallace, gradient / leave-one-out: " + ", ".join(
        f"{each.data} {each.gradient:.2f} / {each.leave_one_out:.2f}" for each in agreements.PUBLISHED
    )
    table = _table(
        f"{NAMES[one.target]} of {one.n:,} tweets: does attention rank as other measures do?",
        f"mean Kendall's tau-b with attention; 95 % intervals in brackets{_skipped(one.skipped)}"
        f"{published if one.target is Modality.TEXT else ''}",
        ("predicted", "n", "tau", f"p < {agreements.SIGNIFICANT}"),
    )
    for taus in sorted(one.taus, key=lambda taus: taus.method):  # stable: the groups stay in order
        table.add_row(
            _METHODS[taus.method],
            taus.group,
            f"{taus.n:,}",
            _figure(taus.tau),
            _figure(taus.significant, 2),
        )
    return table


def _divergences(one: Agreement) -> Table:
    table = _table(
        f"{NAMES[one.target]}: how different attention with the same answer could be (epsilon-max JSD)",
        f"nats, at most {np.log(2):.3f}; Jain and Wallace publish histograms, no figures",
        ("n", "mean", "quartiles", "no adversary"),
    )
    for found in one.divergences:
        quartiles = "-" if found.quartiles is None else ", ".join(f"{value:.3f}" for value in found.quartiles)
        table.add_row(
            f"answer within {found.epsilon}",
            f"{found.n:,}",
            _figure(found.mean),
            quartiles,
            _figure(found.infeasible, 2),
        )
    return table


def _table(title: str, caption: str, columns: Sequence[str]) -> Table:
    """The first column, of names, has no heading."""
    table = Table(title=title, caption=caption or None, title_justify="left", caption_justify="left")
    table.add_column("", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _words(ranking: Ranking) -> str:
    return ranking.replace("_", "-")


def _percents() -> str:
    return ", ".join(f"{share:.0%}" for share in SHARES)


def _skipped(count: int) -> str:
    return f"; {count:,} more have one element" if count else ""


def _figure(one: Estimate | None, digits: int = 3) -> str:
    """0.512 over (0.480, 0.544)."""
    if one is None:
        return "-"
    return f"{one.value:.{digits}f}\n({one.low:.{digits}f}, {one.high:.{digits}f})"
