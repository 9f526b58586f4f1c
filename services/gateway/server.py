"""The gateway as one thing that starts and drains: gRPC and HTTP over one data plane, and the backend behind it."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import grpc
import structlog
import uvicorn
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from starlette.applications import Starlette

from services.gateway.backends.base import Backend
from services.gateway.closing import Closing
from services.gateway.health import Health
from services.gateway.readiness import Readiness
from services.gateway.servicer import SERVICE, Servicer

log = structlog.get_logger()

HARD_LIMIT = 4  # gRPC itself refuses messages this many times too large, without saying which field
PAUSE_SECONDS = 0.05  # longer than a message needs from the network to Python, and to the client
STREAM_SHARE = 0.8  # of the drain; then streams are told to end, so that they can answer what they have read


class PortTakenError(Exception):
    """Somebody else listens where the gateway should; the message is one line for a person."""


@dataclass(frozen=True)
class Listeners:
    """Where to listen; port 0 takes a free one."""

    grpc_host: str
    grpc_port: int
    http_host: str
    http_port: int


class _HttpServer(uvicorn.Server):
    """uvicorn without its signal handlers: the gateway drains both servers."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Server:
    """`closing` is shared with the servicer and the HTTP application."""

    def __init__(  # noqa: PLR0913 - the parts of a gateway
        self,
        *,
        servicer: Servicer,
        app: Starlette,
        health: Health,
        readiness: Readiness,
        backend: Backend,
        listeners: Listeners,
        max_message_bytes: int,
        poll_seconds: float,
        drain_seconds: float,
        closing: Closing,
    ) -> None:
        self._servicer = servicer
        self._health = health
        self._readiness = readiness
        self._backend = backend
        self._listeners = listeners
        self._max_message_bytes = max_message_bytes
        self._poll_seconds = poll_seconds
        self._drain_seconds = drain_seconds
        self._closing = closing
        self._http = _HttpServer(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                timeout_graceful_shutdown=round(drain_seconds) or 1,
            )
        )
        self._tasks: list[asyncio.Task[None]] = []
        self.grpc_address = ""
        self.http_address = ""

    async def start(self) -> None:
        """Listen on both ports and begin asking the backend; raises PortTakenError."""
        listeners = self._listeners
        http_socket = _bind(listeners.http_host, listeners.http_port)
        # gRPC says why it cannot bind only on standard error; a socket of our own says it properly.
        with contextlib.closing(_bind(listeners.grpc_host, listeners.grpc_port)):
            pass
        self._grpc = self._grpc_server()
        try:
            port = self._grpc.add_insecure_port(_join(listeners.grpc_host, listeners.grpc_port))
        except RuntimeError as error:
            http_socket.close()
            raise PortTakenError(_taken(listeners.grpc_host, listeners.grpc_port)) from error
        self.grpc_address = _join(listeners.grpc_host, port)
        self.http_address = _join(listeners.http_host, http_socket.getsockname()[1])
        await self._backend.start()
        await self._grpc.start()
        self._serving = asyncio.create_task(self._http.serve([http_socket]))
        self._polling = asyncio.create_task(self._readiness.run(self._poll_seconds))
        log.info("gateway listens", grpc=self.grpc_address, http=self.http_address)

    async def drain(self) -> None:
        """Take nothing new, finish what was taken within the time allowed, then end the backend."""
        log.info("gateway drains", seconds=self._drain_seconds)
        self._health.drain()
        self._closing.begun = True
        streams = asyncio.get_running_loop().call_later(
            STREAM_SHARE * self._drain_seconds, self._closing.ending.set
        )
        stopping = await self._say_goodbye()
        self._http.should_exit = True
        await asyncio.gather(stopping, self._serving)
        streams.cancel()
        self._polling.cancel()
        await asyncio.wait({self._polling})
        await self._backend.close()
        log.info("gateway closed")

    async def _say_goodbye(self) -> asyncio.Task[None]:
        """Send the clients elsewhere without losing what they have just sent.

        gRPC cancels calls that have arrived but were not yet handed to Python when it is stopped. So answers are held
        back for a moment before and after that: clients that wait for an answer send nothing new, and when they
        have it they know that they must connect elsewhere. HTTP clients learn it from their answers.
        """
        for listener in self._http.servers:
            listener.close()
        self._closing.answering.clear()
        await asyncio.sleep(PAUSE_SECONDS)
        stopping = asyncio.create_task(self._grpc.stop(self._drain_seconds))
        await asyncio.sleep(PAUSE_SECONDS)
        self._closing.answering.set()
        return stopping

    def _grpc_server(self) -> grpc.aio.Server:
        server = grpc.aio.server(
            options=(
                ("grpc.so_reuseport", 0),  # else two gateways share a port in silence
                ("grpc.max_receive_message_length", HARD_LIMIT * self._max_message_bytes),
                ("grpc.max_send_message_length", -1),
            )
        )
        server.add_generic_rpc_handlers((self._servicer.handlers(),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        names = (SERVICE, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, server)
        return server


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise PortTakenError(f"{_taken(host, port)}: {error.strerror}") from error


def _taken(host: str, port: int) -> str:
    return f"cannot listen on {_join(host, port)}"


def _join(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
