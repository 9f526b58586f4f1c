"""The gateway's settings: one frozen class, read from the environment; what is wrong stops the start with one line."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from attendant.images import MAX_IMAGE_BYTES, MAX_PIXELS
from services.gateway.admission import ARCHIVE_LIMITS
from services.gateway.lanes import Work
from services.settings import read_environment
from services.torchserve.config import PREFIX as TORCHSERVE_PREFIX
from services.torchserve.config import Age, TorchServeSettings

PREFIX = "ATTENDANT_"
MESSAGE_BYTES = 16 * 1024 * 1024
# Variables of the same prefix that other commands read.
OTHERS = frozenset(
    {
        "ATTENDANT_ADDRESS",
        "ATTENDANT_CLIENT_TLS_CERTIFICATE",
        "ATTENDANT_CLIENT_TLS_KEY",
        "ATTENDANT_CLIENT_TLS_ROOTS",
        "ATTENDANT_CLIENT_TOKEN",
        "ATTENDANT_DATA",
        "ATTENDANT_DEBUG",
        "ATTENDANT_DEVICE",
        "ATTENDANT_MONITOR_ADDRESS",
        "ATTENDANT_SLOW_PRIORITY",
        "ATTENDANT_THREADS",
    }
)

Port = Annotated[int, Field(ge=0, le=65535)]


def _check_ports(address: str) -> str:
    for port in re.findall(r":([0-9]+)(?:/|$)", address):
        if not 1 <= int(port) <= 65535:
            raise ValueError(f"port {port} is none: 1 to 65535")
    return address


# gRPC's names, of which these are used: `host:port`, `[::1]:port`, `dns:///host:port`, `dns://server:port/host:port`.
Address = Annotated[
    str,
    Field(pattern=r"^(dns://([^\s/:]+:[0-9]{1,5})?/)?([^\s:/]+|\[[0-9a-fA-F:]+\]):[0-9]{1,5}$"),
    AfterValidator(_check_ports),
]
Bytes = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class GatewaySettings(BaseSettings):
    """Every setting has a default that suits one machine. docs/configuration.md is this class as a table."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    grpc_host: str = Field("127.0.0.1", description="address that gRPC listens on")
    grpc_port: Port = Field(50051, description="port that gRPC listens on; 0 takes a free one")
    http_host: str = Field("127.0.0.1", description="address that HTTP listens on")
    http_port: Port = Field(8000, description="port that HTTP listens on; 0 takes a free one")
    operations_port: Port | None = Field(
        None, description="a port beside it for /healthz, /readyz, /metrics and /drift alone, never encrypted"
    )

    tls_certificate: Path | None = Field(
        None, description="who the gateway is, PEM; both protocols then encrypt"
    )
    tls_key: Path | None = Field(None, description="the certificate's private key, PEM")
    tls_client_roots: Path | None = Field(
        None, description="authorities, PEM; clients then have to show a certificate of theirs"
    )
    tokens: Path | None = Field(
        None, description="file of bearer tokens; whoever asks then needs one of them"
    )
    tokens_without_tls: bool = Field(
        False, description="take tokens unencrypted from other machines, where something in front encrypts"
    )

    backend: Literal["torchserve", "embedded"] = Field(
        "torchserve",
        description="who runs the models: TorchServe, or worker processes that the gateway starts",
    )
    model_store: Path = Field(Path("model_store"), description="folder of the models' manifests")
    archives: Path = Field(Path("build/archives"), description="folder of the built archives (embedded)")
    torchserve_address: Address = Field(
        "127.0.0.1:7070",
        description="TorchServe's gRPC inference address; all of those behind a name, in turn",
    )
    torchserve_management_address: Address = Field(
        "127.0.0.1:7071", description="TorchServe's gRPC management address, or a name as above"
    )
    version_weights: str | None = Field(
        None,
        description="how requests that name no version are shared out: sarcasm=1:95,2:5; else the default's",
    )

    max_message_bytes: Bytes = Field(MESSAGE_BYTES, le=MESSAGE_BYTES, description="largest request")
    # The workers take no larger messages and decode no larger images than these defaults: they can only be lowered.
    max_image_bytes: Bytes = Field(
        MAX_IMAGE_BYTES, le=MAX_IMAGE_BYTES, description="largest image, as a file"
    )
    max_image_pixels: Bytes = Field(
        MAX_PIXELS, le=MAX_PIXELS, description="largest image, width times height"
    )
    max_text_bytes: Bytes = Field(16_384, le=MESSAGE_BYTES, description="longest text, in UTF-8")
    max_in_flight: Annotated[int, Field(ge=1, le=ARCHIVE_LIMITS[Work.PREDICT])] = Field(
        64, description="predictions of one model with the backend at a time"
    )
    max_explain_in_flight: Annotated[int, Field(ge=1, le=ARCHIVE_LIMITS[Work.EXPLAIN])] = Field(
        32, description="the same for explanations that are ready at once, by the predictions' worker"
    )
    # One after another at about 1 s each: behind more, the client's default of 10 s would pass in the queue.
    max_slow_in_flight: Annotated[int, Field(ge=1, le=ARCHIVE_LIMITS[Work.SLOW])] = Field(
        8, description="the same for explanations that take their time, which a worker of their own computes"
    )
    hedge: bool = Field(
        False, description="ask a second worker what the first does not answer; where there are several"
    )
    stream_window: Annotated[int, Field(ge=1, le=1024)] = Field(
        16, description="items of one ExplainStream in work at a time"
    )

    cache_bytes: Annotated[int, Field(ge=0)] = Field(
        64 * 1024 * 1024, description="explanations kept in the gateway's own memory; 0: none"
    )
    cache_ttl_seconds: Seconds = Field(3600.0, description="how long an explanation is kept")
    redis_url: SecretStr | None = Field(
        None, description="Redis or Valkey, where gateways share explanations"
    )
    redis_seconds: Seconds = Field(
        0.05, le=1.0, description="longest that a request waits for Redis; then it goes on without"
    )

    watch: bool = Field(
        True,
        description="tell the monitor what explanations look like in numbers; without Redis it is in here",
    )
    watch_rate: Annotated[float, Field(gt=0)] = Field(
        50.0, description="explanations of a version that it hears of in a second; of more a share by chance"
    )
    impact_share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.05, description="share of explanations whose permutation impact is measured unasked, in spare time"
    )

    default_deadline_seconds: Seconds = Field(30.0, description="time for a request that brings no deadline")
    connection_age_seconds: Age = Field(
        300.0, description="after that a gRPC connection is closed gently, and its client looks who is there"
    )
    drain_seconds: Seconds = Field(20.0, description="time for what is in flight when the gateway is stopped")
    poll_seconds: Seconds = Field(0.5, description="how often the backend is asked whether it is ready")

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least severe log line"
    )
    log_format: Literal["json", "console"] = Field(
        "json", description="one JSON object a line, or for people"
    )


def read_settings() -> GatewaySettings:
    """The settings in the environment; raises ConfigError for an unknown variable or a bad value."""
    pods = {TORCHSERVE_PREFIX + name.upper() for name in TorchServeSettings.model_fields}
    return read_environment(
        GatewaySettings, "docs/configuration.md", OTHERS | pods, elsewhere=("ATTENDANT_MONITOR_",)
    )
