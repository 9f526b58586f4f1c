import pytest
import torch

from attendant.training.heads import RARE, HeadRecipe, fit_words

RECIPE = HeadRecipe(epochs=60, batch=32, learning_rate=5e-2, weight_decay=0.0)
WIDTH = 5


def report(done, total):
    assert 1 <= done <= total


def draw(count=256, seed=0):
    """Features of different means and sizes."""
    generator = torch.Generator().manual_seed(seed)
    sizes, means = torch.tensor([0.1, 1.0, 3.0, 0.5, 2.0]), torch.tensor([4.0, 0.0, -2.0, 1.0, 0.5])
    return torch.randn(count, WIDTH, generator=generator) * sizes + means


@pytest.fixture
def truth():
    """P(word) of three words by features."""
    torch.manual_seed(4)
    layer = torch.nn.Linear(WIDTH, 3)
    torch.nn.init.normal_(layer.weight, std=0.3)
    torch.nn.init.constant_(layer.bias, -2.0)
    return lambda features: layer(features).sigmoid().detach()


def test_recovers_a_known_linear_map(truth):
    features = draw()
    layer = fit_words(features, truth(features), RECIPE, 1, report)
    fresh = draw(100, seed=1)
    torch.testing.assert_close(layer(fresh).sigmoid().detach(), truth(fresh), atol=0.05, rtol=0)


def test_words_do_not_depend_on_each_other(truth):
    features = draw()
    together = fit_words(features, truth(features), RECIPE, 1, report)
    alone = fit_words(features, truth(features)[:, 1:2], RECIPE, 1, report)
    torch.testing.assert_close(together(features)[:, 1:2], alone(features), atol=1e-3, rtol=1e-3)


def test_the_scale_of_the_features_does_not_matter(truth):
    features = draw()
    moved = features * torch.tensor([7.0, 0.3, 1.0, 20.0, 2.0]) - 3
    plain = fit_words(features, truth(features), RECIPE, 1, report)
    scaled = fit_words(moved, truth(features), RECIPE, 1, report)
    torch.testing.assert_close(scaled(moved), plain(features), atol=2e-2, rtol=1e-2)


def test_a_feature_that_never_changes_does_no_harm(truth):
    features = draw()
    chances = truth(features)
    features[:, 2] = 0.5
    layer = fit_words(features, chances, RECIPE, 1, report)
    assert torch.isfinite(layer(features)).all()


def test_words_are_rare_before_anything_is_learnt(truth):
    features = draw()
    layer = fit_words(features, truth(features), HeadRecipe(epochs=0), 1, report)
    assert layer(features).unique().tolist() == [RARE]


def test_a_seed_decides_everything(truth):
    features = draw()
    recipe = HeadRecipe(epochs=2, batch=32)
    first, again, other = (fit_words(features, truth(features), recipe, seed, report) for seed in (1, 1, 2))
    assert torch.equal(first.weight, again.weight)
    assert not torch.equal(first.weight, other.weight)


def test_says_how_far_it_is(truth):
    said = []
    features = draw(20)
    fit_words(features, truth(features), HeadRecipe(epochs=3), 1, lambda *done: said.append(done))
    assert said == [(1, 3), (2, 3), (3, 3)]
