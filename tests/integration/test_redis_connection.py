"""Every way to reach a Redis, with real servers: alone, encrypted, by a socket, through Sentinel, as a cluster."""

import asyncio
import ssl
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from fake_worker import until
from redis.asyncio.cluster import RedisCluster
from redis.exceptions import RedisError
from valkey_server import Valkey, running_valkey

from services.gateway.redis_reads import Reads
from services.redis_connection import connect, disconnect
from services.stack.trial import free_ports

TLS = Path(__file__).parents[1] / "data" / "tls"


@asynccontextmanager
async def opened(url):
    client = connect(url, 5.0)
    try:
        yield client
    finally:
        await disconnect(client)


async def works(url) -> bool:
    async with opened(url) as client:
        pipeline = client.pipeline(transaction=False)
        pipeline.set("{a}b", b"x", px=1000)
        pipeline.get("{a}b")
        await pipeline.execute()
        assert await client.get("{a}b") == b"x"
        async with reading(client) as reads:
            assert await reads.get("{a}b") == b"x"
            # what is read on the spot has to be the reply itself
            assert reads._line is None or reads._line._can_wait is not url.startswith("rediss")
        return bool(await client.eval("return 1", 1, "{a}b") == 1)


@asynccontextmanager
async def reading(client):
    """Over a connection of its own, unless it is a cluster."""
    reads = Reads(client, 5.0)
    try:
        await reads.get("{a}b")
        await until(lambda: (reads._line is None) == isinstance(client, RedisCluster))
        yield reads
    finally:
        await reads.close()


async def test_by_itself_with_a_password_and_a_database(tmp_path):
    with running_valkey(tmp_path, "--requirepass", "a secret") as server:
        assert await works(f"redis://:a%20secret@127.0.0.1:{server.port}/3")
        with pytest.raises(Exception, match=r"WRONGPASS|invalid"):
            await works(f"redis://:wrong@127.0.0.1:{server.port}/3")


async def test_by_a_socket(tmp_path):
    path = tmp_path / "v.sock"
    with running_valkey(tmp_path, "--unixsocket", str(path)):
        await until(path.exists)
        assert await works(f"unix://{path}")


async def test_encrypted(tmp_path):
    with running_valkey(tmp_path) as server:
        async with _tls_in_front_of(server) as port:
            assert await works(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={TLS / 'ca.pem'}")
            with pytest.raises(Exception, match="certificate verify failed"):
                await works(f"rediss://127.0.0.1:{port}/0")


async def test_through_sentinel_and_after_its_failover(tmp_path):
    with running_valkey(tmp_path / "one") as one:
        replica = ("--replicaof", f"127.0.0.1 {one.port}")
        with running_valkey(tmp_path / "other", *replica) as other, _sentinel(tmp_path, one) as sentinel:
            url = f"redis+sentinel://127.0.0.1:{sentinel.port}/mymaster/0"
            async with opened(f"redis://127.0.0.1:{sentinel.port}") as asked:
                await until(lambda: works(url))
                await until(lambda: _knows_a_replica(asked))
            async with opened(url) as client, reading(client) as reads:
                await client.set("before", b"x")
                await until(lambda: _reads(other, "before"))
                one.kill()
                await until(lambda: _writes(client, "after"))
                assert await reads.get("after") == b"x"
                await until(lambda: reads._line is not None)
                assert await reads.get("after") == b"x"
            async with opened(f"redis://127.0.0.1:{other.port}") as promoted:
                assert await promoted.get("after") == b"x"
            one.start()


async def test_a_cluster(tmp_path):
    (bus,) = free_ports(1)  # by itself it takes one of those that outgoing connections have
    with running_valkey(tmp_path, "--cluster-enabled", "yes", "--cluster-port", str(bus)) as server:
        async with opened(server.url) as node:
            await node.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            await until(lambda: _is_whole(node))
        assert await works(f"redis+cluster://127.0.0.1:{server.port}")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://user:secret@host", "begins with 'http'"),
        ("localhost:6379", "begins with 'localhost'"),
        ("redis+sentinel://:secret@host:26379", "name Sentinel's service"),
        ("redis://:secret@host:port", "Port could not be cast"),
    ],
)
def test_what_is_no_such_address_is_refused_without_its_password(url, says):
    with pytest.raises(ValueError, match=says) as caught:
        connect(url, 1.0)
    assert "secret" not in str(caught.value)


@asynccontextmanager
async def _tls_in_front_of(server: Valkey):
    """Valkey's wheel has no TLS of its own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "server.pem", TLS / "server.key")

    async def pump(reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def forward(reader, writer):
        inside = await asyncio.open_connection("127.0.0.1", server.port)
        await asyncio.gather(pump(reader, inside[1]), pump(inside[0], writer))

    proxy = await asyncio.start_server(forward, "127.0.0.1", 0, ssl=context)
    try:
        yield proxy.sockets[0].getsockname()[1]
    finally:
        proxy.close()


def _sentinel(folder: Path, master: Valkey):
    (folder / "sentinel").mkdir()
    configuration = folder / "sentinel" / "sentinel.conf"
    configuration.write_text(
        f"sentinel monitor mymaster 127.0.0.1 {master.port} 1\n"
        "sentinel down-after-milliseconds mymaster 300\n"
        "sentinel failover-timeout mymaster 1000\n"
    )
    return running_valkey(folder / "sentinel", "--sentinel", configuration=configuration)


async def _knows_a_replica(sentinel) -> bool:
    return bool(await sentinel.execute_command("SENTINEL REPLICAS mymaster"))


async def _reads(server: Valkey, key: str) -> bool:
    async with opened(f"redis://127.0.0.1:{server.port}") as client:
        return await client.get(key) == b"x"


async def _writes(client, key: str) -> bool:
    try:
        return bool(await client.set(key, b"x"))
    except (RedisError, OSError):
        return False


async def _is_whole(node) -> bool:
    return b"cluster_state:ok" in await node.execute_command("CLUSTER", "INFO")
