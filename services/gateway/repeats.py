"""Requests that were asked before, byte for byte: what was found out about them need not be found out again."""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass

CAPACITY = 8192  # requests; some 500 bytes each


@dataclass(frozen=True)
class Repeat:
    """Of a request that may be answered: by whom, what its explanation is kept under, and the caller's own id."""

    model: str
    version: str
    key: str
    request_id: str  # empty where the caller gave none


class Repeats:
    """The last requests that asked for an explanation which may come from the cache, by their fingerprints.

    What a request means stays as it is while the process lives: the models, the limits and the versions' shares do.
    Whether its caller may ask does not, and is not in here.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._known: OrderedDict[bytes, Repeat] = OrderedDict()

    def find(self, fingerprint: bytes) -> Repeat | None:
        repeat = self._known.get(fingerprint)
        if repeat is not None:
            self._known.move_to_end(fingerprint)
        return repeat

    def remember(self, fingerprint: bytes, repeat: Repeat) -> None:
        self._known[fingerprint] = repeat
        self._known.move_to_end(fingerprint)
        if len(self._known) > self._capacity:
            self._known.popitem(last=False)


def fingerprint(request: bytes) -> bytes:
    """SHA-256: no two requests have the same, whoever makes them."""
    return hashlib.sha256(request).digest()
