"""What travels between the gateway and a worker: rows in TorchServe's input map, replies in its opaque bytes."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from attendant.errors import AttendantError, Reason, Violation
from attendant.types import Runtime
from attendant.worker.v1 import worker_pb2


class Operation(StrEnum):
    """What a worker is asked to do with a row."""

    PREDICT = "predict"
    EXPLAIN = "explain"
    DESCRIBE = "describe"


@dataclass(frozen=True)
class Row:
    """One row for a worker: the client's request as it came, and what the gateway found out about it.

    The budget crosses the wire as a point in time, so that the wait in TorchServe's queue counts against it. `sample`
    asks for an explanation's numbers beside it.
    """

    operation: Operation
    request: bytes = b""
    model: str = ""
    version: str = ""
    budget: float | None = None  # seconds left
    sample: bool = False

    def to_entries(self) -> dict[str, bytes]:
        """The entries of TorchServe's input map."""
        entries = {
            "op": self.operation.encode(),
            "request": self.request,
            "model": self.model.encode(),
            "version": self.version.encode(),
        }
        if self.budget is not None:
            entries["deadline"] = f"{time.time() + self.budget:.6f}".encode()
        if self.sample:
            entries["sample"] = b"1"
        return entries

    @classmethod
    def from_entries(cls, entries: Mapping[str, bytes | bytearray]) -> "Row":
        """Raises KeyError or ValueError where the entries are not a row."""
        deadline = entries.get("deadline")
        return cls(
            operation=Operation(bytes(entries["op"]).decode()),
            request=bytes(entries["request"]),
            model=bytes(entries["model"]).decode(),
            version=bytes(entries["version"]).decode(),
            budget=None if deadline is None else float(deadline) - time.time(),
            sample="sample" in entries,
        )


@dataclass(frozen=True)
class Reply:
    """A worker's answer to one row: exactly one of `response`, `failure` and `runtime`.

    `truncated`: the deadline cut the response's explanation short, so that it is nothing to keep. `weights_digest` is
    that of the version that answered. `samples` are the explanation's numbers as attendant.wire.samples has them, where
    they were asked for.
    """

    response: bytes | None = None
    failure: AttendantError | None = None
    runtime: Runtime | None = None
    inference_seconds: float = 0.0
    explanation_seconds: float = 0.0
    truncated: bool = False
    weights_digest: str = ""
    samples: bytes = b""

    @property
    def lacks_version(self) -> bool:
        """Whether the worker says that it does not have the version: another one may."""
        return self.failure is not None and self.failure.reason is Reason.VERSION_NOT_FOUND

    def to_bytes(self) -> bytes:
        message = worker_pb2.Reply(
            inference_seconds=self.inference_seconds,
            explanation_seconds=self.explanation_seconds,
            truncated=self.truncated,
            weights_digest=self.weights_digest,
            samples=self.samples,
        )
        if self.response is not None:
            message.response = self.response
        elif self.failure is not None:
            message.failure.CopyFrom(_failure(self.failure))
        elif self.runtime is not None:
            message.description.CopyFrom(
                worker_pb2.Description(
                    device=self.runtime.device, provider=self.runtime.provider, threads=self.runtime.threads
                )
            )
        return message.SerializeToString()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Reply":
        """Raises google.protobuf.message.DecodeError where the bytes are no reply."""
        message = worker_pb2.Reply.FromString(data)
        outcome = message.WhichOneof("outcome")
        description = message.description
        return cls(
            response=message.response if outcome == "response" else None,
            failure=_read_failure(message.failure) if outcome == "failure" else None,
            runtime=Runtime(description.device, description.provider, description.threads)
            if outcome == "description"
            else None,
            inference_seconds=message.inference_seconds,
            explanation_seconds=message.explanation_seconds,
            truncated=message.truncated,
            weights_digest=message.weights_digest,
            samples=message.samples,
        )


def _failure(error: AttendantError) -> worker_pb2.Failure:
    return worker_pb2.Failure(
        reason=error.reason,
        message=error.message,
        violations=[
            worker_pb2.Violation(field=violation.field, description=violation.description)
            for violation in error.violations
        ],
        metadata=error.metadata,
    )


def _read_failure(message: worker_pb2.Failure) -> AttendantError:
    return AttendantError(
        message.message,
        Reason(message.reason),
        tuple(Violation(violation.field, violation.description) for violation in message.violations),
        dict(message.metadata),
    )
