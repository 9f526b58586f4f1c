"""How far another clock is from this one, as far as what it says can tell."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import reduce

from attendant.doctor.findings import Finding, fine, found, listed
from attendant.doctor.pages import NoPageError, Page, Web
from attendant.doctor.troubles.advice import Check
from attendant.doctor.troubles.behind import Behind

WARN_SECONDS, FAIL_SECONDS = 1.0, 30.0
TRIES, PAUSE_SECONDS = 4, 0.3
STALE_SECONDS = 2.5  # a Date is cut to the second, and servers renew it about once a second


@dataclass(frozen=True)
class Offset:
    """Seconds by which the other clock is ahead: somewhere between these."""

    low: float
    high: float

    def least(self) -> float:
        """The smallest difference that this can be, either way."""
        return max(self.low, -self.high, 0.0)

    def both(self, other: "Offset") -> "Offset":
        """What two looks at one clock leave possible; the newer one, where the clock was set in between."""
        low, high = max(self.low, other.low), min(self.high, other.high)
        return Offset(low, high) if low <= high else other

    def __str__(self) -> str:
        middle, around = (self.low + self.high) / 2, (self.high - self.low) / 2
        side = "ahead" if middle >= 0 else "behind"
        return f"{abs(middle):.2g} s {side}, give or take {around:.2g} s"


def read_date(page: Page) -> Offset | None:
    """From the page's Date; None where it has none."""
    try:
        date = parsedate_to_datetime(page.headers.get("date", "")).timestamp()
    except ValueError:
        return None
    return Offset(date - page.came, date + STALE_SECONDS - page.asked)


def look_at_web(web: Web, url: str, sleep: Callable[[float], None] = time.sleep) -> Offset | None:
    """Several looks narrow down what one second's resolution leaves open."""
    offsets: list[Offset] = []
    for number in range(TRIES):
        if number:
            sleep(PAUSE_SECONDS)
        try:
            offset = read_date(web.get(url))
        except NoPageError:
            continue
        if offset is not None:
            offsets.append(offset)
    return reduce(Offset.both, offsets) if offsets else None


def check_clocks(offsets: Mapping[str, Offset]) -> Iterator[Finding]:
    """`offsets` by whose clock it is."""
    for trouble, least in ((Behind.CLOCK_WRONG, FAIL_SECONDS), (Behind.CLOCK_DIFFERS, WARN_SECONDS)):
        far = [f"{whose}: {offset}" for whose, offset in offsets.items() if offset.least() > least]
        if far:
            yield found(trouble, listed(far))
            return
    if offsets:
        yield fine(
            Check.CLOCK, f"{listed(list(offsets))}: within a second of this one, as far as can be seen"
        )
