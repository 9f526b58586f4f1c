"""Gradient importance and its rank agreement with attention (Jain and Wallace 2019, section 4.1)."""

import numpy as np

from attendant.explainers.base import ENDLESS, Deadline, Explainable
from attendant.explainers.instance import predict, rank, unchanged
from attendant.methods import Gradient, GradientOptions


def gradient(subject: Explainable, options: GradientOptions, deadline: Deadline = ENDLESS) -> Gradient:
    """g_t = |sum_d dp/de_td e_td| of each present target's elements t, p the predicted class's probability.

    Attention is a constant, as theirs is, unless `through_attention`. tau is between attention and g.
    Raises Late where the deadline comes first.
    """
    label = predict(subject)
    tables, own = unchanged(subject)
    found = subject.gradients(
        tables,
        [own],
        label,
        subject.targets,
        through_attention=options.through_attention,
        check=deadline.check,
    )
    probabilities = found.probabilities[0]
    slope = probabilities[label] * np.delete(probabilities, label).sum()  # dp by the log-odds: p (1 - p)
    return Gradient(
        tuple(
            rank(subject, target, np.abs(slope * np.einsum("ld,ld->l", rows[0], tables[target])))
            for target, rows in found.elements.items()
        )
    )
