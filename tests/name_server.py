"""A name server on loopback for one name whose addresses come and go, as a headless Service's do."""

import socket
import struct
import threading
from collections.abc import Iterable
from typing import Self

A, AAAA = 1, 28
IN = 1
ANSWER, NO_SUCH_NAME = 0x8180, 0x8183  # a recursive server's, without and with an error


class NameServer:
    """`addresses` (IPv4) may be exchanged at any time; with none the name does not exist. `asked` counts questions."""

    def __init__(self, name: str, addresses: Iterable[str] = ()) -> None:
        self.addresses = tuple(addresses)
        self.asked = 0
        self._name = name
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def target(self, port: int) -> str:
        """What gRPC calls the name, asked of this server."""
        return f"dns://{self.address}/{self._name}:{port}"

    def close(self) -> None:
        # An empty datagram wakes the thread.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _serve(self) -> None:
        while True:
            query, client = self._socket.recvfrom(512)
            if not query:
                return
            self._socket.sendto(self._answer(query), client)

    def _answer(self, query: bytes) -> bytes:
        """RFC 1035, 4.1: a head, the question as it came, and what is known."""
        self.asked += 1
        identity = query[:2]
        end = query.index(b"\0", 12) + 5
        question = query[12:end]
        kind, _ = struct.unpack("!HH", question[-4:])
        addresses = self.addresses
        if _read_name(question) != self._name or not addresses:
            return identity + struct.pack("!HHHHH", NO_SUCH_NAME, 1, 0, 0, 0) + question
        records = [_record(address) for address in addresses if kind == A]
        return identity + struct.pack("!HHHHH", ANSWER, 1, len(records), 0, 0) + question + b"".join(records)


def _record(address: str) -> bytes:
    pointer, seconds = 0xC00C, 0  # to the name in the question; nobody may keep it
    return struct.pack("!HHHIH", pointer, A, IN, seconds, 4) + socket.inet_aton(address)


def _read_name(question: bytes) -> str:
    labels, at = [], 0
    while length := question[at]:
        labels.append(question[at + 1 : at + 1 + length].decode())
        at += 1 + length
    return ".".join(labels).lower()
