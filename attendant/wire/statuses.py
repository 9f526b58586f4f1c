"""google.rpc.Status, as every failed call carries it, read into the domain's words. Only the gateway writes them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from google.rpc import error_details_pb2, status_pb2

from attendant.errors import Violation


@dataclass(frozen=True)
class Status:
    """A failure as it travelled. `code` is gRPC's number; `reason` is empty where the status had no ErrorInfo."""

    code: int
    message: str
    reason: str = ""
    violations: tuple[Violation, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    retry_after: float | None = None  # seconds

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Reads an encoded google.rpc.Status; raises google.protobuf.message.DecodeError where it is none.

        Details of types unknown here are passed over.
        """
        return cls.from_message(status_pb2.Status.FromString(data))

    @classmethod
    def from_message(cls, message: status_pb2.Status) -> Self:
        """Reads a google.rpc.Status that is part of another message."""
        info, bad_request, retry = (
            error_details_pb2.ErrorInfo(),
            error_details_pb2.BadRequest(),
            error_details_pb2.RetryInfo(),
        )
        retry_after = None
        for detail in message.details:
            detail.Unpack(info)
            detail.Unpack(bad_request)
            if detail.Unpack(retry):
                retry_after = retry.retry_delay.ToNanoseconds() / 1e9
        return cls(
            code=message.code,
            message=message.message,
            reason=info.reason,
            violations=tuple(
                Violation(found.field, found.description) for found in bad_request.field_violations
            ),
            metadata=dict(info.metadata),
            retry_after=retry_after,
        )
