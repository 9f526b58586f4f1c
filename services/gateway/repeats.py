"""Requests that were asked before, byte for byte: what was found out about them need not be found out again."""

from collections import OrderedDict
from dataclasses import dataclass

CAPACITY = 8_192  # requests
BYTES = 32 * 2**20  # of all of them together
LARGEST = BYTES // 8  # of one; what is larger is read each time
SHOWN = 64  # bytes of a request's beginning, middle and end that tell most of them apart

Sketch = tuple[int, bytes, bytes, bytes]


@dataclass(frozen=True)
class Repeat:
    """Of a request that may be answered: by whom, what its explanation is kept under, and the caller's own id."""

    model: str
    version: str
    key: str
    request_id: str  # empty where the caller gave none


class Repeats:
    """The last requests that asked for an explanation which may come from the cache, whole, to be compared with.

    Of those that look alike the last one is known. Comparing 60 kB takes a tenth of the time of a digest of them.
    What a request means stays as it is while the process lives: the models, the limits and the versions' shares do.
    Whether its caller may ask does not, and is not in here.
    """

    def __init__(self, capacity: int = CAPACITY, most_bytes: int = BYTES) -> None:
        self._capacity = capacity
        self._most_bytes = most_bytes
        self._bytes = 0
        self._known: OrderedDict[Sketch, tuple[bytes, Repeat]] = OrderedDict()

    def find(self, request: bytes) -> Repeat | None:
        sketch = _sketch(request)
        known, repeat = self._known.get(sketch, (b"", None))
        if repeat is None or known != request:
            return None
        self._known.move_to_end(sketch)
        return repeat

    def remember(self, request: bytes, repeat: Repeat) -> None:
        if len(request) > LARGEST:
            return
        sketch = _sketch(request)
        before, _ = self._known.pop(sketch, (b"", None))
        self._known[sketch] = request, repeat
        self._bytes += len(request) - len(before)
        while len(self._known) > self._capacity or self._bytes > self._most_bytes:
            _, (oldest, _) = self._known.popitem(last=False)
            self._bytes -= len(oldest)


def _sketch(request: bytes) -> Sketch:
    middle = len(request) // 2
    return len(request), request[:SHOWN], request[middle : middle + SHOWN], request[-SHOWN:]
