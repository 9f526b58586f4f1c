"""What in each modality speaks for a class: Grad-CAM of regions, gradient x representation of tokens and words."""

import numpy as np

from attendant.errors import invalid
from attendant.explainers.base import ENDLESS, Deadline, Doubles, Explainable
from attendant.explainers.instance import predict, unchanged
from attendant.methods import ClassActivation, ClassActivationOptions, ElementScores


def class_activation(
    subject: Explainable, options: ClassActivationOptions, deadline: Deadline = ENDLESS
) -> ClassActivation:
    """Scores, L a present target, from the class's log-odds; the gradients flow through attention.

    The cells of a grid: relu(sum_d w_d e_id), w the gradients' mean over the cells (Selvaraju et al. 2017, equations 1
    and 2), so all 0 where no cell speaks for the class. Other elements: ||gradient * element||_2.
    INVALID_INPUT for a label that is none of the model's classes. Raises Late where the deadline comes first.
    """
    label = choose_label(subject, options)
    tables, own = unchanged(subject)
    found = subject.gradients(
        tables, [own], label, subject.targets, through_attention=True, check=deadline.check
    )
    scores = []
    for target, rows in found.elements.items():
        elements, gradients = tables[target].astype(np.float64), rows[0].astype(np.float64)
        cells = subject.grid(target) is not None
        values = _grad_cam(elements, gradients) if cells else np.linalg.norm(elements * gradients, axis=1)
        scores.append(ElementScores(target, values.astype(np.float32)))
    return ClassActivation(subject.classes[label], tuple(scores))


def choose_label(subject: Explainable, options: ClassActivationOptions) -> int:
    """The class asked for, the predicted one by default. INVALID_INPUT where the model has no such class."""
    if not options.label:
        return predict(subject)
    if options.label not in subject.classes:
        known = ", ".join(subject.classes)
        raise invalid("options.class_activation.label", f"{options.label!r} is none of the classes: {known}")
    return subject.classes.index(options.label)


def _grad_cam(elements: Doubles, gradients: Doubles) -> Doubles:
    """L scores of L x d elements and their gradients."""
    activation: Doubles = np.maximum(elements @ gradients.mean(axis=0), 0)
    return activation
