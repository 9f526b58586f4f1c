from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import expit

from attendant.models.hfm import HfmConfig
from attendant.training.checkpoints import Checkpoint
from attendant.training.examples import Example, Modalities, Noise, collate
from attendant.training.fusion import (
    FusionRecipe,
    FusionTraining,
    Source,
    Verdict,
    fresh_model,
    keep_image_side,
    predict,
)
from attendant.training.progress import Silent
from attendant.training.stages import run_stage

CONFIG = HfmConfig(
    12,
    8,
    6,
    embedding_width=8,
    attribute_width=6,
    hidden_width=5,
    image_width=7,
    fusion_width=6,
    classifier_width=4,
)
CPU = torch.device("cpu")
REGIONS = np.random.default_rng(0).normal(size=(4, 196, 6)).astype(np.float16)
ALL = Modalities((("TIA", 0.5), ("TA", 0.2), ("I", 0.3)))
VIEWS = ("TIA", "TI", "IA", "TA", "T", "A", "I")


def report(done, total):
    assert 1 <= done <= total


def examples(count, picture=False):
    """Word 5 stands in the sarcastic ones, word 6 in the others."""
    generator = np.random.default_rng(count)
    made = []
    for number in range(count):
        label = number % 2
        tokens = np.append(generator.integers(2, 5, generator.integers(1, 6)), 5 if label else 6)
        attributes = generator.integers(2, 8, 5)
        made.append(Example(tokens, attributes, float(label), number % 4 if picture else None))
    return made


def judge(model):
    shown = examples(30)
    right = (expit(predict(model, shown, "TA", REGIONS, CPU)) >= 0.5) == [e.target for e in shown]
    return Verdict(float(right.mean()), f"accuracy {right.mean():.4f}")


def make(patience=2, epochs=4, count=40, judge=judge):
    sources = [
        Source(examples(count), Modalities((("TA", 0.8), ("T", 0.2))), Noise(token=0.05, attribute=0.1), 8),
        Source(examples(12, picture=True), ALL, Noise(), 4, regions=49),
    ]
    recipe = FusionRecipe(epochs=epochs, patience=patience, learning_rate=2e-2, decay=0.9, averaging=0.9)
    return FusionTraining(fresh_model(CONFIG, 1), sources, judge, REGIONS, recipe, CPU, seed=1)


def test_learns_what_there_is_to_learn(tmp_path):
    training = make(patience=9, epochs=6, count=160)
    run_stage("fusion", training, 6, Checkpoint(tmp_path / "a.pt", "x"), Silent())
    held_out = examples(50)
    logits = predict(training.best(), held_out, "TA", REGIONS, CPU)
    wanted = np.array([example.target for example in held_out])
    assert ((expit(logits) >= 0.5) == wanted).mean() > 0.9


def test_interrupted_and_resumed_is_uninterrupted(tmp_path):
    straight, begun, resumed = make(), make(), make()
    run_stage("fusion", straight, 3, Checkpoint(tmp_path / "a.pt", "x"), Silent())
    run_stage("fusion", begun, 1, Checkpoint(tmp_path / "b.pt", "x"), Silent())
    run_stage("fusion", resumed, 3, Checkpoint(tmp_path / "b.pt", "x"), Silent())
    expected = straight.best().state_dict()
    for name, tensor in resumed.best().state_dict().items():
        assert torch.equal(tensor, expected[name]), name


def test_a_seed_decides_everything(tmp_path):
    lines = []
    for number in range(2):
        training = make()
        lines.append(training.run_epoch(0, report))
        run_stage("fusion", training, 0, Checkpoint(tmp_path / f"{number}.pt", "x"), Silent())
    assert lines[0] == lines[1]
    assert "accuracy" in lines[0]


def test_the_weights_judged_best_are_kept_and_worse_epochs_end_it(tmp_path):
    values = iter([0.3, 0.7, 0.7, 0.2, 0.9])
    judged = []

    def verdict(model):
        judged.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        return Verdict(next(values), "")

    training = make(patience=2, epochs=5, judge=verdict)
    run_stage("fusion", training, 5, Checkpoint(tmp_path / "a.pt", "x"), Silent())
    assert training.finished
    assert len(judged) == 4
    for name, tensor in training.best().state_dict().items():
        assert torch.equal(tensor, judged[1][name]), name
    assert not training.best().training


def test_no_answer_may_be_worse_than_none(tmp_path):
    training = make(epochs=1, judge=lambda _: Verdict(-3.5, "a loss, for instance"))
    run_stage("fusion", training, 1, Checkpoint(tmp_path / "a.pt", "x"), Silent())
    assert np.isfinite(predict(training.best(), examples(3), "TA", REGIONS, CPU)).all()


@pytest.mark.parametrize("modalities", ["TIA", "TA", "T", "A", "I"])
def test_predictions_do_not_depend_on_their_neighbours(modalities):
    model = make().model
    shown = examples(9, picture=True)
    together = predict(model, shown, modalities, REGIONS, CPU)
    alone = [predict(model, [example], modalities, REGIONS, CPU)[0] for example in shown]
    np.testing.assert_allclose(together, alone, atol=1e-5)


@pytest.fixture
def image_side():
    """A training of what an image touches."""
    pairs = Source(
        examples(40, picture=True), Modalities(tuple((view, 1.0) for view in VIEWS)), Noise(), 8, 49
    )
    recipe = FusionRecipe(epochs=1, learning_rate=1e-2, averaging=0.5)
    return FusionTraining(
        keep_image_side(fresh_model(CONFIG, 1)), [pairs], judge, REGIONS, recipe, CPU, seed=1
    )


def test_answers_without_an_image_stay_when_only_its_side_learns(image_side):
    shown = examples(9, picture=True)
    before = {view: predict(image_side.model, shown, view, REGIONS, CPU) for view in VIEWS}
    image_side.run_epoch(0, report)
    for view in VIEWS:
        after = predict(image_side.best(), shown, view, REGIONS, CPU)
        if "I" in view:
            assert np.abs(after - before[view]).max() > 1e-3, view
        else:
            np.testing.assert_array_equal(after, before[view])


def test_all_that_an_image_touches_learns(image_side):
    """What moves the answer to an image and no other answer is trained, row by row; what moves others is not."""
    model = fresh_model(CONFIG, 1)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    image_side.run_epoch(0, report)
    shown = examples(4, picture=True)
    plain, pictured = (predict(model, shown, view, REGIONS, CPU) for view in ("TA", "TIA"))
    generator = torch.Generator().manual_seed(0)
    for name, tensor in model.state_dict().items():
        moved = image_side.model.state_dict()[name] != before[name]
        rows = range(len(tensor)) if name.endswith("element.weight") else [slice(None)]
        for row in rows:
            saved = tensor[row].clone()
            tensor[row] += torch.randn(saved.shape, generator=generator)
            others = bool((predict(model, shown, "TA", REGIONS, CPU) != plain).any())
            image = np.abs(predict(model, shown, "TIA", REGIONS, CPU) - pictured).max() > 1e-6
            tensor[row] = saved
            if others or image:  # a softmax does not mind its scores' bias
                assert bool(moved[row].any()) == (not others), (name, row)


def train_on_meanings(modalities, weight, epochs=5):
    """The lines of the epochs, where sarcasm is a coin's throw and a sentence means which of two words it has."""
    made = [replace(example, target=0.5, meaning=row) for row, example in enumerate(examples(64))]
    meanings = np.array([[1.0 if 5 in example.tokens else -1.0] for example in made], np.float32)
    training = FusionTraining(
        fresh_model(CONFIG, 1),
        [Source(made, Modalities(((modalities, 1.0),)), Noise(), 8)],
        lambda _: Verdict(0.0, ""),
        REGIONS,
        FusionRecipe(learning_rate=2e-2, decay=0.9, meaning_weight=weight),
        CPU,
        1,
        meanings,
    )
    lines = [training.run_epoch(epoch, report) for epoch in range(epochs)]
    return [float(line.split()[2].rstrip(";")) for line in lines]


def test_a_sentence_s_meaning_is_learnt_from_its_tokens():
    losses = train_on_meanings("TA", 1.0)
    assert losses[-1] < np.log(2) + 0.2  # a coin's throw costs ln 2, meanings of variance 1 cost 1 at first


def test_without_its_text_a_sentence_means_nothing():
    np.testing.assert_allclose(train_on_meanings("A", 1.0, 2), train_on_meanings("A", 0.0, 2))


def train_on_focus(weight, epochs=3):
    """Where an image is looked at, where the words seen stand in regions whose first feature is high."""
    focus = REGIONS[..., 0].astype(np.float32)
    focus = (np.exp(focus) / np.exp(focus).sum(1, keepdims=True)).astype(np.float16)
    shown = examples(48, picture=True)
    training = FusionTraining(
        keep_image_side(fresh_model(CONFIG, 1)),
        [Source(shown, Modalities((("TIA", 0.5), ("I", 0.5))), Noise(), 8, 49)],
        lambda _: Verdict(0.0, ""),
        REGIONS,
        FusionRecipe(learning_rate=2e-2, meaning_weight=0.0, focus_weight=weight),
        CPU,
        1,
        focus=focus,
    )
    for epoch in range(epochs):
        training.run_epoch(epoch, report)
    batch = collate(shown[:4], np.ones((4, 3), bool), REGIONS)
    with torch.inference_mode():
        attention = training.model.eval()(batch).representation.image.numpy()  # 4 x 3 sources x R
    return [np.corrcoef(attention[row, source], focus[row])[0, 1] for row in range(4) for source in range(3)]


def test_an_image_is_looked_at_where_its_words_are_seen():
    assert min(train_on_focus(1.0)) > 0.6
    assert np.mean(train_on_focus(0.0)) < 0.4


def test_where_no_image_is_shown_no_focus_is_asked_for():
    training = FusionTraining(
        fresh_model(CONFIG, 1),
        [Source(examples(8, picture=True), Modalities((("TA", 1.0),)), Noise(), 8)],
        judge,
        REGIONS,
        FusionRecipe(meaning_weight=0.0, focus_weight=1.0),
        CPU,
        1,
        focus=np.full((4, 196), 1 / 196, np.float16),
    )
    assert "training loss" in training.run_epoch(0, report)
