"""The door of both protocols: whoever needs a token and has none is turned away before a byte of the body is read."""

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection
from starlette.types import ASGIApp, Receive, Scope, Send

from attendant.errors import AttendantError
from services.gateway.access import Access, act_for
from services.gateway.refusals import Refusals
from services.gateway.statuses import refuser, to_response

# Open to everybody; what is not named here is closed, also what comes later.
OPEN_SERVICES = frozenset(
    {health_pb2.DESCRIPTOR.services_by_name["Health"].full_name, reflection.SERVICE_NAME}
)
OPEN_PATHS = frozenset({"/healthz", "/readyz", "/metrics", "/drift", "/openapi.json", "/docs", "/"})
ITEM_BY_ITEM = "ExplainStream"  # a stream's items count, not its beginning

Details = grpc.HandlerCallDetails


class GrpcDoor(grpc.aio.ServerInterceptor):
    """Answers for a call that is refused; the task of one that is not acts for its caller from here on."""

    def __init__(self, access: Access, refusals: Refusals) -> None:
        self._access = access
        self._refusals = refusals

    async def intercept_service(
        self, continuation: Callable[[Details], Awaitable[Any]], handler_call_details: Details
    ) -> Any:
        service, _, method = handler_call_details.method.lstrip("/").partition("/")
        if service not in OPEN_SERVICES:
            try:
                with self._refusals.noted("grpc"):
                    caller = self._access.identify(_authorization(handler_call_details))
                    if method != ITEM_BY_ITEM:
                        self._access.spend(caller)
            except AttendantError as error:
                return refuser(error)
            act_for(caller)
        return await continuation(handler_call_details)


class HttpDoor:
    """The same as ASGI middleware."""

    def __init__(self, app: ASGIApp, access: Access, refusals: Refusals) -> None:
        self._app = app
        self._access = access
        self._refusals = refusals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if scope["path"] not in OPEN_PATHS:
            authorization = [
                value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"
            ]
            try:
                with self._refusals.noted("http"):
                    caller = self._access.identify(authorization)
                    self._access.spend(caller)
                act_for(caller)
            except AttendantError as error:
                app = to_response(error)
        await app(scope, receive, send)


def _authorization(details: Details) -> list[str]:
    return [
        value if isinstance(value, str) else value.decode("latin-1")
        for key, value in details.invocation_metadata or ()
        if key == "authorization"
    ]
