import numpy as np
import pytest
import torch

from attendant.models.hfm import HfmConfig
from attendant.training.checkpoints import Checkpoint
from attendant.training.examples import Example, Modalities, Noise
from attendant.training.fusion import FusionRecipe, FusionTraining, Source, fresh_model, predict, probability
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


def make(patience=2, epochs=4, count=40):
    sources = [
        Source(examples(count), Modalities((("TA", 0.8), ("T", 0.2))), Noise(token=0.05, attribute=0.1), 8),
        Source(examples(12, picture=True), ALL, Noise(), 4),
    ]
    recipe = FusionRecipe(epochs=epochs, patience=patience, learning_rate=1e-2, averaging=0.9)
    return FusionTraining(fresh_model(CONFIG, 1), sources, examples(30), REGIONS, recipe, CPU, seed=1)


def test_learns_what_there_is_to_learn(tmp_path):
    training = make(patience=9, epochs=9, count=160)
    run_stage("fusion", training, 9, Checkpoint(tmp_path / "a.pt", "x"), Silent())
    held_out = examples(50)
    logits = predict(training.best(), held_out, "TA", REGIONS, CPU)
    wanted = np.array([example.target for example in held_out])
    assert ((probability(logits) >= 0.5) == wanted).mean() > 0.9


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
        lines.append(training.run_epoch(0, lambda done, total: None))
        run_stage("fusion", training, 0, Checkpoint(tmp_path / f"{number}.pt", "x"), Silent())
    assert lines[0] == lines[1]


def test_stops_when_it_no_longer_gets_better(tmp_path):
    training = make(patience=1, epochs=30)
    run_stage("fusion", training, 30, Checkpoint(tmp_path / "a.pt", "x"), Silent())
    assert training.finished
    assert torch.load(tmp_path / "a.pt", weights_only=True)["state"]["epoch"] < 30


@pytest.mark.parametrize("modalities", ["TIA", "TA", "T", "A", "I"])
def test_predictions_do_not_depend_on_their_neighbours(modalities):
    model = make().model
    shown = examples(9, picture=True)
    together = predict(model, shown, modalities, REGIONS, CPU)
    alone = [predict(model, [example], modalities, REGIONS, CPU)[0] for example in shown]
    np.testing.assert_allclose(together, alone, atol=1e-5)
