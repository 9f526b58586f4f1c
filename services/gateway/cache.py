"""Explanations in this process's memory, in front of the shared ones or instead of them."""

from collections import OrderedDict
from collections.abc import Callable

ENTRY_OVERHEAD = 256  # bytes of key and bookkeeping, about


class LruCache:
    """At most `capacity` bytes, the least recently used go first; none is kept beyond `ttl` seconds of its age."""

    def __init__(self, capacity: int, ttl: float, clock: Callable[[], float]) -> None:
        self._capacity = capacity
        self._ttl = ttl
        self._clock = clock
        self._entries: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._size = 0

    @property
    def size(self) -> int:
        """Bytes held."""
        return self._size

    def get(self, key: str) -> bytes | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        expires, value = entry
        if self._clock() >= expires:
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return value

    def set(self, key: str, value: bytes, age: float = 0.0) -> None:
        """`age`: the seconds since it was computed, elsewhere."""
        if key in self._entries:
            self._drop(key)
        if len(value) + ENTRY_OVERHEAD > self._capacity or age >= self._ttl:
            return
        self._entries[key] = (self._clock() + self._ttl - age, value)
        self._size += len(value) + ENTRY_OVERHEAD
        while self._size > self._capacity:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: str) -> None:
        _, value = self._entries.pop(key)
        self._size -= len(value) + ENTRY_OVERHEAD
