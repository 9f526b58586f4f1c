"""Rankings against a model of which it is known what its answer depends on, and against deleting by hand."""

from itertools import permutations

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import kendalltau
from toy_explainable import ToyExplainable, three_classes

from attendant.analysis.faithfulness import Deletions, Ranking, delete, measure, summarise, swap_scores
from attendant.methods import SHARES
from attendant.types import MODALITIES, Gradients, go_on

TEXT, IMAGE, ATTRIBUTE = MODALITIES
RANKINGS = list(Ranking)
LENGTH, KEY = 10, 6
COUNTS = (1, 1, 1, 2, 5)  # of ten elements, at each of SHARES


class OneElement:
    """Its answer depends on whether element KEY is there, and on nothing else; attention puts that one last."""

    classes = ("no", "yes")
    targets = (TEXT,)
    tracked = 1
    probabilities = np.array([1 - expit(2), expit(2)])

    def decide(self, probabilities):
        return (probabilities[:, 1] >= 0.5).astype(int)

    def attention(self, target):
        weights = np.linspace(2, 1, LENGTH, dtype=np.float32)
        weights[KEY] = 0.5
        return weights / weights.sum()

    def attend(self, target, weights):
        return self._answers(2 + 5 * (weights[:, KEY] - self.attention(target)[KEY]))

    def features(self, target):
        return np.eye(LENGTH, dtype=np.float32)

    def answer(self, tables, variants, *, check=go_on):
        check()
        return self._answers(np.array([2.0 if KEY in variant[TEXT] else -1.0 for variant in variants]))

    def gradients(self, tables, variants, label, targets, *, through_attention, check):
        found = np.zeros((len(variants), LENGTH, LENGTH), np.float32)
        found[:, KEY, KEY] = 1
        return Gradients(self.answer(tables, variants), {TEXT: found})

    def _answers(self, logits):
        return np.stack((1 - expit(logits), expit(logits)), axis=1)


def test_deleting_what_the_answer_depends_on():
    found = measure(OneElement(), np.random.default_rng(0))[TEXT]
    fall = expit(2) - expit(-1)
    whole = np.full(len(SHARES), fall)
    for ranking in (Ranking.LEAVE_ONE_OUT, Ranking.GRADIENT, Ranking.PERMUTATION):
        place = RANKINGS.index(ranking)
        np.testing.assert_allclose(found.comprehensiveness[place], whole)
        np.testing.assert_allclose(found.sufficiency[place], 0, atol=1e-12)
    attention = RANKINGS.index(Ranking.ATTENTION)  # the key is never among its first five
    np.testing.assert_allclose(found.comprehensiveness[attention], 0, atol=1e-12)
    np.testing.assert_allclose(found.sufficiency[attention], whole)


def test_the_summary_says_which_ranking_is_faithful():
    generator = np.random.default_rng(1)
    measured = summarise(TEXT, [measure(OneElement(), generator)[TEXT] for _ in range(200)], skipped=3)
    assert (measured.target, measured.n, measured.skipped) == (TEXT, 200, 3)
    by_ranking = {curves.ranking: curves for curves in measured.curves}
    fall = expit(2) - expit(-1)
    best = by_ranking[Ranking.LEAVE_ONE_OUT].comprehensiveness
    assert best.area.value == pytest.approx(fall)
    random = by_ranking[Ranking.RANDOM].comprehensiveness
    assert random.over_random.value == 0
    # A random order has the key among its first k of ten with probability k / 10.
    for count, estimate in zip(COUNTS, random.shares, strict=True):
        assert estimate.value == pytest.approx(fall * count / LENGTH, abs=0.1)
    assert best.over_random.value == pytest.approx(best.area.value - random.area.value)
    assert random.area.high < best.area.low
    names = {(pair.first, pair.second): pair for pair in measured.pairs}
    assert len(names) == 10
    assert abs(names[Ranking.ATTENTION, Ranking.RANDOM].tau.value) < 0.06
    np.testing.assert_array_equal(measured.agreement, measured.agreement.T)
    assert np.diag(measured.agreement).tolist() == [1] * 5


@pytest.mark.parametrize("subject", [ToyExplainable(seed=4), three_classes(7, seed=2)])
def test_deletions_are_answers_of_the_shorter_instance(subject):
    target = subject.targets[0]
    elements = {each: rows.double() for each, rows in subject._features.items()}
    length = len(elements[target])
    scores = np.random.default_rng(5).random((3, length))
    found = delete(subject, target, scores)
    answer = subject._whole(elements).softmax(-1).numpy()
    label = answer.argmax()
    for row, order in enumerate(np.argsort(-scores)):
        for column, share in enumerate(SHARES):
            count = min(max(int(np.ceil(share * length)), 1), length - 1)
            for falls, kept in (
                (found.comprehensiveness, sorted(order[count:])),
                (found.sufficiency, sorted(order[:count])),
            ):
                left = subject._whole({**elements, target: elements[target][kept]}).softmax(-1).numpy()
                assert falls[row, column] == pytest.approx(answer[label] - left[label], abs=1e-9)
    for i, j in permutations(range(3), 2):
        assert found.agreement[i, j] == pytest.approx(kendalltau(scores[i], scores[j]).statistic)


@pytest.mark.parametrize("subject", [ToyExplainable(seed=8), three_classes(seed=1)])
def test_swap_scores_are_those_of_every_swap(subject):
    for target in subject.targets:
        weights = subject.attention(target)
        expected = []
        for i in range(len(weights)):
            distances = []
            for j in range(len(weights)):
                if i != j:
                    swapped = weights.copy()
                    swapped[[i, j]] = weights[[j, i]]
                    answer = subject.attend(target, swapped[None])[0]
                    distances.append(np.abs(answer - subject.probabilities).sum() / 2)
            expected.append(np.mean(distances))
        np.testing.assert_allclose(swap_scores(subject, target), expected, atol=1e-12)
        assert max(expected) > 1e-3


def test_even_attention_has_nothing_to_swap():
    subject = ToyExplainable(seed=1)
    subject._alpha = {target: rows * 0 + 1 / len(rows) for target, rows in subject._alpha.items()}
    np.testing.assert_allclose(swap_scores(subject, TEXT), 0, atol=1e-7)


def test_one_element_has_no_ranking():
    subject = ToyExplainable({TEXT: 1, ATTRIBUTE: 3})
    assert list(measure(subject, np.random.default_rng(0))) == [ATTRIBUTE]
    with pytest.raises(ValueError, match="no other"):
        swap_scores(subject, TEXT)


def test_the_same_seed_is_the_same_measurement():
    first, again, other = (
        measure(ToyExplainable(seed=2), np.random.default_rng(seed))[TEXT] for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first.comprehensiveness, again.comprehensiveness)
    assert not np.array_equal(first.comprehensiveness[-1], other.comprehensiveness[-1])
    np.testing.assert_array_equal(first.comprehensiveness[:-1], other.comprehensiveness[:-1])


def test_agreement_that_is_not_defined_is_left_out():
    flat = np.zeros((len(Ranking), len(SHARES)))
    taus = np.full((2, len(Ranking), len(Ranking)), np.nan)
    taus[0, 0, 1] = 0.5
    measured = summarise(TEXT, [Deletions(flat, flat, tau) for tau in taus], skipped=0)
    first, second = measured.pairs[:2]
    assert (first.tau.value, first.n) == (0.5, 1)
    assert (second.tau, second.n) == (None, 0)
    assert np.isnan(measured.agreement[0, 2])
    assert measured.agreement[0, 1] == measured.agreement[1, 0] == 0.5
