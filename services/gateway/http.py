"""HTTP: the same calls as JSON, what operators need, and the page that says how to call it."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
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

from attendant.errors import AttendantError, Reason, deadline_exceeded, internal, invalid
from attendant.v1.service_pb2 import (
    ExplainRequest,
    ExplainResponse,
    ListModelsResponse,
    PredictRequest,
    PredictResponse,
)
from services.gateway.access import Access
from services.gateway.closing import Closing
from services.gateway.dataplane import DataPlane
from services.gateway.door import HttpDoor
from services.gateway.openapi import specification
from services.gateway.page import PAGE_POLICY, render_page
from services.gateway.refusals import Refusals
from services.gateway.statuses import HEADERS, JSON, to_response
from services.gateway.transcoding import read_json, write_json
from services.monitor.local import LocalMonitor

# Of a refused request's body, what is still taken in and thrown away before the answer, and for how long.
DISCARDED_BYTES = 16 * 1024 * 1024
DISCARD_SECONDS = 1.0

Call = Callable[[bytes, float | None], Coroutine[None, None, bytes]]


class Http:
    """The application over a data plane. `max_message_bytes` bounds the message; its JSON may be a third longer.

    A request has the data plane's default time, from the end of its head to its answer. `monitor`: one that runs here.
    """

    def __init__(
        self,
        data_plane: DataPlane,
        max_message_bytes: int,
        closing: Closing,
        access: Access,
        refusals: Refusals,
        monitor: LocalMonitor | None,
    ) -> None:
        self._monitor = monitor
        self._data_plane = data_plane
        self._closing = closing
        self._access = access
        self._refusals = refusals
        self._max_message_bytes = max_message_bytes
        self._max_body_bytes = max_message_bytes * 4 // 3 + 64 * 1024

    def app(self) -> Starlette:
        """Everything."""
        return self._app(
            [
                Route("/v1/models", self.list_models, methods=["GET"]),
                Route("/v1/models/{model}:predict", self.predict, methods=["POST"]),
                Route("/v1/models/{model}:explain", self.explain, methods=["POST"]),
                *self._operations(),
                Route("/openapi.json", self.openapi, methods=["GET"]),
                Route("/docs", self.docs, methods=["GET"]),
                Route("/", self.root, methods=["GET"]),
            ],
            Middleware(HttpDoor, access=self._access, refusals=self._refusals),
        )

    def operations(self) -> Starlette:
        """For the port that probes and Prometheus reach without a certificate."""
        return self._app(self._operations())

    def _operations(self) -> list[Route]:
        monitor = self._monitor
        return [
            Route("/metrics", self.metrics, methods=["GET"]),
            Route("/healthz", self.healthz, methods=["GET"]),
            Route("/readyz", self.readyz, methods=["GET"]),
            *([] if monitor is None else [Route("/drift", _show_drift(monitor), methods=["GET"])]),
        ]

    def _app(self, routes: list[Route], *middleware: Middleware) -> Starlette:
        return Starlette(
            routes=routes,
            exception_handlers={
                AttendantError: _failed,
                HTTPException: self._no_such_call,
                Exception: _unexpected,
            },
            middleware=[Middleware(_SayGoodbye, closing=self._closing), *middleware],
        )

    async def predict(self, request: Request) -> Response:
        return await self._answer(request, PredictRequest(), PredictResponse(), self._data_plane.predict)

    async def explain(self, request: Request) -> Response:
        return await self._answer(request, ExplainRequest(), ExplainResponse(), self._data_plane.explain)

    async def list_models(self, _request: Request) -> Response:
        return _message(ListModelsResponse.FromString(await self._data_plane.list_models()))

    async def metrics(self, _request: Request) -> Response:
        page = generate_latest(self._data_plane.metrics.registry)
        if self._monitor is not None:
            page += await asyncio.to_thread(self._monitor.page)
        return Response(page, media_type=CONTENT_TYPE_LATEST)

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
        loop = asyncio.get_running_loop()
        end = loop.time() + self._data_plane.default_budget
        try:
            with self._refusals.noted("http"):
                await self._read(request, question)
            answer.ParseFromString(
                await _while_connected(request, call(question.SerializeToString(), end - loop.time()))
            )
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it
        return _message(answer)

    async def _read(self, request: Request, question: PredictRequest | ExplainRequest) -> None:
        seconds = self._data_plane.default_budget
        try:
            async with asyncio.timeout(seconds):
                body = await self._body(request)
        except TimeoutError:
            raise deadline_exceeded(f"the request's body did not arrive within {seconds:g} s") from None
        read_json(body, question)
        model = request.path_params["model"]
        if question.model not in ("", model):
            raise invalid("model", f"it is {question.model[:64]!r}, but the path names {model[:64]!r}")
        question.model = model

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

    async def _no_such_call(self, request: Request, error: Exception) -> Response:
        """A path that is not there, or a verb that it does not take."""
        if not isinstance(error, HTTPException):
            raise TypeError(error)
        verbs = sorted((error.headers or {}).get("Allow", "").replace(",", " ").split())
        refused = f"there is no {request.method} {request.url.path}"
        if verbs:
            failure = AttendantError(f"{refused}; it takes {', '.join(verbs)}", Reason.VERB_NOT_ALLOWED)
        else:
            failure = AttendantError(f"{refused}; /docs lists the calls", Reason.PATH_NOT_FOUND)
        self._refusals.note("http", failure.reason)
        response = to_response(failure)
        if verbs:
            response.headers["Allow"] = ", ".join(verbs)
        return response


class _SayGoodbye:
    """Tells the client of a connection's last answer: during a drain, and where the request's body stays unread."""

    def __init__(self, app: ASGIApp, closing: Closing) -> None:
        self._app = app
        self._closing = closing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        unread = any(
            name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
            for name, value in scope["headers"]
        )

        async def receive_noting() -> ASGIMessage:
            nonlocal unread
            message = await receive()
            unread = unread and message.get("more_body", False)
            return message

        async def discard() -> None:
            """A body that is on its way: closed in its face, the connection would lose the answer."""
            if any(name == b"expect" for name, _ in scope["headers"]):
                return  # the client waits to be asked for it
            left = DISCARDED_BYTES
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DISCARD_SECONDS):
                    while unread and left > 0:
                        left -= len((await receive_noting()).get("body", b""))

        async def send_last(message: ASGIMessage) -> None:
            if message["type"] == "http.response.start":
                await discard()
                if self._closing.begun or unread:
                    message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        await self._app(scope, receive_noting, send_last)


async def _while_connected(request: Request, call: Coroutine[None, None, bytes]) -> bytes:
    """What the call gives; it is cancelled when the client goes away. Raises ClientDisconnect then."""
    asking = asyncio.create_task(call)
    leaving = asyncio.create_task(_left(request))
    try:
        await asyncio.wait((asking, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not asking.done():
            raise ClientDisconnect
        return asking.result()
    finally:
        asking.cancel()
        leaving.cancel()
        await asyncio.wait((asking, leaving))


async def _left(request: Request) -> None:
    """Until the client has gone; the body has been read, so nothing else is to come."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _show_drift(monitor: LocalMonitor) -> Callable[[Request], Coroutine[None, None, Response]]:
    async def drift(_request: Request) -> Response:
        """What the monitor in this process has found."""
        return JSONResponse(monitor.document(), headers=HEADERS)

    return drift


def _message(message: Message, code: int = 200) -> Response:
    return Response(write_json(message), code, HEADERS, JSON)


async def _failed(_request: Request, error: Exception) -> Response:
    if not isinstance(error, AttendantError):
        raise TypeError(error)
    return to_response(error)


async def _unexpected(_request: Request, _error: Exception) -> Response:
    """The error itself goes on to the server, which logs it."""
    return to_response(internal())


@cache
def _specification() -> dict[str, object]:
    return specification()


@cache
def _page() -> str:
    return render_page(_specification())
