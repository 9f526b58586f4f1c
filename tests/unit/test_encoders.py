import pytest
import torch

from attendant.models.encoders import (
    CompactConfig,
    CompactEncoder,
    PaperConfig,
    PaperEncoder,
    read_config,
    read_paper_weights,
    split,
)
from attendant.types import GRID, REGIONS

COMPACT = CompactConfig(
    n_attributes=7,
    n_classes=5,
    stem_width=4,
    widths=(4, 4, 6, 6),
    units=(0, 1, 0, 1),
    outputs=(3, 4, 5, 8),
    feature_width=9,
)
PAPER = PaperConfig(depths=(1, 2), widths=(8, 16), stem_width=4, chunk=60)


@pytest.fixture
def pixels():
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (2, 448, 448, 3), dtype=torch.uint8, generator=generator)


@pytest.fixture
def compact():
    torch.manual_seed(0)
    return CompactEncoder(COMPACT).eval()


@pytest.fixture
def paper():
    torch.manual_seed(0)
    return PaperEncoder(PAPER).eval()


@torch.inference_mode()
def test_compact_shapes(compact, pixels):
    encoding = compact(pixels)
    assert encoding.regions.shape == (2, REGIONS, 8)
    assert encoding.attribute_logits.shape == (2, 7)
    assert encoding.regions.dtype == torch.float32
    assert compact.region_width == 8


@torch.inference_mode()
def test_compact_regions_are_row_major(compact, pixels):
    grid = compact.grid(pixels)
    regions = compact(pixels).regions
    for row, column in [(0, 0), (0, 13), (5, 2), (13, 0)]:
        torch.testing.assert_close(regions[:, row * GRID + column], grid[:, :, row, column])


@torch.inference_mode()
def test_a_cell_of_the_picture_moves_the_regions_around_it(compact, pixels):
    changed = pixels.clone()
    row, column = 3, 9
    changed[:, row * 32 : (row + 1) * 32, column * 32 : (column + 1) * 32] = 0
    moved = (compact(changed).regions - compact(pixels).regions).norm(dim=-1).reshape(2, GRID, GRID)
    share = moved / moved.sum((1, 2), keepdim=True)
    cells = torch.arange(GRID)
    assert share.sum(2) @ cells.float() == pytest.approx([row, row], abs=1.5)
    assert share.sum(1) @ cells.float() == pytest.approx([column, column], abs=1.5)


def test_stages_end_where_the_teacher_does():
    """Their maps are centred on pixels 8i + 7, 16i + 15, 32i + 15 and 32i + 15 (`training.teacher.DEPTHS`)."""
    encoder = CompactEncoder(COMPACT).eval()
    for module in encoder.modules():
        if isinstance(module, torch.nn.Conv2d):  # every pixel in a receptive field counts alike
            torch.nn.init.constant_(module.weight, 0.1)
            if module.bias is not None:
                torch.nn.init.zeros_(module.bias)
    pixels = torch.full((1, 3, 448, 448), 0.5, requires_grad=True)
    x = pixels
    for stage, stride, centre in zip(encoder.stages, (8, 16, 32, 32), (7, 15, 15, 15), strict=True):
        x = stage(x)
        assert x.shape[-2:] == (448 // stride, 448 // stride)
        middle = 224 // stride
        (seen,) = torch.autograd.grad(x[0, :, middle, middle].sum(), pixels, retain_graph=True)
        rows = seen.sum((0, 1, 3)).double()
        found = (rows @ torch.arange(448.0).double() / rows.sum()).item()
        assert found == pytest.approx(stride * middle + centre, abs=0.6)


@torch.inference_mode()
def test_rows_are_independent(compact, pixels):
    together = compact(pixels)
    alone = compact(pixels[1:])
    torch.testing.assert_close(together.regions[1:], alone.regions, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(together.attribute_logits[1:], alone.attribute_logits, atol=1e-5, rtol=1e-5)


def test_split_is_row_major():
    rows = torch.arange(448).div(32, rounding_mode="floor")
    numbers = (rows[:, None] * GRID + rows[None, :]).reshape(1, 448, 448, 1)
    cells = split(numbers)
    assert cells.shape == (REGIONS, 32, 32, 1)
    assert torch.equal(cells, torch.arange(REGIONS).reshape(-1, 1, 1, 1).expand_as(cells))


@torch.inference_mode()
def test_paper_encoder_sees_each_crop_alone(paper, pixels):
    encoding = paper(pixels)
    assert encoding.regions.shape == (2, REGIONS, 16)
    assert encoding.attribute_logits is None
    region = 6 * GRID + 11
    crop = pixels[1:, 6 * 32 : 7 * 32, 11 * 32 : 12 * 32]
    torch.testing.assert_close(encoding.regions[1, region], paper.crop_features(crop)[0])


@torch.inference_mode()
def test_chunks_do_not_change_the_answer(paper, pixels):
    whole = PaperEncoder(PaperConfig((1, 2), (8, 16), 4, chunk=1000)).eval()
    whole.load_state_dict(paper.state_dict())
    torch.testing.assert_close(paper(pixels[:1]).regions, whole(pixels[:1]).regions, atol=1e-6, rtol=1e-5)


def test_paper_encoder_is_resnet_50():
    with torch.device("meta"):
        encoder = PaperEncoder(PaperConfig())
    convolutions = sum(p.numel() for name, p in encoder.named_parameters() if "conv" in name)
    assert convolutions == 23_454_912  # those of the published ResNet-50
    assert encoder.region_width == 2048
    assert "stages.3.blocks.0.downsample.conv.weight" in encoder.state_dict()


def test_paper_weights_without_a_classifier_load(paper):
    brought = {name: tensor.clone() for name, tensor in paper.state_dict().items()}
    brought["head.fc.weight"] = torch.zeros(3, 16)
    other = PaperEncoder(PAPER)
    other.load_state_dict(read_paper_weights(brought))
    torch.testing.assert_close(other.stem["conv"].weight, paper.stem["conv"].weight)


def test_missing_paper_weights_are_found(paper):
    brought = dict(paper.state_dict())
    del brought["norm.weight"]
    with pytest.raises(RuntimeError, match=r"norm\.weight"):
        PaperEncoder(PAPER).load_state_dict(read_paper_weights(brought))


def test_config_chooses_the_encoder():
    read = read_config({"kind": "compact", "n_attributes": 7, "widths": [4, 4, 6, 8], "units": [0, 1, 0, 1]})
    assert read == CompactConfig(7, widths=(4, 4, 6, 8), units=(0, 1, 0, 1))
    paper = read_config({"kind": "paper", "depths": [1], "widths": [8], "stem_width": 4})
    assert paper == PaperConfig((1,), (8,), 4)


def test_config_refuses_what_it_does_not_know():
    with pytest.raises(ValueError, match="compact, paper"):
        read_config({"kind": "vit"})
    with pytest.raises(TypeError, match="colour"):
        read_config({"kind": "compact", "n_attributes": 3, "colour": 1})
