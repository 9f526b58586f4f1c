"""What can go wrong, in the words of the domain. `services.gateway.statuses` says what gRPC makes of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Reason(StrEnum):
    """Why a request failed: the `reason` of the `ErrorInfo` that a client sees. Stable; clients may switch on it."""

    INVALID_INPUT = "INVALID_INPUT"
    MODEL_NOT_FOUND = "MODEL_NOT_FOUND"
    VERSION_NOT_FOUND = "VERSION_NOT_FOUND"
    PATH_NOT_FOUND = "PATH_NOT_FOUND"
    VERB_NOT_ALLOWED = "VERB_NOT_ALLOWED"
    METHOD_NOT_AVAILABLE = "METHOD_NOT_AVAILABLE"
    OVERLOADED = "OVERLOADED"
    RATE_LIMITED = "RATE_LIMITED"
    BACKEND_UNAVAILABLE = "BACKEND_UNAVAILABLE"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    INTERNAL = "INTERNAL"


@dataclass(frozen=True)
class Violation:
    """One thing wrong with one field of a request; `field` is its path, for example `instance.tweet.image`."""

    field: str
    description: str


@dataclass
class AttendantError(Exception):
    """A failure with a reason, a sentence for a person, and details for a program."""

    message: str
    reason: Reason = Reason.INTERNAL
    violations: tuple[Violation, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    retry_after: float | None = None  # seconds

    __hash__ = Exception.__hash__

    def __str__(self) -> str:
        return self.message


def invalid(field: str, description: str) -> AttendantError:
    """Bad input in one field. `description` says what is wrong and names the limit."""
    return AttendantError(f"{field}: {description}", Reason.INVALID_INPUT, (Violation(field, description),))


def refusal(violations: Sequence[Violation]) -> AttendantError:
    """Bad input in several fields: the sentence for a person has all of them."""
    sentences = (f"{violation.field}: {violation.description}" for violation in violations)
    return AttendantError("; ".join(sentences), Reason.INVALID_INPUT, tuple(violations))


def model_not_found(model: str, known: tuple[str, ...]) -> AttendantError:
    return AttendantError(
        f"no model is named {model!r}; there are: {', '.join(known) or 'none'}",
        Reason.MODEL_NOT_FOUND,
        metadata={"model": model},
    )


def version_not_found(model: str, version: str, known: tuple[str, ...]) -> AttendantError:
    return AttendantError(
        f"model {model!r} has no version {version!r}; it has: {', '.join(known)}",
        Reason.VERSION_NOT_FOUND,
        metadata={"model": model, "version": version},
    )


def method_not_available(model: str, method: str, known: tuple[str, ...]) -> AttendantError:
    return AttendantError(
        f"model {model!r} does not offer the method {method!r} yet; it offers: {', '.join(known) or 'none'}",
        Reason.METHOD_NOT_AVAILABLE,
        metadata={"model": model, "method": method},
    )


def overloaded(what: str, limit: int, retry_after: float) -> AttendantError:
    return AttendantError(
        f"{what} is at its limit of {limit} requests in flight; try again in {retry_after:g} s",
        Reason.OVERLOADED,
        metadata={"limit": str(limit)},
        retry_after=retry_after,
    )


def rate_limited(requests_per_second: float, retry_after: float) -> AttendantError:
    return AttendantError(
        f"this token may ask {requests_per_second:g} times a second; try again in {retry_after:.3g} s",
        Reason.RATE_LIMITED,
        metadata={"requests_per_second": f"{requests_per_second:g}"},
        retry_after=retry_after,
    )


def backend_unavailable(message: str, retry_after: float = 1.0) -> AttendantError:
    return AttendantError(message, Reason.BACKEND_UNAVAILABLE, retry_after=retry_after)


def deadline_exceeded(message: str) -> AttendantError:
    return AttendantError(message, Reason.DEADLINE_EXCEEDED)


def unauthenticated() -> AttendantError:
    """The same words for a token that is missing, wrong or expired: they tell a guesser nothing."""
    return AttendantError(
        "a valid token is needed (authorization: Bearer …); it is missing, wrong or expired",
        Reason.UNAUTHENTICATED,
    )


def forbidden(model: str) -> AttendantError:
    """Whether there is such a model is not said."""
    return AttendantError(
        f"this token may not use model {model[:64]!r}", Reason.FORBIDDEN, metadata={"model": model}
    )


def internal(message: str = "an internal error; the server's log has the details") -> AttendantError:
    return AttendantError(message, Reason.INTERNAL)
