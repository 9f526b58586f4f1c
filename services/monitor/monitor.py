"""Follows every version: those in the model store, and those that gateways write about."""

import asyncio
import contextlib
import re

import structlog

from services.monitor.feed import NAMES, Feed
from services.monitor.follower import AGAIN_SECONDS, Follower, pause
from services.monitor.link import Link, LinkError
from services.monitor.references import Name, References
from services.monitor.watch import Snapshot, Watch

log = structlog.get_logger()

VERSIONS = 256  # followed at most: labels are bounded, whatever is in Redis
_NAME = re.compile(rb"([A-Za-z0-9][A-Za-z0-9._-]{0,99})/([A-Za-z0-9][A-Za-z0-9._-]{0,99})")


class Monitor:
    """`poll` and `save`: seconds, as for a Follower."""

    def __init__(
        self, link: Link, references: References, *, run_length: float, poll: float, save: float
    ) -> None:
        self.link = link
        self._references = references
        self._run_length = run_length
        self._poll = poll
        self._save = save
        self.followers: dict[Name, Follower] = {}

    def snapshots(self) -> list[Snapshot]:
        """Of the versions that this monitor leads."""
        found = (follower.snapshot for follower in self.followers.values())
        return [snapshot for snapshot in found if snapshot is not None]

    async def run(self, stopping: asyncio.Event) -> None:
        """Until `stopping`; then everything counted is saved, and the leases are free."""
        names = self._references.names
        async with asyncio.TaskGroup() as tasks:
            while not stopping.is_set():
                for name in names:
                    if name not in self.followers and len(self.followers) < VERSIONS:
                        tasks.create_task(self._follow(name).run(stopping))
                with contextlib.suppress(LinkError):
                    names = _read_names(await self.link.ask(self.link.client.smembers(NAMES)))
                await pause(stopping, AGAIN_SECONDS)

    def _follow(self, name: Name) -> Follower:
        def make_watch() -> Watch:
            return Watch(name, self._references, self._run_length)

        self.followers[name] = Follower(Feed(name, self.link), make_watch, self._poll, self._save)
        return self.followers[name]


def _read_names(members: set[bytes]) -> tuple[Name, ...]:
    found = (_NAME.fullmatch(member) for member in sorted(members))
    return tuple(Name(match[1].decode(), match[2].decode()) for match in found if match)
