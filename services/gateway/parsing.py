"""Bytes that are no message, sent to the services of generated code (health, reflection): bad input like any other.

grpcio would say UNKNOWN, and log a trace for each. Our own service reads its bytes itself.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NoReturn

import grpc
from google.protobuf.message import DecodeError

from attendant.errors import invalid
from services.gateway.statuses import abort

Context = grpc.aio.ServicerContext[Any, Any]


class Parsing(grpc.aio.ServerInterceptor):
    """Hands such services the bytes through a parser of ours."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        handler = await continuation(handler_call_details)
        if handler is None or handler.request_deserializer is None:
            return handler
        return _parsing(handler, handler_call_details.method)


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
