"""Asks the gateway whether it serves."""

import urllib.request
from collections.abc import Callable

import grpc
from grpc_health.v1 import health_pb2

from attendant.channels import join
from services.gateway.config import GatewaySettings

_SECONDS = 2.0

_CHECK = "/grpc.health.v1.Health/Check"
_OPTIONS = (
    ("grpc.enable_http_proxy", 0),
    # It is asked while it starts: look again soon, not after gRPC's growing pauses.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 200),
)


def build_probe(gateway: GatewaySettings, grpc_host: str, grpc_port: int) -> Callable[[], bool]:
    """Over gRPC; where that is encrypted, on the operations port, which asks for no certificate."""
    if gateway.tls_certificate is None or gateway.operations_port is None:
        return HealthProbe(grpc_host, grpc_port)
    return ReadyProbe(gateway.http_host, gateway.operations_port)


class ReadyProbe:
    """True when /readyz says so."""

    def __init__(self, host: str, port: int) -> None:
        self._url = f"http://{join(_reachable(host), port)}/readyz"
        self._open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open

    def __call__(self) -> bool:
        try:
            with self._open(self._url, timeout=_SECONDS):
                return True
        except OSError:  # not ready is one, too
            return False


class HealthProbe:
    """True when the gateway's health service says SERVING for the whole of it (the empty name)."""

    def __init__(self, host: str, port: int) -> None:
        self._channel = grpc.insecure_channel(join(_reachable(host), port), _OPTIONS)
        self._check = self._channel.unary_unary(
            _CHECK,
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )

    def __call__(self) -> bool:
        try:
            answer = self._check(health_pb2.HealthCheckRequest(), timeout=_SECONDS)
        except grpc.RpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    def close(self) -> None:
        self._channel.close()


def _reachable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - listening everywhere is asked here
