"""Explanations that were computed before. The key names everything that changes the answer."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from attendant.methods import ExplainOptions
from attendant.v1 import instance_pb2
from attendant.wire.options import encode_options

SCHEMA = "attendant.v1/1"  # raised whenever the same key would mean another answer
ENTRY_OVERHEAD = 256  # bytes of key and bookkeeping, about


class Cache(Protocol):
    """Bytes by key. Neither call raises: a cache that does not work is a cache that does not have it."""

    async def get(self, key: str) -> bytes | None: ...

    async def set(self, key: str, value: bytes) -> None: ...

    @property
    def size(self) -> int:
        """Bytes held in this process."""
        ...


class LruCache:
    """In this process: at most `capacity` bytes, the least recently used go first; none is older than `ttl` seconds."""

    def __init__(self, capacity: int, ttl: float, clock: Callable[[], float]) -> None:
        self._capacity = capacity
        self._ttl = ttl
        self._clock = clock
        self._entries: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._size = 0

    @property
    def size(self) -> int:
        return self._size

    async def get(self, key: str) -> bytes | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        expires, value = entry
        if self._clock() >= expires:
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return value

    async def set(self, key: str, value: bytes) -> None:
        if key in self._entries:
            self._drop(key)
        if len(value) + ENTRY_OVERHEAD > self._capacity:
            return
        self._entries[key] = (self._clock() + self._ttl, value)
        self._size += len(value) + ENTRY_OVERHEAD
        while self._size > self._capacity:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: str) -> None:
        _, value = self._entries.pop(key)
        self._size -= len(value) + ENTRY_OVERHEAD


def explanation_key(
    model: str,
    version: str,
    weights_digest: str,
    instance: instance_pb2.Instance,
    options: ExplainOptions,
) -> str:
    """SHA-256 (hexadecimal) over the schema, the model, its weights, the input and the options.

    Every part is preceded by its length, so that no two different lists of parts are the same bytes.
    """
    digest = hashlib.sha256()
    for part in (
        SCHEMA.encode(),
        model.encode(),
        version.encode(),
        weights_digest.encode(),
        instance.SerializeToString(deterministic=True),
        encode_options(options).SerializeToString(deterministic=True),
    ):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()
