"""Where a training runs and in which precision, and how its random numbers are fixed."""

from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import torch

from attendant.errors import AttendantError


def choose_device(name: str) -> torch.device:
    """`auto` (CUDA where there is one), cpu or cuda. Raises AttendantError where CUDA is asked for and missing."""
    cuda = torch.cuda.is_available()
    if name == "cuda" and not cuda:
        raise AttendantError("there is no CUDA device here; use --device auto or cpu")
    return torch.device("cuda" if name == "cuda" or (name == "auto" and cuda) else "cpu")


def bfloat16_pays(device: torch.device) -> bool:
    """On GPUs and on CPUs with AMX or AVX512-BF16; elsewhere it is emulated and half as fast as float32 (measured)."""
    if device.type == "cuda":
        return True
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.exists() and not {"amx_bf16", "avx512_bf16"}.isdisjoint(cpuinfo.read_text().split())


def describe(device: torch.device) -> str:
    """For a log or a card: `one CPU thread, bfloat16`."""
    threads = torch.get_num_threads()
    cpu = "one CPU thread" if threads == 1 else f"{threads} CPU threads"
    name = cpu if device.type == "cpu" else torch.cuda.get_device_name(device)
    return f"{name}, {'bfloat16' if bfloat16_pays(device) else 'float32'}"


def autocast(device: torch.device) -> AbstractContextManager[object]:
    return torch.autocast(device.type, torch.bfloat16, enabled=bfloat16_pays(device))


def seed_epoch(seed: int, epoch: int) -> np.random.Generator:
    """Random numbers that depend on nothing before this epoch: an epoch is the same resumed or not."""
    torch.manual_seed(seed * 1_000_003 + epoch)
    return np.random.default_rng([seed, epoch])
