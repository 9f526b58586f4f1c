"""A proxy in front of a real Valkey that does to its replies what networks and broken servers do."""

import asyncio
from contextlib import asynccontextmanager, suppress


@asynccontextmanager
async def behind_a_proxy(server, seconds=0.0, change=lambda data: data):
    """The server's address behind a proxy that holds up its answers, or changes them.

    Where `change` raises ConnectionError the connection is cut.
    """

    async def pump(reader, writer, pause, change):
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                await asyncio.sleep(pause)
                writer.write(change(data))
                await writer.drain()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def forward(reader, writer):
        inside = await asyncio.open_connection("127.0.0.1", server.port)
        there = pump(reader, inside[1], 0.0, lambda data: data)
        forwarding.append(asyncio.gather(there, pump(inside[0], writer, seconds, change)))

    forwarding: list[asyncio.Future] = []
    proxy = await asyncio.start_server(forward, "127.0.0.1", 0)
    try:
        yield f"redis://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
    finally:
        proxy.close()
        await asyncio.gather(*forwarding)
