"""A model store whose model has a drawn reference, and explanations that are like it or drift away from it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from safetensors.numpy import load
from sample_attention import SETS, TEXT
from sample_models import manifest, version

from attendant.manifest import REFERENCE, describe, write_manifest
from attendant.statistics.references import Origin, Reference, ReferenceSet, write_reference
from attendant.statistics.samples import Samples, map_sources, streams
from services.monitor.references import Name

SARCASM, IRONY = Name("sarcasm", "1"), Name("irony", "1")  # with a reference, and without
EVERYTHING = SETS[-1]
ROWS = 800  # in the reference


def digest_of(name=SARCASM) -> str:
    return version(name.version).digest


def draw(modalities=(TEXT,), count=1, seed=0, drift=0.0) -> Samples:
    """Uniform in [0, 1], raised to the power of 1 + drift."""
    generator = np.random.default_rng(seed)
    values = generator.random((count, len(streams(modalities)))) ** (1 + drift)
    maps = generator.dirichlet(np.ones(49), (count, len(map_sources(modalities))))
    shaped = maps.reshape(*maps.shape[:2], 7, 7)
    return Samples(tuple(modalities), values.astype(np.float32), shaped.astype(np.float16))


def draw_reference(digest=None) -> Reference:
    origin = Origin("sarcasm", "1", digest or digest_of(), "drawn", "none", 0, "all")
    sets = [draw(modalities, ROWS, 100 + number) for number, modalities in enumerate(((TEXT,), EVERYTHING))]
    return Reference(origin, tuple(ReferenceSet(found, "drawn", ROWS, 0) for found in sets))


def write_watched_store(folder: Path, digest=None) -> Path:
    """`sarcasm` 1 has a reference for text alone and for all three modalities; `irony` 1 has none."""
    for name in ("sarcasm", "irony"):
        (folder / name / "1").mkdir(parents=True)
    path = folder / "sarcasm" / "1" / "reference.safetensors"
    write_reference(path, draw_reference(digest))
    shipped = version("1")
    watched = replace(shipped, files=shipped.files | {REFERENCE: describe(folder / "sarcasm", path)})
    write_manifest(folder / "sarcasm", manifest(versions={"1": watched}))
    write_manifest(folder / "irony", manifest("irony", versions={"1": shipped}))
    return folder


def arrays(state: bytes) -> dict[str, np.ndarray]:
    """Of a detector's state, for `assert_array_equal`: a NaN may have either sign."""
    return load(state.partition(b"\n")[2] if state.startswith(b"{") else state)


def assert_same(first: bytes, second: bytes) -> None:
    """Two states of one detector, or of a watch."""
    found, expected = arrays(first), arrays(second)
    assert found.keys() == expected.keys()
    for name, array in found.items():
        np.testing.assert_array_equal(array, expected[name], name)
