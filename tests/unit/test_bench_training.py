import torch

from attendant.models.fcam import FcamConfig, ImageNetworks, build_fcam
from attendant.models.focus_maps import Mechanism
from benchmarks.training import BATCH, CLASSES, SEGMENTS, draw, looped, stepping, together


def test_the_loop_computes_the_same() -> None:
    """With the running averages of batch norm: in training each call has averages of its own."""
    torch.manual_seed(0)
    model = build_fcam(
        FcamConfig(Mechanism.SOFTMAX, 0, SEGMENTS, CLASSES, ImageNetworks((4, 4, 6), 8))
    ).eval()
    targets = torch.arange(BATCH) % CLASSES
    with torch.no_grad():
        ways = (together(BATCH * SEGMENTS), looped(BATCH), looped(1))
        expected, *losses = [model.loss(encode(model), targets) for encode in ways]
    for loss in losses:
        torch.testing.assert_close(loss, expected)


def test_shared_pictures_are_fewer_and_all_of_a_mosaics() -> None:
    elements, indices = draw(20)
    assert elements.shape == (20, 3, 32, 32)
    assert indices.shape == (BATCH, SEGMENTS)
    assert set(indices.flatten().tolist()) == set(range(20))


def test_a_step_trains() -> None:
    stepping(together(20))()
