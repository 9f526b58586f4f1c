"""The client: `Client` for plain Python, `AsyncClient` for asyncio. Both ask the same and raise the same.

>>> with Client("127.0.0.1:50051") as client:
...     explanation = client.explain(text="what a great day", image=Path("rain.jpg"))
...     explanation.save("explanation.png")
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterable, Generator, Iterable
from typing import Generic, Self, TypeVar, Unpack

import grpc
import grpc.aio

from attendant import questions
from attendant.answers import Answer, Explanation, StreamItem
from attendant.channels import DEFAULT_ADDRESS, DEFAULT_TIMEOUT, OPTIONS, SERVICE, Tls, metadata
from attendant.failures import ServiceError, from_rpc_error
from attendant.questions import Call, ExplainArguments, PredictArguments, Question, StreamArguments
from attendant.types import Instance, ModelDescription
from attendant.wire.requests import CacheMode

__all__ = ["Answer", "AsyncClient", "CacheMode", "Client", "Explanation", "ServiceError", "StreamItem", "Tls"]

C = TypeVar("C")
T = TypeVar("T")
_STREAM = f"/{SERVICE}/ExplainStream"


class _Connection(ABC, Generic[C]):
    """What both clients know about the service: where it is, and how to reach it."""

    def __init__(
        self,
        address: str = DEFAULT_ADDRESS,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        tls: Tls | None = None,
        token: str = "",
    ) -> None:
        """Nothing is connected before the first call.

        `timeout` (seconds) is each call's deadline, retries included. Raises ValueError where `token` would travel
        unencrypted to another machine, OSError where a file of `tls` cannot be read.
        """
        self._address = address
        self._metadata = metadata(address, token, tls)
        self._timeout = timeout
        self._channel = self._open(address, None if tls is None else tls.credentials())

    @abstractmethod
    def _open(self, address: str, credentials: grpc.ChannelCredentials | None) -> C: ...

    def _limit(self, call: Call[T]) -> float:
        return self._timeout if call.timeout is None else call.timeout


class Client(_Connection[grpc.Channel]):
    """Asks a running service. Threads may share one; close it, or use it in a `with` block.

    Every call raises ServiceError where it fails.
    """

    def _open(self, address: str, credentials: grpc.ChannelCredentials | None) -> grpc.Channel:
        if credentials is None:
            return grpc.insecure_channel(address, OPTIONS)
        return grpc.secure_channel(address, credentials, OPTIONS)

    def predict(self, instance: Instance | None = None, **arguments: Unpack[PredictArguments]) -> Answer:
        """The answer alone.

        Give a `Tweet` or a `Mosaic`, or any of text=, image= (bytes or Path) and attributes=, which make a tweet; also
        model=, version=, request_id= and timeout=. Which models take mosaics, and of which shape, `list_models` says.
        """
        return self._make(questions.predict(instance, arguments))

    def explain(self, instance: Instance | None = None, **arguments: Unpack[ExplainArguments]) -> Explanation:
        """The answer with every attention vector behind it, and the methods asked for.

        Arguments as for `predict`, cache_mode=, and one of methods=, each of `attendant.methods.Method` with its
        default options, and options=, an `attendant.methods.ExplainOptions` that says more:

        >>> client.explain(tweet, methods=[Method.GRADIENT, Method.ERASURE])
        >>> client.explain(tweet, options=ExplainOptions(permutation=PermutationOptions(samples=1_000, seed=7)))

        What was computed is in `explanation.explanations`, and where a model looked in a mosaic, in
        `explanation.focus`. Raises ValueError where both are given, and where box_alignment is asked for without its
        boxes.
        """
        return self._make(questions.explain(instance, arguments))

    def list_models(self) -> tuple[ModelDescription, ...]:
        """What can be asked here."""
        return self._make(questions.list_models())

    def explain_many(
        self, instances: Iterable[Question], **arguments: Unpack[StreamArguments]
    ) -> Generator[StreamItem, None, None]:
        """Explains in bulk over one stream: an item for each instance, as they are ready, so not in order.

        Instances may come with a request id, as pairs `(id, instance)`; else they are numbered "0", "1", ... One that
        fails is an item with its error. Options are as for `explain`, the same for all. What `instances` itself raises
        is raised here, after the answers before it.
        """
        bulk = questions.Bulk(arguments)
        ask: grpc.StreamStreamMultiCallable[bytes, bytes] = self._channel.stream_stream(_STREAM)
        call = ask(bulk.requests(instances), timeout=arguments.get("timeout"), metadata=self._metadata)
        try:
            for response in call:
                yield bulk.item(response)
        except grpc.RpcError as error:
            raise from_rpc_error(error, self._address) from error
        finally:
            call.cancel()
        bulk.finish()

    def close(self) -> None:
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _make(self, call: Call[T]) -> T:
        ask: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(
            f"/{SERVICE}/{call.method}"
        )
        try:
            response = ask(call.request, timeout=self._limit(call), metadata=self._metadata)
        except grpc.RpcError as error:
            raise from_rpc_error(error, self._address) from error
        return call.decode(response)


class AsyncClient(_Connection[grpc.aio.Channel]):
    """`Client` for asyncio: the same calls as coroutines. Make and use it within one event loop."""

    def _open(self, address: str, credentials: grpc.ChannelCredentials | None) -> grpc.aio.Channel:
        if credentials is None:
            return grpc.aio.insecure_channel(address, OPTIONS)
        return grpc.aio.secure_channel(address, credentials, OPTIONS)

    async def predict(
        self, instance: Instance | None = None, **arguments: Unpack[PredictArguments]
    ) -> Answer:
        """As `Client.predict`."""
        return await self._make(questions.predict(instance, arguments))

    async def explain(
        self, instance: Instance | None = None, **arguments: Unpack[ExplainArguments]
    ) -> Explanation:
        """As `Client.explain`."""
        return await self._make(questions.explain(instance, arguments))

    async def list_models(self) -> tuple[ModelDescription, ...]:
        """As `Client.list_models`."""
        return await self._make(questions.list_models())

    async def explain_many(
        self, instances: Iterable[Question] | AsyncIterable[Question], **arguments: Unpack[StreamArguments]
    ) -> AsyncGenerator[StreamItem, None]:
        """As `Client.explain_many`; `instances` may be asynchronous."""
        bulk = questions.Bulk(arguments)
        ask: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = self._channel.stream_stream(_STREAM)
        call = ask(
            bulk.async_requests(instances)
            if isinstance(instances, AsyncIterable)
            else bulk.requests(instances),
            timeout=arguments.get("timeout"),
            metadata=self._metadata,
        )
        try:
            async for response in call:
                yield bulk.item(response)
        except grpc.RpcError as error:
            raise from_rpc_error(error, self._address) from error
        finally:
            call.cancel()
        bulk.finish()

    async def close(self) -> None:
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _make(self, call: Call[T]) -> T:
        ask: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(
            f"/{SERVICE}/{call.method}"
        )
        try:
            response = await ask(call.request, timeout=self._limit(call), metadata=self._metadata)
        except grpc.RpcError as error:
            raise from_rpc_error(error, self._address) from error
        return call.decode(response)
