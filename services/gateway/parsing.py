"""Bytes that are no message, sent to the services of generated code (health, reflection): bad input like any other.

grpcio would say UNKNOWN, and log a trace for each. Our own service reads its bytes itself.
"""

from collections.abc import AsyncIterator, Iterable
from typing import Any, NoReturn

import grpc
from google.protobuf.message import DecodeError

from attendant.errors import invalid
from services.gateway.statuses import abort

Context = grpc.aio.ServicerContext[Any, Any]


class Registrar:
    """What generated code adds its services to, in the server's stead: their calls pass a parser of ours."""

    def __init__(self, server: grpc.aio.Server) -> None:
        self._server = server

    def add_generic_rpc_handlers(self, handlers: Iterable[Any]) -> None:
        """Nothing to do: the same methods come by name."""

    def add_registered_method_handlers(self, service: str, handlers: dict[str, Any]) -> None:
        parsing = {name: _parsing(handler, f"/{service}/{name}") for name, handler in handlers.items()}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, parsing),))


def _parsing(handler: Any, method: str) -> Any:  # noqa: C901 - four small functions in one
    """The same handler, given bytes. Of the four kinds of call these services have three."""
    parse, write = handler.request_deserializer, handler.response_serializer

    async def one(data: bytes, context: Context) -> Any:
        try:
            return parse(data)
        except DecodeError:
            await _refuse(context, method)

    async def several(items: AsyncIterator[bytes], context: Context) -> AsyncIterator[Any]:
        async for data in items:
            yield await one(data, context)

    async def unary_unary(data: bytes, context: Context) -> Any:
        return await handler.unary_unary(await one(data, context), context)

    async def unary_stream(data: bytes, context: Context) -> AsyncIterator[Any]:
        async for response in handler.unary_stream(await one(data, context), context):
            yield response

    async def stream_stream(items: AsyncIterator[bytes], context: Context) -> AsyncIterator[Any]:
        async for response in handler.stream_stream(several(items, context), context):
            yield response

    if handler.stream_stream:
        return grpc.stream_stream_rpc_method_handler(stream_stream, None, write)
    if handler.unary_stream:
        return grpc.unary_stream_rpc_method_handler(unary_stream, None, write)
    return grpc.unary_unary_rpc_method_handler(unary_unary, None, write)


async def _refuse(context: Context, method: str) -> NoReturn:
    error = invalid("request", f"these bytes are no message that {method} takes")
    await abort(context, error)
    raise error
