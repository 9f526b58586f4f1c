"""What every handler does before it serves: open all that its archive holds, and answer once with each."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from attendant.lanes import Lane
from attendant.manifest import ModelManifest, read_store
from attendant.types import Instance
from handlers.batch import Models, ServedModel, warm_up
from handlers.priority import choose_priority, step_back


def open_models(
    context: Any,
    open_served: Callable[[Path, str], ServedModel],
    example: Callable[[ModelManifest], Instance],
) -> tuple[Models, float]:
    """Every version in the archive, and the seconds that a batch may take, from TorchServe's context.

    `example` makes an instance for a model, which it is warmed up with. A changed or missing file is a ManifestError,
    a wrong ATTENDANT_SLOW_PRIORITY a ValueError.
    """
    config = context.model_yaml_config
    lane = Lane(config["lane"])
    priority = choose_priority()  # of no use to the fast lane; wrong, it stops both
    root = Path(context.system_properties["model_dir"])
    manifests = read_store(root)
    models = {
        (name, version): open_served(root / name, version)
        for name, manifest in manifests.items()
        for version in manifest.versions
    }
    for (name, _), model in models.items():
        warm_up(model, example(manifests[name]), lane, manifests[name].methods)
    if lane is Lane.SLOW:
        # Only now: one that comes back under load would else take a minute to open its models.
        step_back(priority)
    return models, float(config["responseTimeout"])
