"""The gateway as one thing that starts and drains: gRPC and HTTP over one data plane, and the backend behind it."""

import asyncio
import contextlib
import socket
from collections.abc import Sequence
from dataclasses import dataclass

import grpc
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from attendant.channels import join
from services.gateway.backends.base import Backend
from services.gateway.closing import Closing
from services.gateway.door import GrpcDoor
from services.gateway.explanations import Explanations
from services.gateway.http_server import HttpServer
from services.gateway.parsing import Registrar
from services.gateway.readiness import Readiness
from services.gateway.relief import Relief
from services.gateway.renewal import Renewable, keep_renewing
from services.gateway.servicer import SERVICE, Servicer
from services.gateway.tls import Tls
from services.gateway.watching import Watch
from services.health import Health

log = structlog.get_logger()

HARD_LIMIT = 4  # gRPC itself refuses messages this many times too large, without saying which field
# gRPC servers on one port, between which the system divides connections. Each hands over one call at a time, all by way
# of one thread of gRPC's: whenever it gets a core, it has a call of each to hand over.
ACCEPTING = 4
PAUSE_SECONDS = 0.05  # longer than a message needs from the network to Python, and to the client
# What a stranger on the network may cost: bytes are per message or connection, times in ms.
# Calls of one connection at a time; those beyond wait in the client. Not far fewer: gRPC counts a call until Python has
# let go of it, and resets those that a client adds meanwhile (ADR 20).
STREAMS = 1024
LIMITS = (
    ("grpc.max_concurrent_streams", STREAMS),
    ("grpc.max_metadata_size", 16 * 1024),
    ("grpc.absolute_max_metadata_size", 16 * 1024),
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.max_connection_idle_ms", 10 * 60_000),  # a connection without calls is closed
    # Whether the client is still there, and how often it may ask the same of us.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.http2.max_ping_strikes", 2),
)
STREAM_SHARE = 0.8  # of the drain; then streams are told to end, so that they can answer what they have read


class PortTakenError(Exception):
    """Somebody else listens where the gateway should; the message is one line for a person."""


@dataclass(frozen=True)
class Listeners:
    """Where to listen; port 0 takes a free one. The operations port is on HTTP's host."""

    grpc_host: str
    grpc_port: int
    http_host: str
    http_port: int
    operations_port: int | None = None


class Server:
    """`closing` is shared with the servicer and the HTTP application; `operations` ends last.

    Without a `door` everybody may come in over gRPC; without `relief` every call is read.
    """

    def __init__(  # noqa: PLR0913 - the parts of a gateway
        self,
        *,
        servicer: Servicer,
        http: HttpServer,
        operations: HttpServer,
        door: GrpcDoor | None,
        relief: Relief | None,
        tls: Tls | None,
        renewables: Sequence[Renewable],
        health: Health,
        readiness: Readiness,
        backend: Backend,
        listeners: Listeners,
        max_message_bytes: int,
        poll_seconds: float,
        connection_age_seconds: float,
        drain_seconds: float,
        closing: Closing,
        explanations: Explanations,
        watch: Watch | None,
    ) -> None:
        self._watch = watch
        self._explanations = explanations
        self._servicer = servicer
        self._health = health
        self._readiness = readiness
        self._backend = backend
        self._listeners = listeners
        self._max_message_bytes = max_message_bytes
        self._poll_seconds = poll_seconds
        self._connection_age_seconds = connection_age_seconds
        self._drain_seconds = drain_seconds
        self._closing = closing
        self._http = http
        self._operations = operations
        self._operating: asyncio.Task[None] | None = None
        self._door = door
        self._relief = relief
        self._tls = tls
        self._renewables = renewables
        self.grpc_address = ""
        self.http_address = ""
        self.operations_address = ""

    async def start(self) -> None:
        """Listen on every port and begin asking the backend; raises PortTakenError."""
        host = self._listeners.http_host
        with contextlib.ExitStack() as opened:
            http_socket = opened.enter_context(_bind(host, self._listeners.http_port))
            operations_socket = None
            if self._listeners.operations_port is not None:
                operations_socket = opened.enter_context(_bind(host, self._listeners.operations_port))
            self._accepting, port = self._bind_grpc()
            opened.pop_all()
        self.grpc_address = join(self._listeners.grpc_host, port)
        self.http_address = join(host, http_socket.getsockname()[1])
        if operations_socket is not None:
            self.operations_address = join(host, operations_socket.getsockname()[1])
        await self._backend.start()
        await asyncio.gather(*(server.start() for server in self._accepting))
        if operations_socket is not None:
            self._operating = asyncio.create_task(self._operations.serve([operations_socket]))
        self._serving = asyncio.create_task(self._http.serve([http_socket]))
        # A drain may follow at once, and needs what it has started.
        while not (self._http.started or self._serving.done()):  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.001)
        self._in_background = {
            asyncio.create_task(self._readiness.run(self._poll_seconds)),
            asyncio.create_task(keep_renewing(self._renewables)),
        }
        if self._watch is not None:
            self._watch.start()
        log.info(
            "gateway listens",
            grpc=self.grpc_address,
            http=self.http_address,
            operations=self.operations_address,
            tls=self._tls is not None,
        )

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
        for task in self._in_background:
            task.cancel()
        await asyncio.wait(self._in_background)
        if self._watch is not None:
            await self._watch.close()
        await self._backend.close()
        await self._explanations.close()
        if self._operating is not None:
            self._operations.should_exit = True
            await self._operating
        log.info("gateway closed")

    async def _say_goodbye(self) -> asyncio.Future[list[None]]:
        """Send the clients elsewhere without losing what they have just sent.

        gRPC cancels calls that have arrived but were not yet handed to Python when it is stopped. So answers are held
        back for a moment before and after that: clients that wait for an answer send nothing new, and when they
        have it they know that they must connect elsewhere. HTTP clients learn it from their answers.
        """
        for listener in self._http.servers:
            listener.close()
        self._closing.answering.clear()
        await asyncio.sleep(PAUSE_SECONDS)
        stopping = asyncio.gather(*(server.stop(self._drain_seconds) for server in self._accepting))
        await asyncio.sleep(PAUSE_SECONDS)
        self._closing.answering.set()
        return stopping

    def _bind_grpc(self) -> tuple[list[grpc.aio.Server], int]:
        """The servers, not yet started, and the port that they share."""
        host, port = self._listeners.grpc_host, self._listeners.grpc_port
        # These may share it with another gateway's; a socket that shares with nobody finds out. And gRPC says only
        # on standard error why it cannot bind; a socket of our own says it properly.
        with _bind(host, port):
            pass
        servers = [self._grpc_server() for _ in range(ACCEPTING)]
        try:
            for server in servers:
                address = join(host, port)
                if self._tls is None:
                    port = server.add_insecure_port(address)
                else:
                    port = server.add_secure_port(address, self._tls.grpc_credentials())
        except RuntimeError as error:
            raise PortTakenError(_taken(host, port)) from error
        return servers, port

    def _grpc_server(self) -> grpc.aio.Server:
        server = grpc.aio.server(
            interceptors=() if self._door is None else (self._door,),
            options=(
                *LIMITS,
                # One that has lasted is exchanged for another, so that a new gateway behind the same address gets its
                # share, and a renewed certificate counts. Its calls go on to their end, however long they take.
                ("grpc.max_connection_age_ms", round(1000 * self._connection_age_seconds)),
                ("grpc.so_reuseport", 1),  # with each other
                ("grpc.max_receive_message_length", HARD_LIMIT * self._max_message_bytes),
                ("grpc.max_send_message_length", -1),
            ),
        )
        reliefs = () if self._relief is None else (self._relief,)
        server.add_generic_rpc_handlers((*reliefs, self._servicer.handlers()))  # the first that takes a call
        registrar = Registrar(server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, registrar)
        names = (SERVICE, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name, reflection.SERVICE_NAME)
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(
            reflection.aio.ReflectionServicer(names), registrar
        )
        return server


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise PortTakenError(f"{_taken(host, port)}: {error.strerror}") from error


def _taken(host: str, port: int) -> str:
    return f"cannot listen on {join(host, port)}"
