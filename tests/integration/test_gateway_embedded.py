"""Real worker processes (without a model): they come back when they die, and none outlives its gateway."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from fake_worker import until

from attendant.errors import AttendantError
from attendant.wire.envelope import Operation, Row
from services.gateway.backends.embedded import EmbeddedBackend, worker_command

FAKE = Path(__file__).resolve().parents[1] / "fake_worker.py"
ROW = Row(Operation.PREDICT, b"request", "sarcasm", "1", 2.0)


def fake_command(_archive, socket):
    return (sys.executable, str(FAKE), socket)


async def until_ready(backend, archive="sarcasm"):
    await until(lambda: backend.ready(archive))


def alive(pid: int) -> bool:
    """Whether the process runs; one that nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
async def backend():
    backend = EmbeddedBackend({"sarcasm": Path("unused"), "sdc": Path("unused")}, fake_command)
    await backend.start()
    yield backend
    await backend.close()


async def test_a_worker_for_each_archive_answers(backend):
    await until_ready(backend)
    await until_ready(backend, "sdc")
    assert (await backend.call("sarcasm", ROW, 5.0)).response
    assert backend.pid("sarcasm") != backend.pid("sdc")


async def test_a_worker_that_is_killed_is_replaced(backend):
    await until_ready(backend)
    first = backend.pid("sarcasm")
    os.kill(first, signal.SIGKILL)
    await until(lambda: backend.pid("sarcasm") not in {first, None})
    await until_ready(backend)
    for _ in range(100):
        with contextlib.suppress(AttendantError):
            assert (await backend.call("sarcasm", ROW, 5.0)).response
            return
        await asyncio.sleep(0.05)
    pytest.fail("the new worker was not reached")


async def test_a_worker_that_says_nothing_any_more_is_replaced():
    backend = EmbeddedBackend({"sarcasm": Path("unused")}, fake_command, silence_seconds=0.5)
    await backend.start()
    await until_ready(backend)
    first = backend.pid("sarcasm")
    os.kill(first, signal.SIGSTOP)
    async with asyncio.timeout(30):
        while backend.pid("sarcasm") in {first, None}:
            assert not await backend.ready("sarcasm")
    await until_ready(backend)
    await backend.close()


async def test_close_leaves_no_process_and_no_socket(backend):
    await until_ready(backend)
    await until_ready(backend, "sdc")
    pids = [backend.pid("sarcasm"), backend.pid("sdc")]
    folder = backend._folder
    assert os.stat(folder).st_mode & 0o077 == 0  # noqa: PTH116
    await backend.close()
    assert not any(map(alive, pids))
    assert not os.path.exists(folder)  # noqa: ASYNC240, PTH110


async def test_close_at_once_leaves_no_process():
    backend = EmbeddedBackend({"sarcasm": Path("unused")}, fake_command)
    await backend.start()
    await asyncio.sleep(0)
    await backend.close()
    assert backend.pid("sarcasm") is None


async def test_a_worker_that_ignores_sigterm_is_killed():
    program = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    backend = EmbeddedBackend(
        {"sarcasm": Path("unused")}, lambda *_: (sys.executable, "-c", program), stop_seconds=0.3
    )
    await backend.start()
    await until(lambda: backend.pid("sarcasm"))
    pid = backend.pid("sarcasm")
    await asyncio.sleep(0.3)
    await backend.close()
    assert not alive(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can tie a process to its parent")
def test_a_gateway_that_is_killed_takes_its_workers_along():
    program = textwrap.dedent(
        f"""
        import asyncio, sys
        from pathlib import Path
        from services.gateway.backends.embedded import EmbeddedBackend

        async def main():
            backend = EmbeddedBackend({{"a": Path()}}, lambda _, s: (sys.executable, {str(FAKE)!r}, s))
            await backend.start()
            while not await backend.ready("a"):
                await asyncio.sleep(0.02)
            print(backend.pid("a"), flush=True)
            await asyncio.sleep(60)

        asyncio.run(main())
        """
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as gateway:
        line = next(line for line in gateway.stdout if line.strip().isdigit())
        gateway.kill()
    give_up = time.monotonic() + 10
    while alive(int(line)) and time.monotonic() < give_up:
        time.sleep(0.02)
    assert not alive(int(line))


def test_the_real_worker_is_a_module_of_this_repository():
    command = worker_command(Path("build/archives/sarcasm"), "unix:/tmp/x.sock")
    assert command[1:] == (
        *("-m", "handlers.worker"),
        *("--archive", "build/archives/sarcasm"),
        *("--socket", "unix:/tmp/x.sock"),
    )
    help_text = subprocess.run([*command[:3], "--help"], capture_output=True, text=True, check=True).stdout
    assert "--archive" in help_text
    assert "--socket" in help_text
