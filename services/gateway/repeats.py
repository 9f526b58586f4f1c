"""Requests that were asked before, byte for byte: what was found out about them need not be found out again."""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass

CAPACITY = 8192  # requests; some 500 bytes each


@dataclass(frozen=True)
class Repeat:
    """Of a request that may be answered: whom it asks, what its explanation is kept under, and the caller's own id."""

    model: str
    key: str
    request_id: str  # empty where the caller gave none


class Repeats:
    """The last requests that asked for an explanation which may come from the cache, by the SHA-256 of their bytes.

    What a request means stays as it is while the process lives: the models and the limits do. Whether its caller may
    ask does not, and is not in here.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._known: OrderedDict[bytes, Repeat] = OrderedDict()

    def find(self, request: bytes) -> Repeat | None:
        digest = _digest(request)
        repeat = self._known.get(digest)
        if repeat is not None:
            self._known.move_to_end(digest)
        return repeat

    def remember(self, request: bytes, repeat: Repeat) -> None:
        digest = _digest(request)
        self._known[digest] = repeat
        self._known.move_to_end(digest)
        if len(self._known) > self._capacity:
            self._known.popitem(last=False)


def _digest(request: bytes) -> bytes:
    return hashlib.sha256(request).digest()
