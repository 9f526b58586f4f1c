"""A real Valkey for tests: started in milliseconds, on a port or a socket of its own, to be mistreated."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.stack.trial import free_ports
from services.stack.valkey import find_valkey


class Valkey:
    """`options` go to the command line. Stopped and started again it has the same address, and nothing in it."""

    def __init__(self, folder: Path, *options: str, configuration: Path | None = None) -> None:
        self.folder = folder
        self.options = options if configuration is None else (str(configuration), *options)
        (self.port,) = free_ports(1)
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "valkey.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    str(find_valkey()),
                    *self.options,
                    *("--port", str(self.port), "--bind", "127.0.0.1"),
                    *("--save", "", "--appendonly", "no", "--dir", str(self.folder)),
                ],
                stdout=log,
                stderr=log,
            )
        self._wait()

    def _wait(self) -> None:
        end = time.monotonic() + 10
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                    connection.sendall(b"PING\r\n")
                    if connection.recv(100).startswith((b"+PONG", b"-NOAUTH")):
                        return
            except OSError:
                pass
            if time.monotonic() > end:
                raise TimeoutError((self.folder / "valkey.log").read_text())
            time.sleep(0.01)

    def pause(self) -> None:
        """It takes connections, and answers nobody."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        self.kill()
        self.start()


@contextmanager
def running_valkey(folder: Path, *options: str, configuration: Path | None = None) -> Iterator[Valkey]:
    server = Valkey(folder, *options, configuration=configuration)
    try:
        yield server
    finally:
        server.kill()
