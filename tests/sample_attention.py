"""Explanations made of drawn or given weights, for tests of what is computed from them."""

import numpy as np

from attendant.types import (
    MODALITIES,
    REGIONS,
    Attention,
    AttentionKind,
    AttentionVector,
    Focus,
    Modality,
    Outcome,
    Prediction,
)

TEXT, IMAGE, ATTRIBUTE = MODALITIES
SETS = ((TEXT,), (TEXT, ATTRIBUTE), (TEXT, IMAGE, ATTRIBUTE))


def explanation(modalities, weights, fusion) -> Attention:
    """`weights(target, source)` gives the pairs' weights, whose means are the targets'; `fusion` has one a modality."""
    pairs = [
        AttentionVector(
            AttentionKind.REPRESENTATION, np.asarray(weights(target, source), np.float32), target, source
        )
        for target in modalities
        for source in modalities
    ]
    means = [
        AttentionVector(
            AttentionKind.REPRESENTATION_MEAN,
            np.mean([pair.weights for pair in pairs if pair.target is target], axis=0, dtype=np.float32),
            target,
        )
        for target in modalities
    ]
    present = np.zeros(3, np.float32)
    present[[MODALITIES.index(modality) for modality in modalities]] = fusion
    return Attention((*pairs, *means, AttentionVector(AttentionKind.MODALITY, present)), ())


def random_explanation(modalities, seed, tokens=None, words=None) -> Attention:
    """Weights drawn from Dirichlet distributions."""
    generator = np.random.default_rng(seed)
    lengths = {
        TEXT: tokens or int(generator.integers(1, 76)),
        IMAGE: REGIONS,
        ATTRIBUTE: words or int(generator.integers(1, 6)),
    }
    return explanation(
        modalities,
        lambda target, _: generator.dirichlet(np.full(lengths[Modality(target)], 0.5)),
        generator.dirichlet(np.ones(len(modalities))),
    )


def outcome(attention, probability=0.5, risk=None) -> Outcome:
    """What a model with that attention says; `risk` for mosaics."""
    scores = (("not sarcastic", 1 - probability), ("sarcastic", probability))
    focus = None if risk is None else Focus(index=0, risk=risk, nnz=1, dist=0.0, entropy=0.0)
    return Outcome(Prediction("sarcastic", probability, scores), attention, focus=focus)


def focus_on(weights) -> Attention:
    """A mosaic's attention."""
    vector = AttentionVector(AttentionKind.FOCUS, np.asarray(weights, np.float32), Modality.SEGMENT)
    return Attention((vector,), ())
