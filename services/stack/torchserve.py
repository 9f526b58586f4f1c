"""TorchServe as a program of the stack: the same Java command as in a pod, without the pod's supervisor."""

from pathlib import Path

from services.stack.children import Program
from services.stack.config import Settings, split_address
from services.torchserve.java import Listen
from services.torchserve.java import torchserve as java

_GRACE_SECONDS = 15.0  # it takes 2.4 to 4.9


def torchserve(settings: Settings, scratch: Path, log: Path) -> Program:
    """Writes its configuration into `scratch`, a short path: its workers' sockets lie there too."""
    listen = Listen(
        inference=split_address(settings.gateway.torchserve_address),
        management=split_address(settings.gateway.torchserve_management_address),
        metrics=split_address(settings.stack.metrics_address),
    )
    command = java(settings.gateway.archives, listen, scratch)
    return Program("TorchServe", command.arguments, command.environment, command.folder, log, _GRACE_SECONDS)
