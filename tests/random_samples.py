"""Statistics of explanations that were never made, and references of them."""

import numpy as np

from attendant.statistics.references import Origin, Reference, ReferenceSet
from attendant.statistics.samples import Samples, Statistic, map_sources, streams


def draw_samples(modalities, count, rng, a=5.0, b=2.0, measured=1.0) -> Samples:
    """Independent Beta values in every stream, and maps; a share of `measured` has impacts."""
    values = rng.beta(a, b, (count, len(streams(modalities))))
    impacts = [stream.statistic is Statistic.IMPACT for stream in streams(modalities)]
    values[np.ix_(rng.random(count) >= measured, impacts)] = np.nan
    sources = len(map_sources(modalities))
    maps = rng.dirichlet(np.full(49, 0.5), (count, sources)).reshape(count, sources, 7, 7)
    return Samples(modalities, values.astype(np.float32), maps.astype(np.float16))


def make_reference(*samples, digest="0" * 64) -> Reference:
    origin = Origin("sarcasm", "1", digest, "CPUExecutionProvider on cpu", "text", 0, "all")
    return Reference(origin, tuple(ReferenceSet(one, "drawn", len(one), 0) for one in samples))


def shifted(samples, stream, factor) -> Samples:
    """The same, with one stream multiplied."""
    values = samples.values.copy()
    values[:, streams(samples.modalities).index(stream)] *= factor
    return Samples(samples.modalities, values, samples.maps)
