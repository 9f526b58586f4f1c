"""Gradient x input and Grad-CAM of a real HFM against captum's, which sees the model from its embeddings on."""

import numpy as np
import pytest
import torch
from captum.attr import InputXGradient, LayerGradCam
from small_hfm import LENGTHS, small_hfm, small_tweet
from torch import nn

from attendant.explainers.class_activation import class_activation
from attendant.explainers.gradient import gradient
from attendant.methods import ClassActivationOptions, GradientOptions
from attendant.models.explained import ExplainedTweet, Explaining
from attendant.models.hfm import HfmInput
from attendant.types import MODALITIES, Modality

TEXT, IMAGE, ATTRIBUTE = MODALITIES
ROWS, COLUMNS = 2, 4


class Grid(ExplainedTweet):
    """With the small tweet's eight regions as two rows of four."""

    def grid(self, target):
        return (ROWS, COLUMNS) if target is IMAGE else None


class FromElements(nn.Module):
    """The model as a function of its elements: embeddings are looked up by nobody."""

    def __init__(self) -> None:
        super().__init__()
        self.model = small_hfm()
        self.model.word_embedding = self.model.attribute_embedding = nn.Identity()
        self.map = nn.Identity()  # the regions as a map, channels first: what Grad-CAM looks at

    def forward(self, words, regions, attributes):
        seen = self.map(regions.transpose(1, 2).unflatten(2, (ROWS, COLUMNS))).flatten(2).transpose(1, 2)
        counts = [torch.full((len(words),), LENGTHS[m]) for m in (TEXT, ATTRIBUTE)]
        present = torch.ones(len(words), 3, dtype=torch.bool)
        return self.model(HfmInput(words, counts[0], attributes, counts[1], seen, present)).logit


@pytest.fixture(scope="module")
def subject() -> Grid:
    model = small_hfm()
    explaining = Explaining.of(model, ("no", "yes"), temperature=1.0, threshold=0.5, typical={})
    return small_tweet(model, seed=5).explained(explaining, Grid)


@pytest.fixture(scope="module")
def inputs(subject) -> tuple[torch.Tensor, ...]:
    return tuple(torch.from_numpy(subject.features(m))[None].requires_grad_() for m in MODALITIES)


def test_gradient_importance_is_gradient_x_input(subject, inputs):
    products = InputXGradient(FromElements()).attribute(inputs)
    ours = gradient(subject, GradientOptions(through_attention=True)).importances
    slope = subject.probabilities.prod()  # captum differentiates the logit, we the probability
    for importance, product in zip(ours, products, strict=True):
        expected = product[0].sum(dim=-1).abs().detach().numpy() * slope
        np.testing.assert_allclose(importance.scores, expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("label", ["yes", "no"])
def test_class_activation_is_grad_cam(subject, inputs, label):
    model = FromElements()
    found = LayerGradCam(model, model.map).attribute(inputs, relu_attributions=False)
    sign = 1 if label == "yes" else -1
    expected = np.maximum(sign * found[0].flatten().detach().numpy(), 0)
    scores = {
        one.target: one.scores for one in class_activation(subject, ClassActivationOptions(label)).scores
    }
    np.testing.assert_allclose(scores[Modality.IMAGE], expected, rtol=1e-3, atol=1e-6)


def test_either_class_has_an_activation(subject):
    """So that the comparison above is not one of zeros."""
    maps = [
        next(
            one.scores
            for one in class_activation(subject, ClassActivationOptions(label)).scores
            if one.target is IMAGE
        )
        for label in ("yes", "no")
    ]
    assert max(found.max() for found in maps) > 1e-3
