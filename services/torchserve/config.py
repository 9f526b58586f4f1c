"""The settings of a TorchServe pod: one frozen class; what is wrong stops the start with one line."""

import ipaddress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.settings import read_environment

HEAP_MIB = 4096  # 72 requests in flight of up to 16 MiB each, in several copies; idle it takes 250 MB
# Gateways look a name up when a connection ends: so long a new worker waits for its share. Closing is gentle and cheap.
AGE_SECONDS = 30.0
PREFIX = "ATTENDANT_TORCHSERVE_"
# Variables of the same prefix that the gateway reads.
OTHERS = frozenset({"ATTENDANT_TORCHSERVE_ADDRESS", "ATTENDANT_TORCHSERVE_MANAGEMENT_ADDRESS"})

Port = Annotated[int, Field(ge=1, le=65535)]  # others have to know them: none is a free one
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Age = Annotated[float, Field(ge=1, le=86_400, allow_inf_nan=False)]  # seconds, of a connection


class TorchServeSettings(BaseSettings):
    """docs/configuration.md has this class as a table."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="address that every port listens on")
    inference_port: Port = Field(7070, description="port of TorchServe's gRPC inference interface")
    management_port: Port = Field(7071, description="port of TorchServe's gRPC management interface")
    metrics_port: Port = Field(8082, description="port of TorchServe's own Prometheus page, /metrics")
    health_port: Port = Field(7072, description="port of grpc.health.v1")
    archives: Path = Field(Path("build/archives"), description="folder of the built archives, all are served")
    heap_mib: Annotated[int, Field(ge=256, le=65536)] = Field(
        HEAP_MIB, description="most memory that Java takes for its objects, in MiB; the workers are beside it"
    )
    connection_age_seconds: Age = Field(
        AGE_SECONDS,
        description="after that a connection is closed gently, and the other side looks who is there",
    )
    start_seconds: Seconds = Field(120.0, description="until every worker must be ready")
    drain_seconds: Seconds = Field(20.0, description="time for what is in flight when the pod is stopped")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least severe log line of this program; TorchServe's own pass as they are"
    )
    log_format: Literal["json", "console"] = Field(
        "json", description="one JSON object a line, or for people"
    )

    @field_validator("host")
    @classmethod
    def _is_address(cls, value: str) -> str:
        ipaddress.ip_address(value)
        return value


def read_settings() -> TorchServeSettings:
    """The settings in the environment; raises ConfigError for an unknown variable or a bad value."""
    return read_environment(TorchServeSettings, "docs/configuration.md", OTHERS)
