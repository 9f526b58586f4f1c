"""HTTP pages: what came, and when it was asked for and came by this machine's clock."""

import http.client
import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

MOST_BYTES = 16 * 1024 * 1024


@dataclass
class NoPageError(Exception):
    """Nothing came; `why` is a few words."""

    why: str

    def __str__(self) -> str:
        return self.why


@dataclass(frozen=True)
class Page:
    """`headers` by name in lower case; `asked` and `came` are seconds since the epoch."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    asked: float
    came: float

    def json(self) -> dict[str, Any]:
        """Raises NoPageError where it is no JSON object."""
        try:
            content = json.loads(self.body)
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise NoPageError("what came is no JSON object")
        return content


class Web(Protocol):
    def get(self, url: str) -> Page: ...


class Browser:
    """A `Web` without proxies. No token is ever sent: all that is asked for is open to everybody."""

    def __init__(
        self, context: ssl.SSLContext, seconds: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._seconds, self._clock = seconds, clock
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )

    def get(self, url: str) -> Page:
        """Whatever its status is; raises NoPageError."""
        asked = self._clock()
        try:
            with self._open(url) as answer:
                came = self._clock()  # the head is there
                headers = {name.lower(): value for name, value in answer.headers.items()}
                return Page(answer.status, headers, answer.read(MOST_BYTES), asked, came)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NoPageError(_words(error)) from None

    def _open(self, url: str) -> Any:
        try:
            return self._opener.open(url, timeout=self._seconds)
        except urllib.error.HTTPError as answer:
            return answer


def _words(error: Exception) -> str:
    reason = getattr(error, "reason", error)
    if isinstance(reason, ssl.SSLCertVerificationError):
        return reason.verify_message
    if isinstance(error, http.client.HTTPException):
        return "what listens there speaks no HTTP"
    return getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
