"""Explanations in numbers, beside the answers, for whoever watches how attention behaves."""

import logging
from collections import defaultdict
from collections.abc import Mapping

from attendant.methods import Permutation, PermutationOptions
from attendant.statistics.samples import modalities_of, sample
from attendant.traces import describe_failure
from attendant.types import Modality, Outcome
from attendant.wire.samples import encode_rows

_USUAL = PermutationOptions()
_NONE: Mapping[int, Permutation | None] = {}

logger = logging.getLogger(__name__)


def sample_rows(
    outcomes: Mapping[int, Outcome], permuted: Mapping[int, Permutation | None] = _NONE
) -> dict[int, bytes]:
    """The numbers of each outcome, by the same keys; those of one set of modalities in one go.

    No answer depends on them: where something is wrong they are missing, and the log says why.
    """
    groups: dict[tuple[Modality, ...], list[int]] = defaultdict(list)
    for key, outcome in outcomes.items():
        groups[modalities_of(outcome.attention)].append(key)
    numbers: dict[int, bytes] = {}
    for keys in groups.values():
        try:
            samples = sample([outcomes[key] for key in keys], [permuted.get(key) for key in keys])
        except Exception as error:  # noqa: BLE001 - see above
            logger.error("explanations could not be sampled\n%s", describe_failure(error))  # noqa: TRY400 - says too much
        else:
            numbers.update(zip(keys, encode_rows(samples), strict=True))
    return numbers


def comparable(asked: PermutationOptions | None, found: Permutation | None) -> Permutation | None:
    """The impacts, where they were measured as a reference's are: with as many permutations, and not cut short."""
    if asked is None or found is None or any(impact.truncated for impact in found.impacts):
        return None
    as_usual = (asked.samples, asked.modality_samples, asked.tolerance) == (
        _USUAL.samples,
        _USUAL.modality_samples,
        _USUAL.tolerance,
    )
    return found if as_usual else None
