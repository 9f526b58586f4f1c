"""All methods: which were asked for, in which order they run, and what to know about what they found."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from attendant.explainers.adversarial import adversarial
from attendant.explainers.base import Deadline, Explainable, Late
from attendant.explainers.boxes import box_alignment, choose_grid
from attendant.explainers.class_activation import choose_label, class_activation
from attendant.explainers.cross_modal import cross_modal
from attendant.explainers.erasure import erasure
from attendant.explainers.gradient import gradient
from attendant.explainers.instance import choose_targets
from attendant.explainers.leave_one_out import leave_one_out
from attendant.explainers.permutation import permutation
from attendant.methods import ExplainOptions, Explanations, Masking, Method
from attendant.types import Warning_, WarningCode

_FALLBACKS = {
    Masking.MEAN: ("mean element", "zeros stood in"),
    Masking.NOISE: ("spread of elements", "noise was as large as the instance's own elements vary"),
}


@dataclass(frozen=True)
class Explained:
    """What was computed; `truncated` where the deadline left out a method or cut one short."""

    explanations: Explanations
    warnings: tuple[Warning_, ...]
    truncated: bool


def explain(subject: Explainable, options: ExplainOptions, deadline: Deadline) -> Explained:
    """Runs what is asked for, the cheapest first; a method whose turn comes after the deadline is left out.

    INVALID_INPUT, before anything runs, for options that do not suit the instance.
    """
    _check(subject, options)
    found: dict[str, Any] = {}
    for method, run in _steps(subject, deadline).items():
        chosen = getattr(options, method)
        if chosen is not None and not deadline.passed:
            with suppress(Late):
                found[method] = run(chosen)
    explanations = Explanations(**found)
    late = [
        *_cut(explanations),
        *(f"{method} (left out)" for method in options.methods if method not in found),
    ]
    warnings = [*_rank_warnings(explanations), *_mean_warnings(subject, options, explanations)]
    if late:
        message = f"the deadline came before the end of: {', '.join(late)}"
        warnings.append(Warning_(WarningCode.EXPLANATION_TRUNCATED, message))
    return Explained(explanations, tuple(warnings), bool(late))


def _check(subject: Explainable, options: ExplainOptions) -> None:
    """So that what is wrong is refused whatever the deadline."""
    for method in (Method.PERMUTATION, Method.ERASURE, Method.LEAVE_ONE_OUT, Method.ADVERSARIAL):
        if (chosen := getattr(options, method)) is not None:
            choose_targets(subject, chosen.targets, f"options.{method}.targets")
    if options.class_activation is not None:
        choose_label(subject, options.class_activation)
    if options.box_alignment is not None:
        choose_grid(subject)


def _steps(subject: Explainable, deadline: Deadline) -> dict[Method, Callable[[Any], Any]]:
    """What runs each method with its options, in the order in which they run: what is whole or nothing comes first."""
    return {
        Method.BOX_ALIGNMENT: lambda options: box_alignment(subject, options),
        Method.ERASURE: lambda options: erasure(subject, options),
        Method.GRADIENT: lambda options: gradient(subject, options, deadline),
        Method.CLASS_ACTIVATION: lambda options: class_activation(subject, options, deadline),
        # From here on there is something to tell where the deadline comes before the end
        Method.PERMUTATION: lambda options: permutation(subject, options, deadline),
        Method.LEAVE_ONE_OUT: lambda options: leave_one_out(subject, options, deadline),
        Method.ADVERSARIAL: lambda options: adversarial(subject, options, deadline),
        Method.CROSS_MODAL: lambda options: cross_modal(subject, options, deadline),
    }


def _cut(explanations: Explanations) -> Iterator[str]:
    """The methods that the deadline stopped before their end."""
    if explanations.permutation and any(impact.truncated for impact in explanations.permutation.impacts):
        yield f"{Method.PERMUTATION} (cut short)"
    if explanations.adversarial and any(found.truncated for found in explanations.adversarial.attentions):
        yield f"{Method.ADVERSARIAL} (cut short)"
    for method in (Method.LEAVE_ONE_OUT, Method.CROSS_MODAL):
        found = getattr(explanations, method)
        if found is not None and found.truncated:
            yield f"{method} (cut short)"


def _rank_warnings(explanations: Explanations) -> Iterator[Warning_]:
    ranked = (explanations.gradient, explanations.leave_one_out)
    importances = [importance for method in ranked if method for importance in method.importances]
    targets = dict.fromkeys(i.target for i in importances if i.kendall_tau is None)
    if targets:
        yield Warning_(
            WarningCode.RANK_UNDEFINED,
            f"no rank agreement of {', '.join(targets)} with attention: one element, or all are equal",
        )


def _mean_warnings(
    subject: Explainable, options: ExplainOptions, explanations: Explanations
) -> Iterator[Warning_]:
    """Where `cross_modal` masked with something else than was asked for; without a probe nothing was masked."""
    chosen, probed = options.cross_modal, explanations.cross_modal
    if chosen is None or probed is None or not probed.probes or chosen.masking not in _FALLBACKS:
        return
    unknown = [target for target in subject.targets if subject.typical(target) is None]
    if unknown:
        missing, instead = _FALLBACKS[chosen.masking]
        yield Warning_(
            WarningCode.MEAN_UNKNOWN,
            f"the training set's {missing} is not known for {', '.join(unknown)}: {instead}",
        )
