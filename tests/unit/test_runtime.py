"""ONNX Runtime sessions: what was obtained is what is reported."""

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from structlog.testing import capture_logs

from attendant.models import runtime
from attendant.models.runtime import CPU, CUDA, available_threads, choose_device, open_session
from attendant.types import Runtime


@pytest.fixture
def doubling(tmp_path: Path) -> Path:
    """A model with y = x + x and z = x * x."""
    x, y, z = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in "xyz")
    nodes = [helper.make_node("Add", ["x", "x"], ["y"]), helper.make_node("Mul", ["x", "x"], ["z"])]
    model = helper.make_model(
        helper.make_graph(nodes, "doubling", [x], [y, z]), opset_imports=[helper.make_opsetid("", 17)]
    )
    model.ir_version = 8
    path = tmp_path / "doubling.onnx"
    onnx.save(model, path)
    return path


def test_outputs_come_in_the_order_asked_for(doubling: Path) -> None:
    session = open_session(doubling, device="cpu")
    assert session.outputs == ("y", "z")
    z, y = session.run(("z", "y"), {"x": np.array([3, 4], np.float32)})
    assert y.tolist() == [6, 8]
    assert z.tolist() == [9, 16]


def test_the_runtime_is_what_was_obtained(doubling: Path) -> None:
    session = open_session(doubling, threads=1, device="cpu")
    assert session.provider == CPU
    assert session.runtime == Runtime("cpu", CPU, 1)
    assert open_session(doubling, device="cpu").runtime.threads == available_threads()


def test_cuda_that_is_not_there_is_said_once_and_the_cpu_used(
    doubling: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "_built_for_cuda", lambda: False)
    runtime._say_not_obtained.cache_clear()
    with capture_logs() as lines:
        session = open_session(doubling, device="cuda:0")
        open_session(doubling, device="cuda:0")
    assert session.runtime.device == "cpu"
    assert [(line["event"], line["asked"], line["provider"]) for line in lines] == [
        ("device_not_obtained", "cuda:0", CPU)
    ]
    with capture_logs() as lines:
        open_session(doubling, device="cpu")
    assert lines == []


@pytest.mark.parametrize(
    ("wanted", "built", "device"),
    [
        ("auto", False, "cpu"),
        ("auto", True, "cuda:0"),
        ("cpu", True, "cpu"),
        ("cuda", False, "cuda:0"),
        (None, False, "cpu"),
    ],
)
def test_choose_device(wanted: str | None, built: bool, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_built_for_cuda", lambda: built)
    if wanted is None:
        monkeypatch.delenv("ATTENDANT_DEVICE", raising=False)
    else:
        monkeypatch.setenv("ATTENDANT_DEVICE", wanted)
    assert choose_device() == device


def test_an_unknown_device_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTENDANT_DEVICE", "tpu")
    with pytest.raises(ValueError, match="ATTENDANT_DEVICE is 'tpu'"):
        choose_device()


def test_telemetry_is_off() -> None:
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"


@pytest.mark.gpu
@pytest.mark.skipif(not runtime._built_for_cuda(), reason="onnxruntime-gpu is not installed")
def test_cuda_is_obtained(doubling: Path) -> None:
    session = open_session(doubling, device="cuda:0")
    assert session.runtime == Runtime("cuda:0", CUDA, available_threads())
    (y,) = session.run(("y",), {"x": np.array([3], np.float32)})
    assert y.tolist() == [6]


def test_a_worker_takes_the_cores_that_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    cores = len(os.sched_getaffinity(0))
    monkeypatch.delenv("ATTENDANT_THREADS", raising=False)
    assert available_threads() == cores
    for wanted, given in (("1", 1), (str(cores), cores), ("4096", cores)):
        monkeypatch.setenv("ATTENDANT_THREADS", wanted)
        assert available_threads() == given


@pytest.mark.parametrize("wanted", ["0", "-1", "two", "1.5", ""])
def test_a_number_of_cores_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, wanted: str) -> None:
    monkeypatch.setenv("ATTENDANT_THREADS", wanted)
    with pytest.raises(ValueError, match=f"ATTENDANT_THREADS is '{wanted}'; it is a number of cores"):
        available_threads()
