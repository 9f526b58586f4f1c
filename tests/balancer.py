"""A Service's address, as kube-proxy makes one: a new connection goes to a ready endpoint by chance and stays there."""

import asyncio
import contextlib
import random
from collections import Counter
from typing import Self

CHUNK = 64 * 1024


class Balancer:
    """`endpoints` (`host:port`) may be exchanged at any time; without any, connections are refused."""

    def __init__(self, endpoints: tuple[str, ...] = (), seed: int = 0) -> None:
        self.endpoints = endpoints
        self.connections: Counter[str] = Counter()  # that were made, by endpoint
        self.address = ""
        self._random = random.Random(seed)
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        self.address = f"{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with contextlib.suppress(OSError, asyncio.CancelledError, IndexError):
            endpoint = self._random.choice(self.endpoints)
            self.connections[endpoint] += 1
            host, port = endpoint.split(":")
            onward = await asyncio.open_connection(host, int(port))
            await asyncio.gather(_copy(reader, onward[1]), _copy(onward[0], writer))
        writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until one side ends, and then ends the other, too."""
    try:
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
    finally:
        writer.close()
