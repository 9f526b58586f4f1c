"""References: what is written is what is read, and nothing else is."""

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load, save
from sample_attention import IMAGE, SETS, TEXT, focus_on, outcome, random_explanation

from attendant.methods import Permutation, PermutationImpact
from attendant.statistics.references import (
    BadReference,
    Origin,
    Reference,
    ReferenceSet,
    read_reference,
    write_reference,
)
from attendant.statistics.samples import FUSION, MOSAIC, Statistic, Stream, sample, streams
from attendant.types import Modality

ORIGIN = Origin("sarcasm", "1", "a" * 64, "CPUExecutionProvider on cpu", "tweets", 1, "a rule, für Tests")
KEY = "text/max_weight/text/text"
RISK = "segment/focus_risk"
IMPACT = Stream(Statistic.IMPACT, TEXT)


def permuted(modalities, impact: float) -> Permutation:
    targets = (*modalities, None) if len(modalities) > 1 else modalities
    impacts = tuple(
        PermutationImpact(target, impact, 0, (0, 1), 0, 0, 0, 10, exhaustive=False) for target in targets
    )
    return Permutation(impacts, 0)


def made_of(seeds: list[int]) -> Reference:
    """Every other explanation has no impacts; the first of them has."""
    answers = np.linspace(0, 1, len(seeds))
    sets = []
    for modalities in (*SETS, MOSAIC):
        outcomes = [
            outcome(focus_on(np.random.default_rng(seed).dirichlet(np.ones(9))), answer, risk=answer / 2)
            if modalities == MOSAIC
            else outcome(random_explanation(modalities, seed), answer)
            for seed, answer in zip(seeds, answers, strict=True)
        ]
        impacts = [None if row % 2 else permuted(modalities, answers[row] / 4) for row in range(len(seeds))]
        sets.append(ReferenceSet(sample(outcomes, impacts), "drawn", 2 * len(seeds), 1))
    return Reference(ORIGIN, tuple(sets))


def written(path: Path, reference: Reference) -> str:
    """Its SHA-256."""
    write_reference(path, reference)
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "reference.safetensors"


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=4))
def test_read_gives_back_what_was_written(tmp_path_factory: pytest.TempPathFactory, seeds: list[int]) -> None:
    path = tmp_path_factory.mktemp("references") / "reference.safetensors"
    reference = made_of(seeds)
    again = read_reference(path, written(path, reference))
    assert again.origin == ORIGIN
    assert [found.name for found in again.sets] == [found.name for found in reference.sets]
    for before, after in zip(reference.sets, again.sets, strict=True):
        np.testing.assert_array_equal(before.samples.values, after.samples.values)
        np.testing.assert_array_equal(before.samples.maps, after.samples.maps)
        assert replace(after, samples=before.samples) == before


def test_the_same_reference_has_the_same_bytes(path: Path) -> None:
    assert len({written(path, made_of([1, 2, 3])) for _ in range(5)}) == 1


def test_a_set_is_found_by_its_modalities(path: Path) -> None:
    reference = read_reference(path, written(path, made_of([1, 2])))
    found = reference.find((TEXT,))
    assert found is not None
    assert found.samples.column(Stream(Statistic.PROBABILITY)).tolist() == [0, 1]
    assert reference.find((IMAGE,)) is None


def test_mosaics_have_a_set_of_their_own(path: Path) -> None:
    found = read_reference(path, written(path, made_of([1, 2, 3]))).find((Modality.SEGMENT,))
    assert found is not None
    assert found.name == "segment"
    assert found.samples.column(Stream(Statistic.FOCUS_RISK)).tolist() == [0, 0.25, 0.5]
    assert found.modality_weights == {}
    assert list(found.impacts) == ["segment"]


def test_impacts_that_were_not_measured_stay_unknown(path: Path) -> None:
    for found in read_reference(path, written(path, made_of([1, 2, 3]))).sets:
        many = len(found.modalities) > 1
        assert list(found.impacts) == [*map(str, found.modalities), *([FUSION] if many else [])]
        for column in found.impacts.values():
            np.testing.assert_array_equal(column, [0, np.nan, 0.25])


def test_the_modality_weights_come_back_from_their_coordinates() -> None:
    for modalities, found in zip(SETS, made_of([4]).sets, strict=False):
        fusion = random_explanation(modalities, 4).vectors[-1].weights
        expected = fusion[fusion > 0] if len(modalities) > 1 else []
        np.testing.assert_allclose(
            [column[0] for column in found.modality_weights.values()], expected, rtol=1e-5
        )


def test_tensors_are_named_and_typed(path: Path) -> None:
    written(path, made_of([1, 2]))
    tensors = load(path.read_bytes())
    assert tensors[KEY].dtype == np.float32
    assert tensors["text+image+attribute/map/image/mean"].shape == (2, 7, 7)
    assert tensors["text+image+attribute/map/image/mean"].dtype == np.float16
    assert sum(key.startswith("text/") for key in tensors) == len(streams((TEXT,)))


def test_what_was_read_cannot_be_changed(path: Path) -> None:
    reference = read_reference(path, written(path, made_of([1])))
    with pytest.raises(ValueError, match="read-only"):
        reference.sets[0].samples.values[0, 0] = 1


def test_other_bytes_are_refused(path: Path) -> None:
    digest = written(path, made_of([1, 2]))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(BadReference, match=r"its sha256 is .* the manifest says") as caught:
        read_reference(path, digest)
    assert str(path) in str(caught.value)
    path.unlink()
    with pytest.raises(BadReference, match="No such file"):
        read_reference(path, digest)


def header_of(path: Path) -> dict[str, str]:
    content = path.read_bytes()
    return json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda tensors: tensors.pop(KEY), f"{KEY} is missing"),
        (lambda tensors: tensors.pop("text/probability"), "text/probability is missing or empty"),
        (lambda tensors: tensors.update({"more": np.zeros(1)}), "more belongs to no set"),
        (lambda tensors: tensors.update({KEY: np.zeros(2)}), "is float64 .* it must be float32"),
        (
            lambda tensors: tensors.update({KEY: np.zeros(5, np.float32)}),
            r"\(5,\); it must be float32 \(2,\)",
        ),
        (lambda tensors: tensors.update({KEY: np.full(2, np.nan, np.float32)}), "not finite"),
        (lambda tensors: tensors.update({RISK: np.full(2, np.nan, np.float32)}), f"{RISK} has .* not finite"),
        (lambda tensors: tensors.pop(f"text/{IMPACT.key}"), "text/impact/text is missing"),
        (lambda tensors: tensors[f"text/{IMPACT.key}"].fill(np.inf), "text/impact/text has .* not finite"),
    ],
)
def test_tensors_that_are_not_as_they_should_be_are_named(path: Path, change, said: str) -> None:
    written(path, made_of([1, 2]))
    tensors = load(path.read_bytes())
    change(tensors)
    path.write_bytes(save(tensors, header_of(path)))
    with pytest.raises(BadReference, match=said):
        read_reference(path, hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not a safetensors file"),
        (b"\xff" * 100, "not a safetensors file"),
        (save({"x": np.zeros(1)}), "no attendant.reference in its metadata"),
        (
            save({"x": np.zeros(1)}, {"attendant.reference": "{}"}),
            "attendant.reference: format: Field required",
        ),
    ],
)
def test_files_that_are_no_reference_are_refused(path: Path, content: bytes, said: str) -> None:
    path.write_bytes(content)
    with pytest.raises(BadReference, match=said):
        read_reference(path, hashlib.sha256(content).hexdigest())


def test_reading_references_does_not_import_torch() -> None:
    code = "import sys, attendant.statistics.references; sys.exit(bool({'torch', 'onnxruntime'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True)
