"""Failures as a caller meets them: what went wrong, what to do about it, and where to read on."""

from dataclasses import dataclass
from typing import Protocol, cast

import grpc
from google.protobuf.message import DecodeError

from attendant.errors import AttendantError, Reason
from attendant.wire.statuses import Status

_STATUS_DETAILS = "grpc-status-details-bin"
_CODES: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}
_MANUAL = "docs/client.md"

# For a status that says no reason of ours: it came from gRPC itself, from a proxy, or from another server.
_REASONS = {
    grpc.StatusCode.UNAVAILABLE: Reason.BACKEND_UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: Reason.DEADLINE_EXCEEDED,
    grpc.StatusCode.UNAUTHENTICATED: Reason.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED: Reason.FORBIDDEN,
    grpc.StatusCode.INVALID_ARGUMENT: Reason.INVALID_INPUT,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Reason.OVERLOADED,
    grpc.StatusCode.CANCELLED: Reason.OVERLOADED,
}

_REMEDIES = {
    Reason.INVALID_INPUT: "correct what is named and ask again",
    Reason.MODEL_NOT_FOUND: "`attendant models` lists the models that this service has",
    Reason.VERSION_NOT_FOUND: "`attendant models` lists the versions; an empty version means the default",
    Reason.PATH_NOT_FOUND: "ask for a path of the service's API (docs/api.md)",
    Reason.VERB_NOT_ALLOWED: "ask with a verb that the path takes (docs/api.md)",
    Reason.METHOD_NOT_AVAILABLE: "`attendant models` lists the methods that each model offers",
    Reason.OVERLOADED: "ask again later, or send fewer requests at once",
    Reason.RATE_LIMITED: "ask less often; the service's operator sets the rate of a token",
    Reason.BACKEND_UNAVAILABLE: "ask again in a moment; if it stays, the service's log says why",
    Reason.DEADLINE_EXCEEDED: "allow more time (--timeout, or timeout= in Python)",
    Reason.UNAUTHENTICATED: "give a valid token (--token-file, or token= in Python)",
    Reason.FORBIDDEN: "`attendant models` lists the models that this token may use",
    Reason.INTERNAL: "the service's log has the details; please report it",
}

# What gRPC itself says when there is no connection, and what it means. The first that fits counts.
_CONNECTION = (
    (
        "connection refused",
        "nothing listens at {address}",
        "start the service with `make run`, or give its address",
    ),
    (
        "no such file",
        "nothing listens at {address}",
        "start the service with `make run`, or give its address",
    ),
    ("lookup failed", "no host is known by the name in {address}", "check the address"),
    ("dns resolution", "no host is known by the name in {address}", "check the address"),
    ("handshake", "no TLS with {address}", "check that it speaks TLS, and the certificates on both sides"),
    ("certificate", "no TLS with {address}", "check that it speaks TLS, and the certificates on both sides"),
    (
        "socket closed",
        "{address} closed the connection",
        "if it speaks TLS, ask with TLS, and with a certificate where it asks for one; else ask again",
    ),
    ("connect", "{address} cannot be reached", "check the address, and that the service runs"),
)


@dataclass(eq=False)
class ServiceError(AttendantError):
    """A call that failed, with gRPC's status code, what to do about it, and where to read on."""

    code: grpc.StatusCode = grpc.StatusCode.UNKNOWN
    remedy: str = ""
    read_on: str = ""

    def __str__(self) -> str:
        return f"{self.message}\n  what to do: {self.remedy}\n  read on: {self.read_on}"


class _Failed(Protocol):
    """What the failed calls of grpc and of grpc.aio have in common."""

    def code(self) -> grpc.StatusCode: ...
    def details(self) -> str | None: ...
    def trailing_metadata(self) -> object: ...


def from_rpc_error(error: grpc.RpcError, address: str) -> ServiceError:
    """The failure behind an exception of grpc or grpc.aio."""
    failed = cast(_Failed, error)
    status = _details(failed.trailing_metadata())
    if status is not None:
        return from_status(status)
    return _without_details(failed.code(), failed.details() or "", address)


def from_status(status: Status) -> ServiceError:
    """The failure that a google.rpc.Status describes."""
    code = _CODES.get(status.code, grpc.StatusCode.UNKNOWN)
    reason = Reason(status.reason) if status.reason in set(Reason) else _REASONS.get(code, Reason.INTERNAL)
    return ServiceError(
        message=status.message,
        reason=reason,
        violations=status.violations,
        metadata=dict(status.metadata),
        retry_after=status.retry_after,
        code=code,
        remedy=_remedy(reason, status.retry_after),
        read_on=f"{_MANUAL}#errors",
    )


def _details(trailing: object) -> Status | None:
    """The google.rpc.Status in the call's trailing metadata, where there is one that can be read."""
    for key, value in cast("list[tuple[str, bytes]]", trailing or []):
        if key == _STATUS_DETAILS:
            try:
                return Status.from_bytes(value)
            except DecodeError:
                return None
    return None


def _without_details(code: grpc.StatusCode, details: str, address: str) -> ServiceError:
    lower = details.lower()
    if code is grpc.StatusCode.UNAVAILABLE:
        for sign, cause, remedy in _CONNECTION:
            if sign in lower:
                return ServiceError(
                    cause.format(address=address),
                    Reason.BACKEND_UNAVAILABLE,
                    code=code,
                    remedy=remedy,
                    read_on=f"{_MANUAL}#connecting",
                )
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        details = f"no answer from {address} in the time allowed"
    if code is grpc.StatusCode.UNIMPLEMENTED:
        details = f"{address} does not know this call: it is no Attendant service, or an older one"
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in lower:
        return ServiceError(
            f"the message is larger than {address} or this client takes: {details}",
            Reason.INVALID_INPUT,
            code=code,
            remedy="send a smaller image",
            read_on=f"{_MANUAL}#limits",
        )
    if code is grpc.StatusCode.CANCELLED:  # not by the caller: that raises nothing of gRPC's
        details = (
            f"{address} gave the call up unread: more of them wait there than it can read, or it is closing"
        )
    reason = _REASONS.get(code, Reason.INTERNAL)
    return ServiceError(
        details or f"the call failed with {code.name}",
        reason,
        code=code,
        remedy=_remedy(reason, None),
        read_on=f"{_MANUAL}#errors",
    )


def _remedy(reason: Reason, retry_after: float | None) -> str:
    if retry_after is not None:
        return f"ask again in {retry_after:g} s"
    return _REMEDIES[reason]
