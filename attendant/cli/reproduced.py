"""What `attendant reproduce` found, as Markdown for people and documents for programs."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from attendant.analysis.dynamics import Course
from attendant.analysis.focus_table import (
    ACCURACY,
    COLUMNS,
    DIST,
    ENTROPY,
    FOCUS_TRUE,
    NNZ,
    STRICTLY_TRUE,
    Column,
    Row,
    reached,
)
from attendant.analysis.landscape import Landscape, reasons
from attendant.statistics.focus import FocusMeasures

if TYPE_CHECKING:
    from attendant.training.error_modes import Initialisation, TrainedMode

    ShownMode = tuple[TrainedMode, Landscape, Sequence[Initialisation]]

Document = dict[str, Any]

_PAPER = 'Pandey, Vashisht and Ramaswamy 2022, "On the Interpretability of Attention Networks"'
_SHARES = (
    "FT: the share of mosaics whose true foreground has the largest weight. FTPT, FFPT, FTPF, FFPF: focus (F) and "
    "prediction (P), true or false."
)


def error_modes_markdown(found: "Sequence[ShownMode]", command: str) -> str:
    parts = [
        "# Three error modes: right answers, wrong focus",
        (
            f"After {_PAPER}; made by `{command}`. A focus net f scores nine points, a softmax of the scores weighs "
            "them, and a classifier g reads their weighted average. Each model here is right nearly always, and looks "
            "at the background in about a third of the mosaics."
        ),
        _table(
            ("mode", "mosaics", "accuracy", "FT", "FTPT", "FFPT", "FTPF", "FFPF", "shown by", "drawn: seed"),
            [row for mode, _, tried in found for row in _mode_rows(mode, tried)],
        ),
        (
            f"{_SHARES} In percent. Shown by: how many of the weights that trainings started from ended in the mode "
            "(accuracy at least 97 %, FT 60 to 75 %, on both sets of mosaics)."
        ),
    ]
    for mode, landscape, tried in found:
        parts += _mode_section(mode, landscape, tried)
    return _join(parts)


def error_modes_document(found: "Sequence[ShownMode]", command: str) -> Document:
    """By mode; an estimate is an object of value, low and high."""
    return {
        "command": command,
        "modes": [
            {
                "mode": mode.mode.number,
                "remark": mode.mode.remark,
                "recipe": asdict(mode.mode.recipe),
                "seed": mode.seed,
                "training": asdict(mode.measured_training),
                "held_out": asdict(mode.measured_held_out),
                "classes": [asdict(one) for one in landscape.classes],
                "background_score": landscape.background_score,
                "reasons": reasons(landscape),
                "initialisations": [asdict(one) | {"shown": one.shown} for one in tried],
            }
            for mode, landscape, tried in found
        ],
    }


def dynamics_markdown(groups: Sequence[tuple[str, str, Sequence[Course]]], command: str) -> str:
    """Groups of trainings: the name of the figure's file, a heading, and at least one training."""
    parts = [
        "# How focus and prediction come about",
        f"After Figure 5 of {_PAPER}; made by `{command}`. {_SHARES} On held-out mosaics, in percent.",
    ]
    for figure, heading, courses in groups:
        parts += [
            f"## {heading}",
            f"![{heading}]({figure}.png)",
            _table(
                (
                    "training",
                    "epochs",
                    "accuracy",
                    "FT",
                    "FTPT",
                    "FFPT",
                    "FTPF",
                    "FFPF",
                    "highest FT",
                    "in epoch",
                ),
                map(_course_row, courses),
            ),
        ]
    return _join(parts)


def dynamics_document(groups: Sequence[tuple[str, str, Sequence[Course]]], command: str) -> Document:
    """Every look at every training, by figure."""
    return {
        "command": command,
        "groups": {figure: [asdict(course) for course in courses] for figure, _, courses in groups},
    }


def table_markdown(rows: Sequence[Row], command: str) -> str:
    parts = [
        f"# Accuracy and focus of {len(rows)} attention models on CIFAR-SDC",
        (
            f"After Table 2 of {_PAPER}; made by `{command}`. Measured on 10,000 mosaics of images that are in no "
            "training mosaic (leak-free), and on as many new mosaics of training images: the authors' protocol, which "
            "the published figures follow."
        ),
        _table(
            (
                "model",
                "accuracy",
                "by the authors' protocol",
                "published",
                "reached",
                "FT",
                "FT by the authors' protocol",
                "FT published",
                "FT reached",
                "FT strict",
                "NNZ",
                "Dist",
                "Ent (nats)",
            ),
            map(_measured_row, rows),
        ),
        (
            "†: drawn afresh at each step, not the paper's fixed mosaics; compare such a model with its like. "
            "Accuracy and FT in percent. Reached: the upper end of the 95 % interval is not below the published "
            "figure, leak-free (yes) or at least by the authors' protocol. FT: the true foreground has the largest "
            "weight; strict: its score is larger than every other, as the paper defines it. NNZ: weights above 0.01, "
            "of 9. Dist: to the nearest corner of the simplex. Of several seeds the mean, ± the deviation of a seed "
            "from it. Weights are rounded to fp16, as shipped."
        ),
        "## How each was trained",
        _table(
            (
                "model",
                "training mosaics",
                "epochs",
                "learning rate",
                "widths",
                "seeds",
                "accuracy on the 30,000 fixed mosaics",
                "minutes a seed",
            ),
            map(_trained_row, rows),
        ),
        (
            "The fixed mosaics are those that the unmarked models were trained on; a marked one has seen their images, "
            "not the mosaics. All: AdamW, one cycle of the learning rate, images mirrored at random."
        ),
    ]
    if any(row.runs for row in rows):
        parts += [
            "## How much of the weight the foreground has",
            "![Share of mosaics whose foreground weighs more than a threshold](thresholds.png)",
            "After Figure 6 of the paper, on held-out mosaics.",
        ]
    return _join(parts)


def table_document(rows: Sequence[Row], command: str) -> Document:
    """By model; an estimate is an object of value, low and high. `runs` is empty where it was not trained."""
    return {"command": command, "models": {row.name: _model(row) for row in rows}}


def _model(row: Row) -> Document:
    published = None if row.published is None else asdict(row.published)
    held_out = [run.held_out for run in row.runs]
    spreads = {column.name: asdict(column.spread(held_out)) for column in COLUMNS} if held_out else None
    return asdict(row) | {"published": published, "held_out": spreads}


def _measured_row(row: Row) -> Iterator[str]:
    held_out, authors = [run.held_out for run in row.runs], [run.authors for run in row.runs]
    published = row.published
    yield f"{row.name} {row.mark}".rstrip()
    yield _spread(ACCURACY, held_out) if held_out else "not trained"
    yield _spread(ACCURACY, authors)
    yield "" if published is None else f"{published.accuracy:.2f}"
    yield reached(row, published.accuracy, lambda found: found.accuracy) if published and held_out else ""
    yield _spread(FOCUS_TRUE, held_out)
    yield _spread(FOCUS_TRUE, authors)
    yield "" if published is None else f"{published.focus_true:.2f}"
    yield reached(row, published.focus_true, lambda found: found.focus_true) if published and held_out else ""
    yield _spread(STRICTLY_TRUE, held_out)
    for column in (NNZ, DIST, ENTROPY):
        yield _spread(column, held_out)


def _trained_row(row: Row) -> Iterator[str]:
    yield f"{row.name} {row.mark}".rstrip()
    if row.fresh_images:
        yield f"{row.mosaics:,} an epoch, drawn afresh from {row.fresh_images} images at each step"
    else:
        yield f"the same {row.mosaics:,} in every epoch"
    yield str(row.epochs)
    yield f"{row.learning_rate:g}"
    yield "-".join(map(str, row.widths))
    yield ", ".join(str(run.seed) for run in row.runs) or "not trained"
    yield _spread(ACCURACY, [run.training for run in row.runs])
    yield ", ".join(f"{run.seconds / 60:.0f}" for run in row.runs)


def _spread(column: Column, measured: Sequence[FocusMeasures]) -> str:
    if not measured:
        return ""
    found = column.spread(measured)
    deviation = "" if found.deviation is None else f" ± {found.deviation:.{column.decimals}f}"
    return f"{found.mean:.{column.decimals}f}{deviation}"


def _mode_rows(mode: "TrainedMode", tried: "Sequence[Initialisation]") -> Iterator[tuple[str, ...]]:
    shown = sum(one.shown for one in tried)
    for name, measured, shown_by, seed in (
        ("held out", mode.measured_held_out, f"{shown} of {len(tried)}", str(mode.seed)),
        ("in training", mode.measured_training, "", ""),
    ):
        shares = (
            measured.accuracy,
            measured.focus_true,
            measured.ftpt,
            measured.ffpt,
            measured.ftpf,
            measured.ffpf,
        )
        figures = (_percent(share.value) for share in shares)
        yield str(mode.mode.number), f"{measured.mosaics:,} {name}", *figures, shown_by, seed


def _mode_section(
    mode: "TrainedMode", landscape: Landscape, tried: "Sequence[Initialisation]"
) -> Iterator[str]:
    number = mode.mode.number
    yield f"## Mode {number}"
    yield f"![Where the model of mode {number} looks, and what it sees there](error-mode-{number}.png)"
    yield from reasons(landscape)
    yield mode.mode.remark
    yield _table(
        (
            "class",
            "answer right",
            "focus right",
            "mean weight of the foreground",
            "f in its box",
            "called so without any foreground",
        ),
        (
            (
                str(one.number + 1),
                _percent(one.prediction_true),
                _percent(one.focus_true),
                f"{one.foreground_weight:.4f}",
                _interval(one.score),
                _percent(one.without_foreground),
            )
            for one in landscape.classes
        ),
    )
    yield (
        f"f in the background's box: {_interval(landscape.background_score)}. A class whose scores are all higher is "
        "always attended to; one whose scores are all lower, never. Shares in percent, on held-out mosaics."
    )
    seeds = ", ".join(str(one.seed) for one in tried if one.shown) or "none"
    yield f"Seeds that end in this mode, of {tried[0].seed} to {tried[-1].seed}: {seeds}."


def _course_row(course: Course) -> tuple[str, ...]:
    last = course.last
    best = max(course.looks, key=lambda look: look.held_out.focus_true)
    shares = last.held_out
    figures = (shares.accuracy, shares.focus_true, shares.ftpt, shares.ffpt, shares.ftpf, shares.ffpf)
    return (
        course.name,
        str(last.epoch),
        *map(_percent, figures),
        _percent(best.held_out.focus_true),
        str(best.epoch),
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _interval(ends: tuple[float, float]) -> str:
    return f"{ends[0]:.1f} to {ends[1]:.1f}"


def _table(columns: Sequence[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _join(parts: Iterable[str]) -> str:
    return "\n\n".join(parts) + "\n"
