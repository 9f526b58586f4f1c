"""A built archive's handler and configuration, as TorchServe would find them; its seal is checked before it runs."""

import importlib.util
import inspect
import json
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any

import yaml

from attendant.manifest import ManifestError, stays_inside
from attendant.seals import TORCHSERVE_MANIFEST, check_seal


class _Loader(SourceFileLoader):
    """Takes no bytecode that lies beside the source, which nobody vouches for, and leaves none there."""

    def get_code(self, fullname: str) -> CodeType | None:  # noqa: ARG002 - the base class names it
        code: CodeType = self.source_to_code(self.get_data(self.path), self.path)
        return code


def load_handler(archive: Path) -> tuple[Any, dict[str, Any]]:
    """An instance of the one class in the handler's file, not yet initialised, and the archive's model-config.yaml.

    Raises ManifestError, before anything is run, where a file is not what the archive's seal says.
    """
    check_seal(archive)
    names = json.loads((archive / TORCHSERVE_MANIFEST).read_text())["model"]
    path, config = (_find(archive, names[key]) for key in ("handler", "configFile"))
    loader = _Loader(path.stem, str(path))
    spec = importlib.util.spec_from_file_location(path.stem, path, loader=loader)
    assert spec is not None, "there is a loader, so there is a spec"
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    (handler_class,) = (
        value
        for _, value in inspect.getmembers(module, inspect.isclass)
        if value.__module__ == module.__name__
    )
    return handler_class(), yaml.safe_load(config.read_text())


def _find(archive: Path, name: str) -> Path:
    if not stays_inside(name):
        raise ManifestError(f"{archive / TORCHSERVE_MANIFEST}: {name!r} is not a path inside the archive")
    return archive / name
