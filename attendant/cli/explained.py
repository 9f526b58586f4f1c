"""What was computed beyond attention, for the terminal: a section a method, for someone who never saw the papers."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from attendant.cli.console import plain
from attendant.cli.marks import COLOURS, element, heat_map, order, table, title
from attendant.methods import (
    EPSILON_WIDE,
    SHARES,
    Adversarial,
    AdversarialAttention,
    BoxAlignment,
    ClassActivation,
    CrossModal,
    CrossModalProbe,
    ElementScores,
    Erasure,
    ErasureCurve,
    Gradient,
    JointMask,
    LeaveOneOut,
    Permutation,
    PermutationImpact,
    RankedImportance,
)
from attendant.pictures.views import NAMES
from attendant.results import ExplainResult
from attendant.types import Attention, Modality

_WORDS = 4  # of a target's strongest elements
_CELLS = 2
_SHARE = SHARES.index(0.2)
_DIFFERENT = (
    (0.5, "quite different"),
    (0.2, "somewhat different"),
    (0.0, "hardly different"),
)  # shares of ln 2


def sections(result: ExplainResult) -> Iterator[RenderableType]:
    """In the contract's order, each after an empty line."""
    computed, attention = result.explanations, result.attention
    if computed.permutation is not None:
        yield from _permutation(computed.permutation)
    if computed.gradient is not None:
        yield from _gradient(computed.gradient, attention)
    if computed.class_activation is not None:
        yield from _class_activation(computed.class_activation, attention)
    if computed.leave_one_out is not None:
        yield from _leave_one_out(computed.leave_one_out, attention)
    if computed.adversarial is not None:
        yield from _adversarial(computed.adversarial, attention)
    if computed.erasure is not None:
        yield from _erasure(computed.erasure)
    if computed.cross_modal is not None:
        yield from _cross_modal(computed.cross_modal, attention)
    if computed.box_alignment is not None:
        yield from _box_alignment(computed.box_alignment)


def _permutation(permutation: Permutation) -> Iterator[RenderableType]:
    yield from _heading("Shuffled attention", "how far the answer moves when weights change places")
    yield _rows((one.target, _impact(one)) for one in permutation.impacts)


def _impact(one: PermutationImpact) -> Text:
    if one.exhaustive:
        text = (
            f"moves the answer by {one.impact:.3f} on average, changes the label in {one.flip_share:.0%} "
            f"of all {one.samples} orders"
        )
    else:
        low, high = one.interval
        text = (
            f"moves the answer by {one.impact:.3f} ± {one.standard_error:.3f} on average "
            f"(95% sure: {low:.3f} to {high:.3f}), changes the label in {one.flip_share:.0%} "
            f"of {one.samples} shuffles"
        )
    if one.target is Modality.SEGMENT:  # what focus-classify models are published with
        text += f"\nmedian total variation distance of the classes' probabilities: {one.median_total_variation:.3f}"
    return _cut(text, truncated=one.truncated)


def _gradient(gradient: Gradient, attention: Attention) -> Iterator[RenderableType]:
    yield from _heading("Gradients", "the elements whose slightest change would move the answer most")
    yield from _importances(gradient.importances, attention, "{:#.2g}")


def _leave_one_out(left_out: LeaveOneOut, attention: Attention) -> Iterator[RenderableType]:
    yield from _heading("Leaving one out", "how far the answer moves when an element is taken away")
    yield from _importances(left_out.importances, attention, "{:.3f}")
    yield from _missing(truncated=left_out.truncated)


def _importances(
    importances: Sequence[RankedImportance], attention: Attention, number: str
) -> Iterator[RenderableType]:
    yield _rows(
        (
            one.target,
            Text(f"{_strongest(one, attention, number)}\nagreement with attention: {_agreement(one)}"),
        )
        for one in importances
    )
    yield Text("  tau is 1 where both put the elements in the same order, 0 where unrelated", style="dim")


def _agreement(one: RankedImportance) -> str:
    if one.kendall_tau is None:
        return f"not defined: {'one element' if one.scores.size == 1 else 'all are equal'}"
    if one.p_value is None:
        return f"tau {one.kendall_tau:.2f}"
    chance = "p < 0.001" if one.p_value < 0.001 else f"p = {one.p_value:.3f}"
    return f"tau {one.kendall_tau:.2f} ({chance})"


def _class_activation(activation: ClassActivation, attention: Attention) -> Iterator[RenderableType]:
    yield from _heading("Class activation", f"what speaks for “{plain(activation.label)}”")
    yield _rows((one.target, Text(_strongest(one, attention, "{:#.2g}"))) for one in activation.scores)
    axis = attention.axis(Modality.IMAGE)
    for one in activation.scores:
        if one.target is Modality.IMAGE and axis is not None:
            shades = one.scores.astype(np.float64) / (float(one.scores.max()) or 1.0)
            yield heat_map(shades.reshape(axis.grid_rows, axis.grid_columns), "class activation")


def _adversarial(adversarial: Adversarial, attention: Attention) -> Iterator[RenderableType]:
    yield from _heading("Other attention, same answer", "the most different attention that was found")
    yield _rows((one.target, _adversary(one, attention)) for one in adversarial.attentions)
    yield Text(
        f"  JSD is 0 where two are the same and at most {math.log(2):.2f} where they share nothing",
        style="dim",
    )


def _adversary(one: AdversarialAttention, attention: Attention) -> Text:
    wide = one.max_jensen_shannon_wide
    found = "none" if wide is None else f"JSD {wide:.2f}"
    loose = f"\nif the answer may move by {EPSILON_WIDE:g}: {found}"
    if one.max_jensen_shannon is None:
        text = f"none of {one.adversaries} tries gave the same answer{loose}"
    else:
        share = one.max_jensen_shannon / math.log(2)
        difference = next(words for least, words in _DIFFERENT if share >= least)
        strongest = element(attention, one.target, int(one.weights.argmax()))
        text = (
            f"attention can look {difference} (JSD {one.max_jensen_shannon:.2f}) with the same answer "
            f"(moved by {one.change:.3f}), {one.feasible} of {one.adversaries} tries; "
            f"then {one.weights.max():.0%} of it lies on “{strongest}”{loose}"
        )
    return _cut(text, truncated=one.truncated)


def _erasure(erasure: Erasure) -> Iterator[RenderableType]:
    yield from _heading("Erasure", "what is left of the answer when the elements with most weight go")
    yield _rows((one.target, Text(_curve(one))) for one in erasure.curves)


def _curve(one: ErasureCurve) -> str:
    flips = (
        "the label stays, whatever is erased"
        if one.flip_share is None
        else f"the label changes once the strongest {one.flip_share:.0%} are erased"
    )
    return (
        f"{flips}\nwithout the strongest {SHARES[_SHARE]:.0%} its probability "
        f"{_movement(one.comprehensiveness[_SHARE])} (comprehensiveness), with them alone it "
        f"{_movement(one.sufficiency[_SHARE])} (sufficiency)"
    )


def _movement(fall: float) -> str:
    return f"{'rises' if fall < 0 else 'falls'} by {abs(fall):.3f}"


def _cross_modal(cross_modal: CrossModal, attention: Attention) -> Iterator[RenderableType]:
    yield from _heading("Between the inputs", "what one input means to the model once another is masked")
    probes = Table(box=None, padding=(0, 2), header_style="dim")
    for name in ("input", "masked", "change", "label", "probability", "needed", "mostly for", "confirmed"):
        probes.add_column(name)
    for one in cross_modal.probes:
        probes.add_row(
            _name(one.target),
            _name(one.masked),
            f"{one.norm_change:.0%}",
            _label(changed=one.class_changed),
            f"{one.probability:.2f}",
            "yes" if one.contributes else "no",
            Text(_important(one, attention)),
            "yes" if one.confirmed else "no",
        )
    yield probes
    if cross_modal.joint_masks:
        yield _rows((one.target, Text(_joint(one))) for one in cross_modal.joint_masks)
    yield from _missing(truncated=cross_modal.truncated)


def _joint(one: JointMask) -> str:
    return (
        f"with both others taken away, its gradients change by {one.norm_change:.0%}, "
        f"the label {_label(changed=one.class_changed)} and the probability is {one.probability:.2f}"
    )


def _label(*, changed: bool) -> str:
    return "changes" if changed else "stays"


def _important(one: CrossModalProbe, attention: Attention) -> str:
    if not one.important_elements:
        return ""
    more = len(one.important_elements) - 1
    first = element(attention, one.target, one.important_elements[0])
    return f"{first} and {more} more" if more else first


def _box_alignment(alignment: BoxAlignment) -> Iterator[RenderableType]:
    yield from _heading(
        "Attention and boxes", "1 where all of it lies on the boxes, evenly; 0 where none does"
    )
    rows = table()
    for name, cosine in (
        ("all of the attention", alignment.full),
        ("its 20 strongest cells", alignment.top20),
        ("20 random cells", alignment.random20),
    ):
        rows.add_row(name, f"{cosine:.2f}")
    yield rows


def _heading(name: str, caption: str) -> Iterator[RenderableType]:
    yield ""
    yield title(name, caption)


def _rows(rows: Iterator[tuple[Modality | None, Text]]) -> Table:
    lines = table()
    for target, text in rows:
        lines.add_row(_name(target), text)
    return lines


def _name(target: Modality | None) -> Text:
    """None is the vector of the inputs' own weights."""
    if target is None:
        return Text("the inputs' weights", style="bold")
    if target is Modality.VISUAL:
        return Text("image and attributes", style=COLOURS[Modality.IMAGE])
    return Text(NAMES[target], style=COLOURS[target])


def _strongest(one: RankedImportance | ElementScores, attention: Attention, number: str) -> str:
    long = one.target in (Modality.IMAGE, Modality.SEGMENT)  # names of several words
    gap = ": " if one.target is Modality.SEGMENT else " "  # they end in a number
    names = (
        f"{element(attention, one.target, index)}{gap}{number.format(one.scores[index])}"
        for index in order(one.scores)[: _CELLS if one.target is Modality.IMAGE else _WORDS]
    )
    return ("; " if long else "  ").join(names)


def _missing(*, truncated: bool) -> Iterator[RenderableType]:
    if truncated:
        yield Text("  cut short by the deadline: the last inputs are missing", style="yellow")


def _cut(text: str, *, truncated: bool) -> Text:
    return Text.assemble(text, (" (cut short by the deadline)" if truncated else "", "yellow"))
