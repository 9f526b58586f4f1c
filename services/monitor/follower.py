"""Counts one version's explanations while this monitor leads it: each exactly once, whoever is killed and when.

The state in Redis names the last entry that it includes, and is saved in one step with forgetting those entries. A
leader begins with the saved state, counts what was handed out after it, and then what is new.
"""

import asyncio
import contextlib
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import structlog

from attendant.statistics.samples import Samples
from attendant.wire.samples import decode_samples
from services.monitor.feed import FIRST, LEASE_MS, NEW, PAGE, Beginning, Entry, Feed, NotLeadingError, Page
from services.monitor.link import LinkError
from services.monitor.watch import Snapshot, Watch

log = structlog.get_logger()

AGAIN_SECONDS = 1.0  # between two attempts to lead, and the longest pause between two reads
RENEW_SECONDS = LEASE_MS / 3000
_DIGEST = re.compile(rb"[0-9a-f]{64}")


@dataclass(frozen=True)
class Progress:
    """What was counted, and how far: `accounted` entries of the stream are counted, bad or lost.

    `lost_at`: when the last of these were missed, in seconds since the epoch.
    """

    last: str = FIRST
    accounted: int = 0
    entries: int = 0
    bad: int = 0
    lost: int = 0
    lost_at: float = 0.0


@dataclass(frozen=True)
class Status:
    """How a version's stream is doing. An entry is pending until a saved state includes it."""

    progress: Progress = Progress()
    leads: bool = False
    lag_seconds: float = 0.0
    pending: int = 0


class Follower:
    """`snapshot` and `status` are replaced, never changed; without a snapshot there is nothing to show here.

    `make_watch` begins to watch the version anew; `poll` and `save` are seconds.
    """

    def __init__(self, feed: Feed, make_watch: Callable[[], Watch], poll: float, save: float) -> None:
        self._feed = feed
        self._make_watch = make_watch
        self._poll = poll
        self._save_seconds = save
        self._watch = make_watch()
        self._progress = Progress()
        self.snapshot: Snapshot | None = None
        self.status = Status()

    async def run(self, stopping: asyncio.Event) -> None:
        """Lead whenever nobody else does, until `stopping`; then save, and leave the lease to the next."""
        while not stopping.is_set():
            with contextlib.suppress(LinkError, NotLeadingError):  # the link has said so
                if await self._feed.take():
                    await self._lead(stopping)
                elif self._feed.is_anothers:
                    self._forget()
            await pause(stopping, AGAIN_SECONDS)

    async def _lead(self, stopping: asyncio.Event) -> None:
        renewing = asyncio.create_task(self._keep_renewing())
        try:
            self._go_on(await self._feed.begin())
            await self._show()
            self.status = replace(self.status, leads=True)
            await self._follow(stopping)
            await self._feed.release()
        finally:
            renewing.cancel()
            self.status = replace(self.status, leads=False)

    async def _follow(self, stopping: asyncio.Event) -> None:
        after, idle = self._progress.last, self._poll
        unsaved: list[str] = []
        saved, saved_at = self._progress, time.monotonic()
        while not stopping.is_set():
            page = await self._feed.read(after)
            unsaved += [entry.id for entry in page.entries]
            if page.entries:
                await asyncio.to_thread(self._count, page.entries)
            is_rest = after == NEW and len(page.entries) < PAGE
            if after != NEW:
                after = page.entries[-1].id if page.entries else NEW
            if is_rest:
                self._account(page.added)
            self._tell(page, saved, is_rest=is_rest)
            if self._progress != saved and time.monotonic() >= saved_at + self._save_seconds:
                await self._save(unsaved)
                unsaved, saved, saved_at = [], self._progress, time.monotonic()
            if is_rest:
                idle = self._poll if page.entries else min(2 * idle, AGAIN_SECONDS)
                await pause(stopping, idle)
        if self._progress != saved:
            await self._save(unsaved)

    def _count(self, entries: Sequence[Entry]) -> None:
        parts, bad = [], 0
        there = [entry.fields for entry in entries if entry.fields is not None]
        for fields in there:
            try:
                parts.append(_decode(fields))
            except ValueError:
                bad += 1
        try:
            self._watch.add(parts)
        except Exception:  # what cannot be counted must not be met again and again
            log.exception("entries could not be counted", entries=len(parts))
            bad = len(there)
        if bad:
            log.warning("entries are not explanations", entries=bad)
        self._progress = replace(
            self._progress,
            last=entries[-1].id,
            accounted=self._progress.accounted + len(entries),
            entries=self._progress.entries + len(there) - bad,
            bad=self._progress.bad + bad,
        )
        self._lose(len(entries) - len(there))

    def _account(self, added: int) -> None:
        """With nothing left unread, whatever was added and is not accounted for was trimmed before it was read."""
        lost = max(0, added - self._progress.accounted)
        self._progress = replace(self._progress, accounted=added)
        self._lose(lost)

    def _lose(self, entries: int) -> None:
        if entries:
            log.warning("entries were lost", entries=entries)
            lost = self._progress.lost + entries
            self._progress = replace(self._progress, lost=lost, lost_at=time.time())

    async def _save(self, ids: Sequence[str]) -> None:
        state = await asyncio.to_thread(self._to_bytes)
        await self._feed.save(state, self._progress.last, ids)
        await self._show()

    async def _show(self) -> None:
        self.snapshot = await asyncio.to_thread(self._watch.snapshot)
        self.status = replace(self.status, progress=self._progress)

    def _tell(self, page: Page, saved: Progress, *, is_rest: bool) -> None:
        lag = 0.0 if is_rest else max(0.0, _seconds(page.newest) - _seconds(self._progress.last))
        pending = max(0, page.added - saved.accounted)
        self.status = replace(self.status, lag_seconds=lag, pending=pending)

    async def _keep_renewing(self) -> None:
        """While counting takes long; otherwise reading does."""
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            if time.monotonic() < self._feed.renewed + RENEW_SECONDS:
                continue
            with contextlib.suppress(LinkError, NotLeadingError):  # the next read is refused
                await self._feed.renew()

    def _forget(self) -> None:
        self._watch = self._make_watch()
        self._progress = Progress()
        self.snapshot = None
        self.status = Status()

    def _go_on(self, found: Beginning) -> None:
        """From the saved state; where Redis has none, from memory, if there is some: Redis came back empty."""
        if found.state is not None:
            self._forget()
            self._read(found.state)
        if found.is_new:
            self._progress = replace(self._progress, last=FIRST, accounted=0)
        elif self._progress == Progress():
            self._progress = Progress(accounted=found.counted)

    def _to_bytes(self) -> bytes:
        """A line of JSON, and what is watched."""
        return json.dumps(asdict(self._progress)).encode() + b"\n" + self._watch.to_bytes()

    def _read(self, state: bytes) -> None:
        line, _, watched = state.partition(b"\n")
        try:
            self._progress = Progress(**json.loads(line))
            self._watch.restore(watched)
        except (ValueError, TypeError) as error:
            log.warning("the saved state does not fit; counted anew", error=str(error))


async def pause(stopping: asyncio.Event, seconds: float) -> None:
    """Unless `stopping` comes first."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stopping.wait()


def _decode(fields: Mapping[bytes, bytes]) -> tuple[str, Samples]:
    """The digest of the weights and the explanations; ValueError where there are none."""
    digest, samples = fields.get(b"digest", b""), decode_samples(fields.get(b"samples", b""))
    sums = samples.maps.sum(axis=(-2, -1), dtype=np.float32)
    are_shares = (samples.maps >= 0).all() and ((sums > 0) & np.isfinite(sums)).all()
    if not _DIGEST.fullmatch(digest) or np.isinf(samples.values).any() or not are_shares:
        raise ValueError("no explanations of known weights")
    return digest.decode(), samples


def _seconds(entry: str) -> float:
    """When it was written, by the clock of Redis."""
    return int(entry.partition("-")[0]) / 1000
