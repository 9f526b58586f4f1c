"""Handlers opened from built archives, as a worker opens them: every model answers, whichever family it is of."""

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image
from small_fcam import METHODS, SEGMENTS, small_mosaic, write_small_sdc
from tiny_store import build_tiny_store

from attendant.archive import build_archives
from attendant.errors import Reason
from attendant.manifest import ManifestError, read_manifest, write_manifest
from attendant.methods import (
    AdversarialOptions,
    ErasureOptions,
    ExplainOptions,
    GradientOptions,
    LeaveOneOutOptions,
    PermutationOptions,
)
from attendant.models.focus_maps import Mechanism
from attendant.types import Instance, Mosaic, Tweet, WarningCode
from attendant.wire.envelope import Operation, Reply, Row
from attendant.wire.requests import encode_explain_request, encode_predict_request
from attendant.wire.responses import decode_explain_response, decode_predict_response
from handlers.worker import Context, Handler, open_archive

OPTIONS = ExplainOptions(
    permutation=PermutationOptions(),
    gradient=GradientOptions(),
    leave_one_out=LeaveOneOutOptions(),
    adversarial=AdversarialOptions(steps=5),
    erasure=ErasureOptions(),
)
MODELS = {"sdc-image": "image", "sdc-vector": "vector"}


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("archives")
    build_tiny_store(root / "store")
    for name, kind in MODELS.items():
        write_small_sdc(root / "store", name, Mechanism.HARD, kind=kind)
    for _ in build_archives(root / "store", root / "built"):
        pass
    return root / "built"


@pytest.fixture(scope="module")
def sdc(archives: Path) -> Iterator[tuple[Handler, Context]]:
    threads = torch.get_num_threads()
    yield open_archive(archives / "sdc")
    torch.set_num_threads(threads)  # a worker has the process to itself, and takes one


def ask(opened: tuple[Handler, Context], *rows: Row) -> list[Reply]:
    handler, context = opened
    return [Reply.from_bytes(reply) for reply in handler.handle([row.to_entries() for row in rows], context)]


def predict(model: str, instance: Instance) -> Row:
    return Row(Operation.PREDICT, encode_predict_request(model, instance), model, "1")


def explain(model: str, instance: Instance, options: ExplainOptions) -> Row:
    return Row(Operation.EXPLAIN, encode_explain_request(model, instance, options=options), model, "1")


def test_a_batch_of_mosaics_for_several_models(sdc: tuple[Handler, Context]) -> None:
    rows = [
        predict("sdc-image", small_mosaic()),
        predict("sdc-vector", small_mosaic("vector")),
        explain("sdc-image", small_mosaic(foreground_index=1), ExplainOptions()),
        explain("sdc-vector", small_mosaic("vector", foreground_index=0), OPTIONS),
        Row(Operation.DESCRIBE, b"", "sdc-vector", "1"),
    ]
    *replies, described = ask(sdc, *rows)
    assert described.runtime is not None
    assert [reply.failure for reply in replies] == [None] * 4
    first, second = (decode_predict_response(reply.response) for reply in replies[:2])
    assert (first.model.name, second.model.name) == ("sdc-image", "sdc-vector")
    alone, whole = (decode_explain_response(reply.response) for reply in replies[2:])
    assert alone.prediction == first.prediction
    assert alone.focus.is_true is (alone.focus.index == 1)
    assert whole.prediction == second.prediction
    assert len(whole.attention.vectors[0].weights) == SEGMENTS
    for method in METHODS:
        assert getattr(whole.explanations, method) is not None


def test_what_is_no_mosaic_of_the_models_is_refused_alone(sdc: tuple[Handler, Context]) -> None:
    rows = [
        predict("sdc-image", Tweet("so much fun")),
        predict("sdc-image", small_mosaic("vector", foreground_index=7)),
        predict("sdc-image", Mosaic(())),
        predict("sdc-image", small_mosaic()),
    ]
    *refused, answered = ask(sdc, *rows)
    assert answered.failure is None
    assert {reply.failure.reason for reply in refused} == {Reason.INVALID_INPUT}
    fields = [[violation.field for violation in reply.failure.violations] for reply in refused]
    assert fields == [
        ["instance"],
        ["instance.mosaic.foreground_index", *(f"instance.mosaic.segments[{i}]" for i in range(3))],
        ["instance.mosaic.segments"],
    ]


def test_warnings_reach_the_caller(sdc: tuple[Handler, Context]) -> None:
    grey = io.BytesIO()
    Image.new("L", (32, 32)).save(grey, "PNG")
    (reply,) = ask(sdc, predict("sdc-image", Mosaic((grey.getvalue(),) * SEGMENTS)))
    codes = [warning.code for warning in decode_predict_response(reply.response).warnings]
    assert codes[0] == WarningCode.IMAGE_CONVERTED


def test_the_sarcasm_handler_opens_its_own(archives: Path) -> None:
    opened = open_archive(archives / "sarcasm")
    (answered, refused) = ask(
        opened, predict("sarcasm", Tweet("so much fun")), predict("sarcasm", small_mosaic())
    )
    assert answered.failure is None
    assert refused.failure.reason is Reason.INVALID_INPUT


def test_a_batch_has_the_time_that_the_archive_says(archives: Path, sdc: tuple[Handler, Context]) -> None:
    handler, _ = sdc
    config = yaml.safe_load((archives / "sdc" / "model-config.yaml").read_text())
    assert handler._seconds == config["responseTimeout"] == 30


def test_only_methods_on_offer_are_warmed_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = write_small_sdc(tmp_path / "store", kind="vector")
    write_manifest(tmp_path / "store" / "sdc-small", replace(manifest, methods=("erasure",)))
    (archive,) = build_archives(tmp_path / "store", tmp_path / "built")
    asked = []
    monkeypatch.setattr(
        "handlers.batch.explain", lambda _subject, options, _deadline: asked.append(options.methods)
    )
    open_archive(archive)
    assert asked == [("erasure",)]


def test_a_changed_file_stops_the_worker(tmp_path: Path) -> None:
    write_small_sdc(tmp_path / "store", kind="vector")
    (archive,) = build_archives(tmp_path / "store", tmp_path / "built")
    config = archive / "sdc-small" / "1" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"mechanism": "hard"}))
    with pytest.raises(ManifestError, match=r"config\.json: it"):
        open_archive(archive)
    assert read_manifest(archive / "sdc-small").mosaic is not None
