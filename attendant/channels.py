"""How a client reaches the service: the address, TLS, the bearer token, message sizes and the retry policy."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc

SERVICE = "attendant.v1.AttendantService"
DEFAULT_ADDRESS = "127.0.0.1:50051"
DEFAULT_TIMEOUT = 10.0  # seconds
MAX_MESSAGE_BYTES = 16 * 1024 * 1024

# gRPC itself retries what the service could not take: four attempts in all, each wait a random time up to 0.1, 0.2 and
# 0.4 s, always inside the call's deadline. It is the one layer that does: the gateway and its backends never try again.
# The budget (gRFC A6): ten attempts that fail, shared by a process's channels to one service, use up what there is, and
# ten calls that succeed earn one attempt. In an outage 100 calls or more cost at most 1.1 times as many attempts.
# A name with several addresses (dns:///gateway-headless:50051) is all of them: calls take turns.
_SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            "name": [{"service": SERVICE}],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.1s",
                "maxBackoff": "2s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
    "retryThrottling": {"maxTokens": 20, "tokenRatio": 0.1},
}

OPTIONS: Sequence[tuple[str, str | int]] = (
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    # gRPC retries only what it still holds, by default 256 KiB: less than a photograph.
    ("grpc.per_rpc_retry_buffer_size", MAX_MESSAGE_BYTES + 64 * 1024),
    ("grpc.primary_user_agent", "attendant-client"),
)


@dataclass(frozen=True)
class Tls:
    """Encrypt the connection. PEM files: whom to trust (default: gRPC's own roots), and who we are (mutual TLS)."""

    root_certificates: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("mutual TLS needs both a client certificate and its key")

    def credentials(self) -> grpc.ChannelCredentials:
        """Reads the files; raises OSError where one cannot be read."""
        roots, key, chain = (
            None if path is None else Path(path).read_bytes()
            for path in (self.root_certificates, self.key, self.certificate)
        )
        return grpc.ssl_channel_credentials(roots, key, chain)


def join(host: str, port: int) -> str:
    """`host:port`, as a URL and gRPC have it: an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def metadata(address: str, token: str, tls: Tls | None) -> tuple[tuple[str, str], ...]:
    """What every call carries. Raises ValueError where the token would cross a network unencrypted."""
    if not token:
        return ()
    if tls is None and not _is_local(address):
        raise ValueError(
            f"a bearer token would travel to {address} unencrypted: give tls=Tls(...) with it, or leave it out"
        )
    return (("authorization", f"Bearer {token}"),)


def _is_local(address: str) -> bool:
    host = address.removeprefix("dns:///").rpartition(":")[0].strip("[]")
    return address.startswith("unix:") or host in ("localhost", "::1") or host.startswith("127.")
