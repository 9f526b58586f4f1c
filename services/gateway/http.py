"""HTTP: the same calls as JSON, what operators need, and the page that says how to call it."""

from collections.abc import Awaitable, Callable
from functools import cache

from google.protobuf.message import Message
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.types import Message as ASGIMessage

from attendant.errors import AttendantError, Reason, internal, invalid
from attendant.v1.service_pb2 import (
    ExplainRequest,
    ExplainResponse,
    ListModelsResponse,
    PredictRequest,
    PredictResponse,
)
from services.gateway.closing import Closing
from services.gateway.dataplane import DataPlane
from services.gateway.openapi import specification
from services.gateway.page import PAGE_POLICY, render_page
from services.gateway.statuses import CODES, to_status
from services.gateway.transcoding import read_json, write_json

JSON = "application/json"
HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}

Call = Callable[[bytes, float | None], Awaitable[bytes]]


class Http:
    """The application over a data plane. `max_message_bytes` bounds the message; its JSON may be a third longer."""

    def __init__(self, data_plane: DataPlane, max_message_bytes: int, closing: Closing) -> None:
        self._data_plane = data_plane
        self._closing = closing
        self._max_message_bytes = max_message_bytes
        self._max_body_bytes = max_message_bytes * 4 // 3 + 64 * 1024

    def app(self) -> Starlette:
        routes = [
            Route("/v1/models", self.list_models, methods=["GET"]),
            Route("/v1/models/{model}:predict", self.predict, methods=["POST"]),
            Route("/v1/models/{model}:explain", self.explain, methods=["POST"]),
            Route("/metrics", self.metrics, methods=["GET"]),
            Route("/healthz", self.healthz, methods=["GET"]),
            Route("/readyz", self.readyz, methods=["GET"]),
            Route("/openapi.json", self.openapi, methods=["GET"]),
            Route("/docs", self.docs, methods=["GET"]),
            Route("/", self.root, methods=["GET"]),
        ]
        return Starlette(
            routes=routes,
            exception_handlers={
                AttendantError: _failed,
                HTTPException: _not_found,
                Exception: _unexpected,
            },
            middleware=[Middleware(_SayGoodbye, closing=self._closing)],
        )

    async def predict(self, request: Request) -> Response:
        return await self._answer(request, PredictRequest(), PredictResponse(), self._data_plane.predict)

    async def explain(self, request: Request) -> Response:
        return await self._answer(request, ExplainRequest(), ExplainResponse(), self._data_plane.explain)

    async def list_models(self, _request: Request) -> Response:
        return _message(ListModelsResponse.FromString(await self._data_plane.list_models()))

    async def metrics(self, _request: Request) -> Response:
        registry = self._data_plane.metrics.registry
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    async def healthz(self, _request: Request) -> Response:
        """The process lives."""
        return JSONResponse({"status": "ok"}, headers=HEADERS)

    async def readyz(self, _request: Request) -> Response:
        """Every model answers."""
        readiness = self._data_plane.readiness
        return JSONResponse(
            {"ready": readiness.ready(), "models": readiness.states()},
            status_code=200 if readiness.ready() else 503,
            headers=HEADERS,
        )

    async def openapi(self, _request: Request) -> Response:
        return JSONResponse(_specification())

    async def docs(self, _request: Request) -> Response:
        return Response(_page(), media_type="text/html", headers={"Content-Security-Policy": PAGE_POLICY})

    async def root(self, _request: Request) -> Response:
        return RedirectResponse("/docs")

    async def _answer(
        self, request: Request, question: PredictRequest | ExplainRequest, answer: Message, call: Call
    ) -> Response:
        try:
            body = await self._body(request)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it
        read_json(body, question)
        model = request.path_params["model"]
        if question.model not in ("", model):
            raise invalid("model", f"it is {question.model[:64]!r}, but the path names {model[:64]!r}")
        question.model = model
        answer.ParseFromString(await call(question.SerializeToString(), None))
        return _message(answer)

    async def _body(self, request: Request) -> bytes:
        """Never holds more than the limit, whatever the request claims or sends."""
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > self._max_body_bytes:
                raise invalid(
                    "request",
                    f"it is larger than a message of {self._max_message_bytes} bytes can be in JSON",
                )
        return bytes(body)


class _SayGoodbye:
    """During a drain every answer tells the client that it is the connection's last."""

    def __init__(self, app: ASGIApp, closing: Closing) -> None:
        self._app = app
        self._closing = closing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_last(message: ASGIMessage) -> None:
            if self._closing.begun and message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        await self._app(scope, receive, send_last)


def _message(message: Message, code: int = 200) -> Response:
    return Response(write_json(message), code, HEADERS, JSON)


async def _failed(_request: Request, error: Exception) -> Response:
    if not isinstance(error, AttendantError):
        raise TypeError(error)
    headers = dict(HEADERS)
    if error.retry_after is not None:
        headers["Retry-After"] = str(max(1, round(error.retry_after)))
    return Response(write_json(to_status(error), whole=False), CODES[error.reason].http, headers, JSON)


async def _not_found(request: Request, _error: Exception) -> Response:
    message = f"there is no {request.method} {request.url.path}; /docs lists the calls"
    return await _failed(request, AttendantError(message, Reason.PATH_NOT_FOUND))


async def _unexpected(request: Request, _error: Exception) -> Response:
    """The error itself goes on to the server, which logs it."""
    return await _failed(request, internal())


@cache
def _specification() -> dict[str, object]:
    return specification()


@cache
def _page() -> str:
    return render_page(_specification())
