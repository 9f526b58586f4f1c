"""grpc.health.v1: a name for each part, the empty name for readiness as a whole, and one for life."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.settings import ConfigError

Response = health_pb2.HealthCheckResponse
LIVE = "live"  # serves as long as the process does, also while it starts and drains: for a liveness probe


class Health(health_pb2_grpc.HealthServicer):  # type: ignore[misc] # the package has no types
    """Nothing but LIVE serves until it is said to. Unlike grpcio's own servicer, Watch ends with the drain: a watcher
    must not hold up the server's end. Raises ConfigError where one of `names` is LIVE.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._statuses = dict.fromkeys(("", *names), Response.NOT_SERVING)
        if LIVE in self._statuses:
            raise ConfigError(
                f"a model is named {LIVE!r}, as the process itself is in grpc.health.v1; rename it"
            )
        self._statuses[LIVE] = Response.SERVING
        self._changed = asyncio.Event()
        self.draining = False

    def set(self, name: str, serving: bool) -> None:
        """Say whether `name` serves; a server that is draining serves nothing any more."""
        status = Response.SERVING if serving and not self.draining else Response.NOT_SERVING
        if self._statuses[name] != status:
            self._statuses[name] = status
            self._wake()

    def drain(self) -> None:
        """Serve nothing, for good; it still lives."""
        self.draining = True
        for name in self._statuses:
            if name != LIVE:
                self.set(name, False)
        self._wake()

    async def Check(  # noqa: N802 - gRPC's name
        self, request: health_pb2.HealthCheckRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> health_pb2.HealthCheckResponse:
        if request.service not in self._statuses:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"nothing is named {request.service[:100]!r}")
        return Response(status=self._statuses[request.service])

    async def List(  # noqa: N802 - gRPC's name
        self, _request: health_pb2.HealthListRequest, _context: grpc.aio.ServicerContext[Any, Any]
    ) -> health_pb2.HealthListResponse:
        return health_pb2.HealthListResponse(
            statuses={name: Response(status=status) for name, status in self._statuses.items()}
        )

    async def Watch(  # noqa: N802 - gRPC's name
        self, request: health_pb2.HealthCheckRequest, _context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        told = None
        while True:
            changed = self._changed
            status = self._statuses.get(request.service, Response.SERVICE_UNKNOWN)
            if status != told:
                yield Response(status=status)
                told = status
            elif self.draining:
                return
            else:
                await changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
