"""A version's explanations in Redis: the stream that gateways fill, and the right to count it, which one monitor has.

All keys have the version in braces, so that a cluster keeps them on one node and one script can use them together.
Every command of a leader is fenced: Redis itself checks the lease, so that a leader that lost it without knowing reads
and saves nothing.
"""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.monitor.link import Link
from services.monitor.references import Name

NAMES = "attendant:samples"  # the set of versions that gateways have written about
GROUP, CONSUMER = "monitor", "leader"
LEASE_MS = 3000  # a monitor that was killed is replaced after so long
PAGE = 200  # entries of one read
NEW = ">"
FIRST = "0-0"

# A Redis whose memory is full refuses what adds to it, but not behind a write of the same script that does not.
# KEYS: lease, a key that is never there. ARGV: token, ms.
_TAKE = """
redis.call('del', KEYS[2])
return redis.call('set', KEYS[1], ARGV[1], 'NX', 'GET', 'PX', ARGV[2])
"""
# KEYS: lease, stream, state. ARGV: token, ms. Entries from before the group are read, too.
_BEGIN = """
if redis.call('get', KEYS[1]) ~= ARGV[1] then return false end
redis.call('pexpire', KEYS[1], ARGV[2])
local made = redis.pcall('xgroup', 'create', KEYS[2], 'monitor', '0', 'MKSTREAM', 'ENTRIESREAD', '0')
if made.err and not string.find(made.err, 'BUSYGROUP') then return made end
local counted = 0
for _, group in ipairs(redis.call('xinfo', 'groups', KEYS[2])) do
  local about = {}
  for i = 1, #group, 2 do about[group[i]] = group[i + 1] end
  if about['name'] == 'monitor' then counted = (about['entries-read'] or 0) - about['pending'] end
end
return {made.err and 0 or 1, counted, redis.call('get', KEYS[3])}
"""
# KEYS: lease, stream. ARGV: token, after, count, ms. Entries and what the stream says of itself are of one moment.
# Reading renews the lease.
_READ = """
if redis.call('get', KEYS[1]) ~= ARGV[1] then return false end
redis.call('pexpire', KEYS[1], ARGV[4])
local found = redis.call('xreadgroup', 'GROUP', 'monitor', 'leader', 'COUNT', ARGV[3], 'STREAMS', KEYS[2], ARGV[2])
local about = redis.call('xinfo', 'stream', KEYS[2])
local added, newest = 0, '0-0'
for i = 1, #about, 2 do
  if about[i] == 'entries-added' then added = about[i + 1] end
  if about[i] == 'last-generated-id' then newest = about[i + 1] end
end
return {found and found[1][2] or {}, added, newest}
"""
# KEYS: lease, stream, state. ARGV: token, state, the oldest id to keep, ids. What frees memory comes first: after it
# Redis takes the state even where its memory is full.
_SAVE = """
if redis.call('get', KEYS[1]) ~= ARGV[1] then return 0 end
for i = 4, #ARGV, 1000 do
  redis.call('xack', KEYS[2], 'monitor', unpack(ARGV, i, math.min(i + 999, #ARGV)))
end
redis.call('xtrim', KEYS[2], 'MINID', ARGV[3])
redis.call('set', KEYS[3], ARGV[2])
return 1
"""
_RENEW = "return redis.call('get', KEYS[1]) == ARGV[1] and redis.call('pexpire', KEYS[1], ARGV[2])"
_RELEASE = "return redis.call('get', KEYS[1]) == ARGV[1] and redis.call('del', KEYS[1])"


class NotLeadingError(Exception):
    """The lease is another's, or nobody's."""


@dataclass(frozen=True)
class Entry:
    """`fields` is None where the entry was trimmed before it could be counted."""

    id: str
    fields: dict[bytes, bytes] | None


@dataclass(frozen=True)
class Page:
    """Entries in order; how many the stream was ever given, and the id of the newest."""

    entries: tuple[Entry, ...]
    added: int
    newest: str


@dataclass(frozen=True)
class Beginning:
    """What a new leader finds: whether the group was made just now, and with it perhaps the stream; how many entries
    were handed out and forgotten since; and the saved state, if there is one.
    """

    is_new: bool
    counted: int
    state: bytes | None


class Feed:
    """One version's. Every method may raise LinkError, and all but `take` NotLeadingError: then the term is over, and
    what was not saved is somebody else's to count.
    """

    def __init__(self, name: Name, link: Link) -> None:
        self._link = link
        self._stream = stream_key(name)
        self._lease = f"attendant:monitor:{{{name}}}:lease"
        self._state = f"attendant:monitor:{{{name}}}:state"
        self._token = ""
        self.is_anothers = False  # whether another monitor was seen to lead
        self.renewed = 0.0  # when, on the monotonic clock

    async def take(self) -> bool:
        """Begin a term, if nobody leads. Its token is new: commands of a former term, still on their way, fail."""
        token = secrets.token_hex(8)
        command = self._link.client.eval(_TAKE, 2, self._lease, f"{self._lease}:none", token, LEASE_MS)
        holder = await self._link.ask(command)
        self.is_anothers = holder not in (None, self._token.encode())
        if holder is None:
            self._token = token
        return holder is None

    async def begin(self) -> Beginning:
        """What is to be gone on from; makes the stream and its group where there are none."""
        is_new, counted, state = await self._eval(_BEGIN, (self._lease, self._stream, self._state), LEASE_MS)
        return Beginning(bool(is_new), counted, state)

    async def read(self, after: str) -> Page:
        """Up to PAGE entries: those after an id that were handed out before, or `NEW` ones."""
        entries, added, newest = await self._eval(_READ, (self._lease, self._stream), after, PAGE, LEASE_MS)
        self.renewed = time.monotonic()
        return Page(
            tuple(Entry(key.decode(), _fields(flat)) for key, flat in entries), added, newest.decode()
        )

    async def save(self, state: bytes, last: str, ids: Sequence[str]) -> None:
        """Keep the state, and with it forget the entries `ids` that it includes, the last of which is `last`."""
        await self._eval(_SAVE, (self._lease, self._stream, self._state), state, _after(last), *ids)

    async def renew(self) -> None:
        await self._eval(_RENEW, (self._lease,), LEASE_MS)
        self.renewed = time.monotonic()

    async def release(self) -> None:
        await self._eval(_RELEASE, (self._lease,))

    async def _eval(self, script: str, keys: Sequence[str], *arguments: str | bytes | int) -> Any:
        """Raises NotLeadingError where the lease is not this term's."""
        command = self._link.client.eval(script, len(keys), *keys, self._token, *arguments)
        answer = await self._link.ask(command)
        if not answer:
            raise NotLeadingError
        return answer


def stream_key(name: Name) -> str:
    """Where gateways leave a version's explanations."""
    return f"{NAMES}:{{{name}}}"


def _fields(flat: list[bytes] | None) -> dict[bytes, bytes] | None:
    return None if flat is None else dict(zip(flat[::2], flat[1::2], strict=True))


def _after(entry: str) -> str:
    """The id just behind this one."""
    time, _, number = entry.partition("-")
    return f"{time}-{int(number) + 1}"
