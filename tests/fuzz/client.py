"""Sends attempts, as a client that does not care what becomes of them."""

import asyncio
import contextlib
from typing import Self
from urllib.parse import urlsplit

import grpc
import httpx

from attendant.channels import SERVICE
from attendant.v1 import service_pb2
from fuzz.attempts import Attempt, Call, HttpRequest
from fuzz.oracle import CallOutcome, HttpOutcome, judge_call, judge_http
from services.gateway.statuses import DETAILS_KEY

RAW_SECONDS = 10.0
_OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.enable_retries", 0),
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
)


class Client:
    """Both faces of one service: `grpc_address` is host:port, `http` a URL."""

    def __init__(self, grpc_address: str, http: str) -> None:
        self._channel = grpc.aio.insecure_channel(grpc_address, _OPTIONS)
        self._http = httpx.AsyncClient(
            base_url=http, trust_env=False, timeout=60, limits=httpx.Limits(max_connections=64)
        )
        self._host, self._port = urlsplit(http).hostname, urlsplit(http).port

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._channel.close()
        await self._http.aclose()

    async def send(self, attempt: Attempt) -> tuple[str, str | None]:
        """The outcome's status in a word, and what is wrong with it, if anything is."""
        if isinstance(attempt, Call):
            outcome = await self._call(attempt)
            return ("gone" if outcome.vanished else outcome.code.name), judge_call(attempt, outcome)
        answer = await (self._raw(attempt) if attempt.raw is not None else self._request(attempt))
        return str(answer.status or "closed"), judge_http(attempt, answer)

    async def models(self) -> list:
        """What the service lists."""
        answer = await self._channel.unary_unary(f"/{SERVICE}/ListModels")(b"", timeout=30)
        return list(service_pb2.ListModelsResponse.FromString(answer).models)

    async def predict(self, request: bytes) -> bytes:
        """The response without its timing: alike for like requests."""
        answer = await self._channel.unary_unary(f"/{SERVICE}/Predict")(request, timeout=60)
        response = service_pb2.PredictResponse.FromString(answer)
        response.ClearField("timing")
        return response.SerializeToString(deterministic=True)

    async def in_flight(self) -> dict[str, float]:
        """The gateway's gauges of what is in flight, those that are not 0."""
        page = (await self._http.get("/metrics")).text
        rows = (row.rpartition(" ") for row in page.splitlines() if row.startswith("attendant_in_flight{"))
        return {name: float(value) for name, _, value in rows if float(value)}

    async def _call(self, call: Call) -> CallOutcome:
        if call.streams:
            running = self._channel.stream_stream(call.path)(iter(call.requests), timeout=call.deadline)
            answering = asyncio.create_task(_read(running))
        else:
            running = self._channel.unary_unary(call.path)(call.requests[0], timeout=call.deadline)
            answering = asyncio.create_task(_take(running))
        cancelled = False
        if call.vanishes is not None:
            await asyncio.wait({answering}, timeout=call.vanishes)
            cancelled = not answering.done() and running.cancel()
        try:
            responses = await answering
        except grpc.aio.AioRpcError as error:
            # So gRPC tells of its own cancellation a reader who is waiting for the status only
            vanished = cancelled and error.code() is grpc.StatusCode.CANCELLED
            details = dict(error.trailing_metadata() or ()).get(DETAILS_KEY)
            return CallOutcome(
                error.code(), details=details, message=error.details() or "", vanished=vanished
            )
        except asyncio.CancelledError:
            return CallOutcome(grpc.StatusCode.CANCELLED, vanished=True)
        return CallOutcome(grpc.StatusCode.OK, responses)

    async def _request(self, request: HttpRequest) -> HttpOutcome:
        made = httpx.Request(request.verb, self._http.base_url.join("/"), content=request.body or None)
        # As it is: httpx would tidy the path up
        made.url = self._http.base_url.copy_with(raw_path=request.path.encode("ascii", "ignore"))
        for name, value in (request.headers or {}).items():
            made.headers[name] = value
        try:
            answer = await self._http.send(made)
        except httpx.TransportError as error:
            return HttpOutcome(0, {}, repr(error).encode())
        return HttpOutcome(answer.status_code, dict(answer.headers), answer.content)

    async def _raw(self, request: HttpRequest) -> HttpOutcome:
        assert request.raw is not None
        reader, writer = await asyncio.open_connection(self._host, self._port)
        answer = b""
        with contextlib.suppress(OSError, TimeoutError):
            writer.write(request.raw)
            if writer.can_write_eof():
                writer.write_eof()
            async with asyncio.timeout(RAW_SECONDS):
                answer = await reader.read(1 << 20)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        word = answer.split(b" ", 2)[1:2]
        return HttpOutcome(int(word[0]) if word and word[0].isdigit() else 0, {}, answer)


async def _read(running) -> tuple[bytes, ...]:
    return tuple([response async for response in running])


async def _take(running) -> tuple[bytes, ...]:
    return (await running,)
