"""What `attendant drift simulate` measured, as tables for people, Markdown for pages, and a document for programs."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from attendant.analysis.drift import Delays, RuleShares, RunLength
from attendant.analysis.drift_simulation import (
    OTHER,
    RULE_DRAWS,
    SHARES,
    General,
    Plan,
    PlantedDelays,
    Simulated,
)
from attendant.analysis.fixed_rules import RULES, Rule
from attendant.cli.grids import Grid
from attendant.statistics.detector import FAST, MIX_REFERENCE, RUN_LENGTH
from attendant.statistics.drift import MIX

_NO_NUMBER = "-"


def simulation_tables(plan: Plan, general: General, simulated: Sequence[Simulated]) -> Iterator[Table]:
    yield from (grid.table() for grid in _grids(plan, general, simulated))


def simulation_markdown(plan: Plan, general: General, simulated: Sequence[Simulated], command: str) -> str:
    parts = (grid.markdown() for grid in _grids(plan, general, simulated))
    return f"<!-- {command} -->\n\n" + "\n".join(parts)


def simulation_document(
    plan: Plan, general: General, simulated: Sequence[Simulated], command: str
) -> dict[str, Any]:
    """A run length has `least`, its lower 95 % bound; `mean` is null where no alarm came."""
    return {
        "command": command,
        "plan": asdict(plan),
        "stated_run_length": RUN_LENGTH,
        "rules_on_beta": [asdict(one) for one in general.rules],
        "mix": {"run_length": _run_length(general.mix), "planted": _planted(general.fewer_images)},
        "models": [
            {
                "model": one.model,
                "version": one.version,
                "quiet": [
                    asdict(quiet) | {"run_length": _run_length(quiet.run_length)} for quiet in one.quiet
                ],
                "planted": [_planted(planted) for planted in one.planted],
            }
            for one in simulated
        ],
    }


def _grids(plan: Plan, general: General, simulated: Sequence[Simulated]) -> Iterator[Grid]:
    yield _quiet(general, simulated)
    yield _rules(plan, general, simulated)
    yield _delays(plan, general, simulated)


def _quiet(general: General, simulated: Sequence[Simulated]) -> Grid:
    rows = [
        (
            f"{one.model} {one.version}, {quiet.name}",
            f"{quiet.reference:,}",
            f"{quiet.replay:,}",
            str(quiet.streams),
            *_run_cells(quiet.run_length),
        )
        for one in simulated
        for quiet in one.quiet
    ]
    rows.append(
        ("mix of requests", f"{MIX_REFERENCE:,}", _NO_NUMBER, str(len(MIX)), *_run_cells(general.mix))
    )
    return Grid(
        "No drift: windows to a false alarm",
        f"Windows of {FAST}, drawn with replacement from replay rows, which are not in the reference. At least: lower "
        f"95 % confidence bound of the mean. Stated: {RUN_LENGTH:,.0f}.",
        ("explanations of", "reference", "replay", "streams", "windows", "alarms", "mean", "at least"),
        tuple(rows),
    )


def _rules(plan: Plan, general: General, simulated: Sequence[Simulated]) -> Grid:
    rows = [("Beta(5, 2), one stream", f"{min(plan.windows, RULE_DRAWS):,}", *_rule_cells(general.rules))]
    for one in simulated:
        for quiet in one.quiet:
            name = f"{one.model} {one.version}, {quiet.name}"
            rows.append((name, f"{quiet.rule_windows:,}", *_rule_cells(quiet.rules)))
    return Grid(
        "No drift: windows in which fixed rules raise an alarm",
        f"Windows of {FAST} of the table above, the first ones. In one stream, on average / in any stream. "
        "Beta(5, 2): against a reference of 2,409, drawn anew each time.",
        ("explanations of", "windows", *(RULES[rule] for rule in Rule)),
        tuple(rows),
    )


def _delays(plan: Plan, general: General, simulated: Sequence[Simulated]) -> Grid:
    planted = [("any model", general.fewer_images)]
    planted += [(f"{one.model} {one.version}", drift) for one in simulated for drift in one.planted]
    rows = [
        (
            f"{model}, {drift.modalities}",
            f"{drift.what} answers" if drift.name == OTHER else drift.name,
            str(drift.streams),
            *(_delay(one) for one in drift.delays),
            drift.delays[-1].named or _NO_NUMBER,
        )
        for model, drift in planted
    ]
    drifts = {drift.name: drift.what for _, drift in planted if drift.name != OTHER}
    return Grid(
        "Planted drift: windows until the alarm",
        f"Median (5 % to 95 %) of {plan.simulations} simulations of at most {plan.most} windows, by the share of "
        "traffic that drifts. Named: the stream with most evidence in most alarms, where all drifts. "
        + "; ".join(f"{name}: {what}" for name, what in drifts.items())
        + ".",
        ("explanations of", "drift", "streams", *(f"{share:.0%}" for share in SHARES), "named"),
        tuple(rows),
    )


def _run_length(one: RunLength) -> dict[str, Any]:
    return asdict(one) | {"mean": one.mean, "least": one.least}


def _run_cells(one: RunLength) -> tuple[str, ...]:
    mean = _NO_NUMBER if one.mean is None else f"{one.mean:,.0f}"
    return f"{one.windows:,}", f"{one.alarms:,}", mean, f"{one.least:,.0f}"


def _rule_cells(rules: Sequence[RuleShares]) -> tuple[str, ...]:
    if not rules:
        return (_NO_NUMBER,) * len(Rule)
    shares = {one.rule: one for one in rules}
    return tuple(f"{shares[rule].of_streams:.0%} / {shares[rule].of_windows:.0%}" for rule in Rule)


def _planted(one: PlantedDelays) -> dict[str, Any]:
    delays = [asdict(each) | {"median": each.quantile(0.5)} for each in one.delays]
    return asdict(one) | {"delays": delays}


def _delay(one: Delays) -> str:
    """7 (3 to 12); "> 200" for more than were looked at."""
    low, middle, high = (_windows(one.quantile(q), one.most) for q in (0.05, 0.5, 0.95))
    return middle if low == high else f"{middle} ({low} to {high})"


def _windows(count: int | None, most: int) -> str:
    return f"> {most}" if count is None else str(count)
