"""Settings of the local stack: the gateway's and the monitor's, which it passes on, and a few of its own."""

import os
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.gateway.config import GatewaySettings, read_settings
from services.monitor.config import MonitorSettings
from services.monitor.config import read_settings as read_monitor_settings
from services.settings import ConfigError, describe

PREFIX = "ATTENDANT_STACK_"


class StackSettings(BaseSettings):
    """What only the stack needs to know."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, validate_default=True)

    folder: Path = Path(".run")  # logs and state
    metrics_address: str = "127.0.0.1:8082"  # where TorchServe's own Prometheus page is
    valkey: bool = True  # where no Redis is named, a Valkey is started for the explanations that are kept
    monitor: bool = True  # where there is a Redis or Valkey, attention is watched for drift
    start_seconds: float = Field(default=120.0, gt=0)  # until it must be ready

    @field_validator("metrics_address")
    @classmethod
    def _is_local(cls, value: str) -> str:
        return check_local(value)


@dataclass(frozen=True)
class Settings:
    """All that a stack is told."""

    gateway: GatewaySettings
    stack: StackSettings
    monitor: MonitorSettings


def read(backend: str = "") -> Settings:
    """From the environment, which is left as the gateway wants to find it; `backend` overrides ATTENDANT_BACKEND.

    Raises ConfigError for an unknown variable or a bad value.
    """
    if backend:
        os.environ["ATTENDANT_BACKEND"] = backend
    try:
        stack = StackSettings()
    except ValidationError as error:
        raise ConfigError(describe(error, PREFIX)) from None
    for name in StackSettings.model_fields:
        os.environ.pop(PREFIX + name.upper(), None)
    gateway, monitor = read_settings(), read_monitor_settings()
    for variable, port in (
        ("ATTENDANT_GRPC_PORT", gateway.grpc_port),
        ("ATTENDANT_HTTP_PORT", gateway.http_port),
        ("ATTENDANT_MONITOR_PORT", monitor.port),
    ):
        if port == 0:
            raise ConfigError(f"{variable}=0: the stack has to know its ports; give one from 1 to 65535")
    if gateway.tls_certificate is not None and not gateway.operations_port:
        raise ConfigError(
            "ATTENDANT_OPERATIONS_PORT: with TLS the stack needs one, to ask whether the gateway is ready"
        )
    for variable, address in (
        ("ATTENDANT_TORCHSERVE_ADDRESS", gateway.torchserve_address),
        ("ATTENDANT_TORCHSERVE_MANAGEMENT_ADDRESS", gateway.torchserve_management_address),
    ):
        try:
            check_local(address)
        except ValueError as error:
            raise ConfigError(f"{variable}={address!r}: {error}") from None
    return Settings(gateway, stack, monitor)


def check_local(address: str) -> str:
    """The address if it is `127.0.0.1:PORT`; raises ValueError otherwise."""
    host, port = split_address(address)
    if host != "127.0.0.1" or not 1 <= port <= 65535:
        raise ValueError("must be 127.0.0.1:PORT, since TorchServe answers whoever asks")
    return address


def split_address(address: str) -> tuple[str, int]:
    """`host:port` -> (host, port)."""
    host, _, port = address.rpartition(":")
    return host, int(port)
