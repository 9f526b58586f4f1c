"""The HTTP listener: uvicorn, without what the gateway does itself, and stricter with slow and large heads."""

import asyncio
import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from services.gateway.tls import Tls

HEAD_BYTES = 16 * 1024
HEAD_SECONDS = 10.0
# Longer than clients and balancers keep an idle connection (httpx 5, many balancers 60): they close it, not we, and no
# next request meets a connection that we are closing.
KEEP_ALIVE_SECONDS = 75
_PIECE = HEAD_BYTES // 8


class HttpServer(uvicorn.Server):
    """uvicorn without its signal handlers: the gateway drains its servers.

    `refused` is called for each request that ends before its head was understood.
    """

    def __init__(
        self, app: ASGIApp, tls: Tls | None, drain_seconds: float, refused: Callable[[], None]
    ) -> None:
        connection: Any = functools.partial(_Connection, refused=refused)
        super().__init__(
            uvicorn.Config(
                app,
                http=connection,
                ws="none",
                h11_max_incomplete_event_size=HEAD_BYTES,
                ssl_context_factory=None if tls is None else lambda _config, _default: tls.http_context(),
                reset_contextvars=True,  # a pipelined request must not begin with its predecessor's caller
                proxy_headers=False,
                log_config=None,
                log_level="error",  # whatever a stranger sends is worth no warning; it is counted
                access_log=False,
                lifespan="off",
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=round(drain_seconds) or 1,
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Connection(H11Protocol):
    """A connection on which a head that dribbles in is given up, also the first one that never begins."""

    def __init__(self, *args: Any, refused: Callable[[], None], **more: Any) -> None:
        super().__init__(*args, **more)
        self._refused = refused
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """A head in pieces: h11 bounds what is not complete, however much came at once."""
        while data and self.conn.their_state is h11.IDLE:
            super().data_received(data[:_PIECE])
            data = data[_PIECE:]
        if data and not self.transport.is_closing():
            super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._wait_for_head()
        else:
            self._stop_waiting()

    def send_400_response(self, msg: str) -> None:
        self._refused()
        super().send_400_response(msg)

    def _wait_for_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._refused()
        self.timeout_keep_alive_handler()
