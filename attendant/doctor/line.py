"""One gRPC connection to one address, without retries: what does not answer at once is to be seen."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol, Self, TypeVar

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2, health_pb2_grpc

from attendant.channels import OPTIONS, SERVICE, Tls, metadata
from attendant.failures import ServiceError, from_rpc_error
from attendant.questions import Call

T = TypeVar("T")
_STATUS: Mapping[int, str] = MappingProxyType(
    {number: name for name, number in health_pb2.HealthCheckResponse.ServingStatus.items()}
)


@dataclass
class DamagedError(Exception):
    """An answer came that is none."""

    what: str

    def __str__(self) -> str:
        return self.what


class Gateway(Protocol):
    """What checks ask a gateway. Both raise ServiceError; `ask` also DamagedError."""

    def ask(self, call: Call[T], *, with_token: bool = True) -> T: ...
    def health(self, name: str) -> str: ...


class Line:
    """A `Gateway` over a channel. `name` is the host that a certificate has to be for, where `target` is an address."""

    def __init__(self, target: str, *, tls: Tls | None, token: str, seconds: float, name: str = "") -> None:
        """Raises ValueError where the token would travel unencrypted to another machine."""
        self._target, self._seconds = target, seconds
        self._metadata = metadata(target, token, tls)
        options = [*OPTIONS, ("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1)]
        if name and tls is not None:
            options += [("grpc.ssl_target_name_override", name), ("grpc.default_authority", name)]
        if tls is None:
            self._channel = grpc.insecure_channel(target, options)
        else:
            self._channel = grpc.secure_channel(target, tls.credentials(), options)

    def ask(self, call: Call[T], *, with_token: bool = True) -> T:
        make: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(
            f"/{SERVICE}/{call.method}"
        )
        try:
            response = make(
                call.request, timeout=self._seconds, metadata=self._metadata if with_token else ()
            )
        except grpc.RpcError as error:
            raise from_rpc_error(error, self._target) from error
        try:
            return call.decode(response)
        except (DecodeError, ValueError, KeyError) as error:
            raise DamagedError(f"the answer to {call.method} cannot be read") from error

    def health(self, name: str) -> str:
        """SERVING, NOT_SERVING …"""
        request = health_pb2.HealthCheckRequest(service=name)
        try:
            response = health_pb2_grpc.HealthStub(self._channel).Check(request, timeout=self._seconds)
        except grpc.RpcError as error:
            raise from_rpc_error(error, self._target) from error
        return _STATUS.get(response.status, "UNKNOWN")

    def close(self) -> None:
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def why(error: ServiceError | DamagedError) -> str:
    """In one line: gRPC's code, and the message."""
    return f"{error.code.name}: {error.message}" if isinstance(error, ServiceError) else str(error)
