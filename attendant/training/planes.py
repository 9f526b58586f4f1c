"""Training FCAM on mosaics of points of the plane: small networks, seconds each.

A training has one thread to itself, which for arrays this small is faster than several, and ends alike on every run.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import torch
from torch import Tensor

from attendant.analysis.dynamics import Course, Look, share_out
from attendant.models.fcam import Fcam, FcamConfig, VectorNetworks, build_fcam
from attendant.models.focus_maps import Mechanism
from attendant.models.segments import prepare
from attendant.training.mosaics import CLUSTERS, PLANE_MOSAICS, Mosaics, Split, plane_mosaics
from attendant.training.sdc import Step, answer, fixed_steps

CPU = torch.device("cpu")
CLUSTER_MOSAICS = 1_000  # in training, and as many held out


class Optimizer(StrEnum):
    SGD = "sgd"
    ADAM = "adam"


@dataclass(frozen=True)
class PlaneRecipe:
    """What decides how a model is trained, but for its config, data and seed."""

    optimizer: Optimizer = Optimizer.ADAM
    learning_rate: float = 0.01
    momentum: float = 0.9  # of SGD
    epochs: int = 600
    batch: int = PLANE_MOSAICS  # mosaics a step


@dataclass(frozen=True)
class PlaneTraining:
    """A model in evaluation mode, the weights that it started from, and how it came about."""

    initial: dict[str, Tensor]
    model: Fcam
    course: Course


CLUSTER_RECIPE = PlaneRecipe(learning_rate=0.005, epochs=40, batch=50)
CLUSTER_NETWORKS = VectorNetworks(2, (50, 50), (50,))


def train_plane(
    name: str,
    config: FcamConfig,
    recipe: PlaneRecipe,
    training: Mosaics,
    held_out: Mosaics,
    *,
    seed: int,
    looks: Collection[int],
) -> PlaneTraining:
    """Looks at the model before the first epoch, after those in `looks`, and after the last."""
    with _one_thread(), torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        model = build_fcam(config)
        initial = {part: tensor.clone() for part, tensor in model.state_dict().items()}
        optimizer = _optimizer(model, recipe)
        rng = np.random.default_rng(seed)
        seen = [_look(0, model, training, held_out)]
        for epoch in range(1, recipe.epochs + 1):
            model.train()
            for step in fixed_steps(training, recipe.batch, rng):
                optimizer.zero_grad()
                _loss(model, training, step).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            if epoch in looks or epoch == recipe.epochs:
                seen.append(_look(epoch, model, training, held_out))
    return PlaneTraining(initial, model.eval(), Course(name, tuple(seen)))


def train_clusters(mechanism: Mechanism, seed: int, recipe: PlaneRecipe = CLUSTER_RECIPE) -> Course:
    """On the authors' clusters, moved and scaled to mean 0 and deviation 1: as they lie, few seeds learn anything."""
    drawn = [plane_mosaics(CLUSTERS, CLUSTER_MOSAICS, split=split) for split in (Split.TRAINING, Split.TEST)]
    centre, scale = drawn[0].bank.mean(axis=0), drawn[0].bank.std(axis=0)
    training, held_out = (replace(part, bank=(part.bank - centre) / scale) for part in drawn)
    config = FcamConfig(mechanism, 0, training.segments, training.classes, CLUSTER_NETWORKS)
    looks = range(recipe.epochs)
    return train_plane(mechanism, config, recipe, training, held_out, seed=seed, looks=looks).course


def _optimizer(model: Fcam, recipe: PlaneRecipe) -> torch.optim.Optimizer:
    if recipe.optimizer is Optimizer.ADAM:
        return torch.optim.Adam(model.parameters(), recipe.learning_rate)
    return torch.optim.SGD(model.parameters(), recipe.learning_rate, recipe.momentum)


def _look(epoch: int, model: Fcam, training: Mosaics, held_out: Mosaics) -> Look:
    shares = [share_out(answer(model, mosaics, CPU)) for mosaics in (training, held_out)]
    whole = Step(np.arange(len(training.bank)), training.indices, training.labels)
    with torch.no_grad():
        loss = float(_loss(model, training, whole))
    return Look(epoch, loss, *shares)


def _loss(model: Fcam, mosaics: Mosaics, step: Step) -> Tensor:
    elements = prepare(mosaics.bank[step.images], CPU)
    indices, labels = torch.from_numpy(step.indices), torch.from_numpy(step.labels)
    return model.loss(model.encode(elements, indices), labels)


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
