import numpy as np
import pytest
from random_samples import draw_samples
from sample_attention import outcome, random_explanation

from attendant.analysis import pools
from attendant.analysis.pools import IMPACT_SHARE, Pools, draw
from attendant.analysis.rows import DataError
from attendant.errors import AttendantError, invalid
from attendant.methods import Permutation
from attendant.statistics.samples import Statistic, sample, streams
from attendant.training.progress import Silent
from attendant.types import MODALITIES, ModelRef, Mosaic, Tweet

TEXT, IMAGE, ATTRIBUTE = MODALITIES


class Model:
    """Explains a tweet's number; refuses `bad`, and reads `other` as another set."""

    def __init__(self, digest="a"):
        self.ref = ModelRef("sarcasm", "1", digest)
        self.asked = 0

    def prepare(self, tweet):
        if tweet.text == "bad":
            raise invalid("instance.tweet", "bad")
        return tweet

    def inspect(self, tweets):
        self.asked += len(tweets)
        return [(explain(tweet), None) for tweet in tweets]


def explain(tweet):
    number = int(tweet.text) if tweet.text.isdigit() else 0
    modalities = (TEXT, ATTRIBUTE) if tweet.text == "other" else (TEXT,)
    return outcome(random_explanation(modalities, number))


@pytest.fixture(autouse=True)
def no_impacts(monkeypatch):
    """Impacts need a model behind the attention."""

    def answer(model, instances):
        prepared = []
        for instance in instances:
            try:
                prepared.append(model.prepare(instance))
            except AttendantError:
                continue
        return [(found, Permutation((), 0)) for found, _ in model.inspect(prepared)]

    monkeypatch.setattr(pools, "answer", answer)


def tweets(*texts):
    return tuple(map(Tweet, texts))


def test_what_was_explained_is_kept(tmp_path):
    model, asked = Model(), tweets(*map(str, range(20)))
    first = Pools(tmp_path / "kept", Silent()).explain(model, (TEXT,), asked, "replay")
    again = Pools(tmp_path / "kept", Silent()).explain(model, (TEXT,), asked, "replay")
    assert model.asked == 20
    expected = sample([explain(tweet) for tweet in asked])
    for found in (first, again):
        np.testing.assert_array_equal(found.values, expected.values)


def test_other_weights_or_requests_are_explained_anew(tmp_path):
    kept = Pools(tmp_path, Silent())
    other = Model("b")
    kept.explain(Model(), (TEXT,), tweets("1", "2"), "replay")
    kept.explain(other, (TEXT,), tweets("1", "2"), "replay")
    kept.explain(other, (TEXT,), tweets("12"), "replay")
    kept.explain(other, (TEXT,), (Tweet("12", attributes=("dog",)),), "replay")
    assert other.asked == 4
    assert len(list(tmp_path.iterdir())) == 4


def test_mosaics_have_digests_too():
    ref = ModelRef("sdc", "1", "a")
    points = [Mosaic(((1.0, 2.0), (3.0, 4.0))), Mosaic(((1.0, 2.0), (3.0, 5.0))), Mosaic((b"a", b"b"))]
    digests = {pools._digest(ref, (TEXT,), [mosaic]) for mosaic in points}
    assert len(digests) == 3


def test_a_file_that_was_cut_off_is_made_anew(tmp_path):
    model, asked = Model(), tweets("1", "2")
    whole = Pools(tmp_path, Silent()).explain(model, (TEXT,), asked, "replay")
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-5])
    again = Pools(tmp_path, Silent()).explain(model, (TEXT,), asked, "replay")
    assert model.asked == 4
    np.testing.assert_array_equal(again.values, whole.values)


def test_what_is_refused_or_of_another_set_is_left_out(tmp_path):
    kept = Pools(tmp_path, Silent())
    assert len(kept.explain(Model(), (TEXT,), tweets("bad", "other", "1"), "replay")) == 1
    with pytest.raises(DataError, match=r"of 2 requests \(replay\) the service reads none as text"):
        kept.explain(Model(), (TEXT,), tweets("bad", "other"), "replay")


def test_draws_are_rows_of_the_pool_and_few_have_impacts():
    rng = np.random.default_rng(0)
    pool = draw_samples(MODALITIES, 30, rng)
    drawn = draw(pool, 5_000, rng)
    impact = np.array([stream.statistic is Statistic.IMPACT for stream in streams(MODALITIES)])
    rows = {tuple(row) for row in pool.values[:, ~impact].tolist()}
    assert {tuple(row) for row in drawn.values[:, ~impact].tolist()} == rows
    measured = np.isfinite(drawn.values[:, impact])
    assert (measured.all(axis=1) == measured.any(axis=1)).all()
    assert measured.mean() == pytest.approx(IMPACT_SHARE, abs=0.01)
    assert np.isfinite(pool.values).all()
    assert drawn.maps.shape == (5_000, 4, 7, 7)
