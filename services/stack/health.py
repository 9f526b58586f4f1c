"""Asks the gateway whether it serves."""

import grpc
from grpc_health.v1 import health_pb2

_CHECK = "/grpc.health.v1.Health/Check"
_OPTIONS = (
    ("grpc.enable_http_proxy", 0),
    # It is asked while it starts: look again soon, not after gRPC's growing pauses.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 200),
)


class HealthProbe:
    """True when the gateway's health service says SERVING for the whole of it (the empty name)."""

    def __init__(self, host: str, port: int) -> None:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - listening everywhere is asked here
        self._channel = grpc.insecure_channel(
            f"[{host}]:{port}" if ":" in host else f"{host}:{port}", _OPTIONS
        )
        self._check = self._channel.unary_unary(
            _CHECK,
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )

    def __call__(self) -> bool:
        try:
            answer = self._check(health_pb2.HealthCheckRequest(), timeout=2.0)
        except grpc.RpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    def close(self) -> None:
        self._channel.close()
