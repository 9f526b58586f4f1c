"""Who may ask for what, and how often: the bearer tokens of a file that is looked at again while the gateway runs."""

import asyncio
import hashlib
import hmac
import ipaddress
import math
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import structlog

from attendant.errors import forbidden, rate_limited, unauthenticated
from attendant.tokens import Token, TokensError, parse_tokens
from services.gateway.config import GatewaySettings
from services.settings import ConfigError

log = structlog.get_logger()

Clock = Callable[[], float]

# Whose request the running task works on: None where no tokens are asked for.
_caller: ContextVar[Token | None] = ContextVar("caller", default=None)


def act_for(caller: Token | None) -> None:
    """What the running task does from now on, it does for this caller."""
    _caller.set(caller)


def may_use(model: str) -> bool:
    """Whether the caller of the running task may use the model, whether or not there is one of that name."""
    caller = _caller.get()
    return caller is None or caller.allows(model)


def check_model(model: str) -> None:
    """Raises FORBIDDEN where the caller of the running task may not use the model."""
    if not may_use(model):
        raise forbidden(model)


class Bucket:
    """A token bucket: `rate` requests a second on average, `burst` of them at once."""

    def __init__(self, rate: float, burst: int, clock: Clock) -> None:
        self.rate, self.burst = rate, burst
        self._clock = clock
        self._level = float(burst)
        self._filled = clock()

    def take(self) -> float:
        """0 if the request may go on; else nothing is taken, and so many seconds pass until one may."""
        self._fill()
        if self._level < 1:
            return (1 - self._level) / self.rate
        self._level -= 1
        return 0.0

    def reserve(self) -> float:
        """Seconds that the request has to wait for its turn, which is its own from now on."""
        self._fill()
        self._level -= 1
        return max(0.0, -self._level / self.rate)

    def give_back(self) -> None:
        """A reserved turn that was not taken."""
        self._level += 1

    def _fill(self) -> None:
        now = self._clock()
        self._level = min(self.burst, self._level + (now - self._filled) * self.rate)
        self._filled = now


@dataclass(frozen=True)
class _Known:
    """A file's content, and what it says."""

    content: bytes
    entries: tuple[tuple[bytes, Token], ...]  # SHA-256 of the token, and its entry


class Access:
    """The tokens of the file at `path`; without one everybody may ask for everything.

    Raises ConfigError where the file cannot be used.
    """

    def __init__(
        self,
        path: Path | None,
        clock: Clock = time.monotonic,
        today: Callable[[], date] = lambda: datetime.now(UTC).date(),
    ) -> None:
        self._path = path
        self._clock = clock
        self._today = today
        self._buckets: dict[str, Bucket] = {}
        self._known: _Known | None = None
        self.renew()

    def renew(self) -> None:
        """Look at the file again. Raises ConfigError where it cannot be used; then the tokens stay as they were."""
        if self._path is None:
            return
        try:
            content = self._path.read_bytes()
            if self._known is not None and content == self._known.content:
                return
            tokens = parse_tokens(content)
        except OSError as error:
            raise ConfigError(f"ATTENDANT_TOKENS: cannot read {self._path}: {error.strerror}") from None
        except TokensError as error:
            raise ConfigError(f"ATTENDANT_TOKENS: {self._path}: {error}") from None
        self._known = _Known(content, tuple((bytes.fromhex(token.sha256), token) for token in tokens))
        expired = [token.name for token in tokens if token.expired(self._today())]
        log.info("tokens read", count=len(tokens), expired=expired)

    def identify(self, authorization: Sequence[str]) -> Token | None:
        """Whose token the request's authorization headers hold; None where none is needed.

        Raises UNAUTHENTICATED, with the same words for every cause. Whatever was sent is compared with every entry, in
        constant time, so how long it takes says nothing about how near a guess was.
        """
        if self._known is None:
            return None
        sent = _bearer(authorization)
        digest = hashlib.sha256(sent).digest()
        found = None
        for known, token in self._known.entries:
            if hmac.compare_digest(known, digest):
                found = token
        if not sent or found is None or found.expired(self._today()):
            raise unauthenticated()
        return found

    def spend(self, caller: Token | None) -> None:
        """One request of the caller. Raises RATE_LIMITED where that is more than it may send."""
        bucket = self._bucket(caller)
        if caller is not None and bucket is not None:
            seconds = bucket.take()
            if seconds:
                raise rate_limited(bucket.rate, seconds)

    async def next_item(self, ending: asyncio.Event) -> None:
        """One item of a stream of the running task's caller: it waits for its turn where it comes too early.

        Raises UNAUTHENTICATED where the token was revoked or has expired since the stream began, RATE_LIMITED where
        `ending` comes before its turn.
        """
        caller = _caller.get()
        if caller is None:
            return
        bucket = self._bucket(self._current(caller))
        if bucket is not None:
            await _wait_for_turn(bucket, ending)
        act_for(self._current(caller))

    def _current(self, caller: Token) -> Token:
        """The caller's entry as the file has it now."""
        entries = self._known.entries if self._known else ()
        for _, token in entries:
            if token.sha256 == caller.sha256 and not token.expired(self._today()):
                return token
        raise unauthenticated()

    def _bucket(self, caller: Token | None) -> Bucket | None:
        """The caller's, which survives a change of the file that leaves its limits as they are."""
        if caller is None or caller.requests_per_second is None:
            return None
        rate = caller.requests_per_second
        burst = caller.burst or max(1, math.ceil(rate))
        bucket = self._buckets.get(caller.name)
        if bucket is None or (bucket.rate, bucket.burst) != (rate, burst):
            bucket = self._buckets[caller.name] = Bucket(rate, burst, self._clock)
        return bucket


async def _wait_for_turn(bucket: Bucket, ending: asyncio.Event) -> None:
    """Raises RATE_LIMITED where `ending` comes first; who does not wait to the end gives the turn back."""
    seconds = bucket.reserve()
    if not seconds:
        return
    try:
        await asyncio.wait_for(ending.wait(), seconds)
    except TimeoutError:
        return
    except asyncio.CancelledError:
        bucket.give_back()
        raise
    bucket.give_back()
    raise rate_limited(bucket.rate, seconds)


def read_access(settings: GatewaySettings) -> Access:
    """The access that the settings ask for. Raises ConfigError, also where anybody on the way could read a token."""
    if settings.tokens is not None and settings.tls_certificate is None and not settings.tokens_without_tls:
        for variable, host in (
            ("ATTENDANT_GRPC_HOST", settings.grpc_host),
            ("ATTENDANT_HTTP_HOST", settings.http_host),
        ):
            if not _is_loopback(host):
                raise ConfigError(
                    f"ATTENDANT_TOKENS: tokens would travel unencrypted to {variable}={host}; set"
                    " ATTENDANT_TLS_CERTIFICATE and ATTENDANT_TLS_KEY, or, where something in front encrypts,"
                    " ATTENDANT_TOKENS_WITHOUT_TLS=true"
                )
    return Access(settings.tokens)


def _bearer(authorization: Sequence[str]) -> bytes:
    """The token in `Bearer …`; empty where there is none, or more than one header."""
    if len(authorization) != 1:
        return b""
    scheme, _, sent = authorization[0].partition(" ")
    return sent.strip().encode(errors="replace") if scheme.lower() == "bearer" else b""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
