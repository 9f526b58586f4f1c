"""attendant.v1.AttendantService over the data plane. Requests and responses stay bytes: nothing is parsed here."""

from collections.abc import AsyncIterator, Awaitable

import grpc

from attendant.errors import AttendantError
from attendant.v1 import service_pb2
from services.gateway.access import Access
from services.gateway.closing import Closing
from services.gateway.dataplane import DataPlane
from services.gateway.refusals import Refusals
from services.gateway.statuses import abort
from services.gateway.stream import explain_stream

SERVICE = service_pb2.DESCRIPTOR.services_by_name["AttendantService"].full_name

Context = grpc.aio.ServicerContext[bytes, bytes]


class Servicer:
    """`window` items of a stream are in work at a time, each when its caller's rate lets it through."""

    def __init__(
        self, data_plane: DataPlane, window: int, closing: Closing, access: Access, refusals: Refusals
    ) -> None:
        self._data_plane = data_plane
        self._window = window
        self._closing = closing
        self._access = access
        self._refusals = refusals

    def handlers(self) -> grpc.GenericRpcHandler:
        """For a server: bytes in, bytes out."""
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "Predict": grpc.unary_unary_rpc_method_handler(self.predict),
                "Explain": grpc.unary_unary_rpc_method_handler(self.explain),
                "ExplainStream": grpc.stream_stream_rpc_method_handler(self.explain_stream),
                "ListModels": grpc.unary_unary_rpc_method_handler(self.list_models),
            },
        )

    async def predict(self, request: bytes, context: Context) -> bytes:
        return await self._answer(context, self._data_plane.predict(request, context.time_remaining()))

    async def explain(self, request: bytes, context: Context) -> bytes:
        return await self._answer(context, self._data_plane.explain(request, context.time_remaining()))

    async def list_models(self, _request: bytes, context: Context) -> bytes:
        return await self._answer(context, self._data_plane.list_models())

    async def explain_stream(self, _requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        async def read() -> bytes | None:
            item = await context.read()
            return item if isinstance(item, bytes) else None  # grpc.aio.EOF

        async def explain(request: bytes) -> bytes:
            with self._refusals.noted("grpc"):
                await self._access.next_item(self._closing.ending)
            return await self._data_plane.explain(request, context.time_remaining(), bulk=True)

        try:
            async for response in explain_stream(read, explain, self._window, self._closing.ending):
                yield response
        except AttendantError as error:
            await abort(context, error)

    async def _answer(self, context: Context, answer: Awaitable[bytes]) -> bytes:
        try:
            return await answer
        except AttendantError as error:
            await abort(context, error)
            raise
        finally:
            await self._closing.answering.wait()
