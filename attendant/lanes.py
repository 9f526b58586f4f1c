"""The two ways to a model: one for what answers at once, and one for what takes its time and must hold up nobody."""

from enum import StrEnum


class Lane(StrEnum):
    """Each has a worker of its own."""

    FAST = "fast"
    SLOW = "slow"


def archive_name(archive: str, lane: Lane) -> str:
    """What an archive is called in that lane: a folder of build/archives, a TorchServe model, a worker."""
    return archive if lane is Lane.FAST else f"{archive}_{lane}"
