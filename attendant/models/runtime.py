"""ONNX Runtime: where a model really runs. The only importer of onnxruntime."""

import io
import os
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

# onnxruntime sends telemetry from Linux wheels unless told otherwise before it is imported
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime

from attendant.manifest import FileEntry, read_verified
from attendant.model_files import check_graph
from attendant.types import Runtime

DEVICE_VARIABLE = "ATTENDANT_DEVICE"
THREADS_VARIABLE = "ATTENDANT_THREADS"
CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
_ERRORS_ONLY, _FATAL_ONLY = 3, 4

log = structlog.get_logger(__name__)


class Session:
    """One ONNX model, loaded. `runtime` is what was obtained, not what was asked for."""

    def __init__(self, session: Any, threads: int) -> None:
        self._session = session
        provider = str(session.get_providers()[0])
        self.runtime = Runtime("cuda:0" if provider == CUDA else "cpu", provider, threads)
        self.outputs = tuple(str(output.name) for output in session.get_outputs())

    @property
    def provider(self) -> str:
        return self.runtime.provider

    def run(
        self, outputs: Sequence[str], feeds: Mapping[str, NDArray[Any]]
    ) -> tuple[NDArray[np.float32], ...]:
        """The named outputs, in that order. Safe to call from several threads."""
        return tuple(self._session.run(list(outputs), dict(feeds)))


def choose_device() -> str:
    """Where ATTENDANT_DEVICE says: `cpu`, or `cuda:0` for cuda, and for auto where the wheel is built for it.

    Whether CUDA is really there only a session tells: see `open_session`. ValueError for another value.
    """
    wanted = os.environ.get(DEVICE_VARIABLE, "auto")
    if wanted not in ("auto", "cpu", "cuda"):
        raise ValueError(f"{DEVICE_VARIABLE} is {wanted!r}; it is one of: auto, cpu, cuda")
    if wanted == "cuda" or (wanted == "auto" and _built_for_cuda()):
        return "cuda:0"
    return "cpu"


def available_threads() -> int:
    """The cores that this process may use: ATTENDANT_THREADS where it is set, at most those that there are.

    A container sees all cores of its node, whatever share of them it was given: it has to be told. Raises ValueError
    where the variable is no positive number.
    """
    cores = len(os.sched_getaffinity(0))
    wanted = os.environ.get(THREADS_VARIABLE)
    if wanted is None:
        return cores
    if not wanted.isdecimal() or int(wanted) < 1:
        raise ValueError(f"{THREADS_VARIABLE} is {wanted!r}; it is a number of cores, at least 1")
    return min(int(wanted), cores)


@cache
def still_blas() -> None:
    """Give numpy's products one thread in this process, for good.

    OpenBLAS's threads spin while they wait for each other: where other work has the cores, a product of microseconds
    then takes milliseconds (500 steps of adversarial attention: 0.1 s with one thread, 1 to 8 s with two).
    """
    threadpool_limits(1, user_api="blas")


def open_verified(folder: Path, entry: FileEntry) -> Session:
    """`open_session` for a graph of a model folder, which raises ManifestError where it is not the one of the manifest.

    ONNX Runtime is given the bytes that were checked, not the file.
    """
    content = read_verified(folder, entry)
    check_graph(folder / entry.path, content)
    return open_session(content)


def open_session(graph: Path | bytes, threads: int | None = None, device: str | None = None) -> Session:
    """Load an ONNX graph of our own making, with `threads` to an operator (all cores unless told otherwise).

    `device` is `choose_device()` unless told otherwise. Where CUDA is asked for and not obtained, one line in the
    log says so and the CPU is used.
    """
    threads = threads or available_threads()
    device = device or choose_device()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    options.add_session_config_entry(
        "session.intra_op.allow_spinning", "0"
    )  # idle threads leave the cores alone
    # 8-bit sums must not overflow; with VNNI they cannot, and the slower way round would be taken all the same
    options.add_session_config_entry("session.x64quantprecision", "0" if _has_vnni() else "1")
    session = Session(onnxruntime.InferenceSession(graph, options, providers=_providers(device)), threads)
    if session.runtime.device != device:
        _say_not_obtained(device, session.provider)
    return session


@cache
def _has_vnni() -> bool:
    """Whether the processor adds products of 8-bit integers in 32 bits."""
    flags = Path("/proc/cpuinfo")
    return flags.exists() and "vnni" in flags.read_text(encoding="utf-8")


def _providers(device: str) -> list[str | tuple[str, dict[str, str]]]:
    if device == "cpu" or not _built_for_cuda():
        return [CPU]
    _preload_cuda()
    # TF32 would round the factors of float32 products to 10 bits
    return [(CUDA, {"use_tf32": "0"}), CPU]


def _built_for_cuda() -> bool:
    return CUDA in onnxruntime.get_available_providers()


@cache
def _preload_cuda() -> None:
    """Let ONNX Runtime find the CUDA libraries that came as wheels; should it not, `_say_not_obtained` says so."""
    onnxruntime.set_default_logger_severity(_FATAL_ONLY)
    with redirect_stdout(io.StringIO()):  # it prints what it does not find
        onnxruntime.preload_dlls()


@cache
def _say_not_obtained(asked: str, provider: str) -> None:
    """Once a process, however many models it opens."""
    log.warning("device_not_obtained", asked=asked, provider=provider)
