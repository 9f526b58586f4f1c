"""The monitor's HTTP: what Prometheus, probes and `attendant monitor` ask."""

import contextlib
from collections.abc import Iterator

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from services.monitor.documents import drift_document
from services.monitor.monitor import Monitor

_DRAIN_SECONDS = 5


class HttpServer(uvicorn.Server):
    """uvicorn without its signal handlers: the monitor ends it."""

    def __init__(self, app: Starlette) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http="h11",
                ws="none",
                proxy_headers=False,
                log_config=None,
                log_level="error",
                access_log=False,
                lifespan="off",
                server_header=False,
                timeout_graceful_shutdown=_DRAIN_SECONDS,
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def build_app(monitor: Monitor, registry: CollectorRegistry) -> Starlette:
    async def metrics(_request: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok")

    async def readyz(_request: Request) -> Response:
        """Once Redis has answered: then this monitor takes over whatever is left, and waits out what fails later."""
        ready = monitor.link.answered
        return PlainTextResponse("ready" if ready else "waiting for Redis", 200 if ready else 503)

    async def drift(_request: Request) -> Response:
        return JSONResponse(drift_document(monitor.snapshots()))

    return Starlette(
        routes=[
            Route("/metrics", metrics, methods=["GET"]),
            Route("/healthz", healthz, methods=["GET"]),
            Route("/readyz", readyz, methods=["GET"]),
            Route("/drift", drift, methods=["GET"]),
        ]
    )
