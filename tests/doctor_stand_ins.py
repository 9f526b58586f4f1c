"""Whom the doctor asks in tests: pages that say what they are told to, a gateway that does, and one on a socket."""

import ssl
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from canned_service import DESCRIPTION, CannedService
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from attendant.channels import SERVICE
from attendant.doctor.pages import NoPageError, Page
from attendant.types import ModelDescription
from attendant.v1 import service_pb2
from attendant.wire.responses import encode_models

TLS = Path(__file__).resolve().parent / "data" / "tls"


@dataclass
class ToldWeb:
    """Pages by URL; a page is a body, or a status and a body. What is not among them does not answer."""

    pages: Mapping[str, bytes | tuple[int, bytes]]
    headers: Mapping[str, str] = field(default_factory=dict)
    now: float = 0.0

    def get(self, url: str) -> Page:
        if url not in self.pages:
            raise NoPageError("connection refused")
        said = self.pages[url]
        status, body = said if isinstance(said, tuple) else (200, said)
        return Page(status, self.headers, body, self.now, self.now)


@dataclass
class ToldGateway:
    """Answers in turn; an exception is raised. `states` are the health of each name."""

    answers: list[object] = field(default_factory=list)
    states: Mapping[str, str] = field(default_factory=dict)

    def ask(self, call, *, with_token=True):
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return call.decode(answer) if isinstance(answer, bytes) else answer

    def health(self, name):
        state = self.states[name]
        if isinstance(state, Exception):
            raise state
        return state


@dataclass
class Gateway(CannedService):
    """On a socket: lists `models`, asks for `token` where it has one, and knows health."""

    models: tuple[ModelDescription, ...] = (DESCRIPTION,)
    token: str = ""
    serves: bool = True
    weights: Mapping[str, str] = field(default_factory=lambda: DESCRIPTION.digests)  # that answer, by version

    def _list_models(self, _: bytes, context: grpc.ServicerContext) -> bytes:
        sent = dict(context.invocation_metadata()).get("authorization", "")
        if self.token and sent != f"Bearer {self.token}":
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "a valid token is needed")
        return encode_models(self.models)

    def _explain(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        """As the version that was asked for."""
        answer = service_pb2.ExplainResponse.FromString(super()._explain(request, context))
        asked = service_pb2.ExplainRequest.FromString(request)
        answer.model.name, answer.model.version = asked.model, asked.version
        answer.model.weights_digest = self.weights[asked.version]
        return answer.SerializeToString()


@contextmanager
def standing(
    gateway: Gateway, address: str = "127.0.0.1:0", credentials: grpc.ServerCredentials | None = None
) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, gateway.handlers()),))
    servicer = health.HealthServicer()
    status = health_pb2.HealthCheckResponse
    for name in ("", *(model.name for model in gateway.models)):
        servicer.set(name, status.SERVING if gateway.serves else status.NOT_SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    add = server.add_insecure_port if credentials is None else None
    port = add(address) if add else server.add_secure_port(address, credentials)
    server.start()
    try:
        yield f"{address.rpartition(':')[0]}:{port}"
    finally:
        server.stop(None).wait()


def credentials(name: str = "server", roots: str = "") -> grpc.ServerCredentials:
    """Of the files in tests/data/tls; with `roots` clients have to show a certificate of theirs."""
    pair = ((TLS / f"{name}.key").read_bytes(), (TLS / f"{name}.pem").read_bytes())
    authority = (TLS / roots).read_bytes() if roots else None
    return grpc.ssl_server_credentials([pair], authority, bool(roots))


def trusting(roots: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=TLS / roots)
