"""The gateway's HTTP pages: whether it lives, is ready, and of which release it is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from attendant.doctor.findings import Finding, fine, found, listed, skipped
from attendant.doctor.pages import NoPageError, Page, Web
from attendant.doctor.troubles.advice import Check
from attendant.doctor.troubles.behind import Behind
from attendant.doctor.troubles.service import Service


@dataclass(frozen=True)
class Place:
    """Where pages are: `url` of the first that answered, else empty; `tried` says what was said at each."""

    url: str = ""
    tried: tuple[str, ...] = field(default=())


def find_pages(web: Web, urls: Sequence[str]) -> Place:
    """The first place that has a /healthz."""
    tried: list[str] = []
    for url in urls:
        try:
            page = web.get(f"{url}/healthz")
        except NoPageError as error:
            tried.append(f"{url}: {error}")
            continue
        if page.status == 200:
            return Place(url, tuple(tried))
        tried.append(f"{url}: /healthz says {page.status}")
    return Place("", tuple(tried))


def check_pages(web: Web, place: Place, *, guessed: bool) -> Iterator[Finding]:
    """Where a guess finds nothing, nothing is wrong: from outside, often gRPC alone is to be reached."""
    if not place.url:
        said = listed(list(place.tried)) or "nowhere to ask"
        yield skipped(Check.OPERATIONS, f"{said} (--operations)") if guessed else found(Behind.NO_PAGES, said)
        return
    page = web.get(f"{place.url}/readyz")
    if page.status == 200:
        yield fine(Check.OPERATIONS, f"{place.url} lives and is ready")
    else:
        yield found(Behind.PAGE_NOT_READY, f"{place.url}: {_asleep(page)}")


def check_version(web: Web, urls: Sequence[str], ours: str) -> Iterator[Finding]:
    """The release in /openapi.json: gRPC does not tell it."""
    try:
        theirs = _version(web, urls)
    except NoPageError as error:
        yield skipped(Check.VERSION, f"this is {ours}; the gateway's HTTP does not say: {error} (--http)")
        return
    if theirs == ours:
        yield fine(Check.VERSION, f"gateway and command are both {ours}")
    else:
        yield found(Service.OTHER_RELEASE, f"the gateway is {theirs}, this command {ours}")


def _version(web: Web, urls: Sequence[str]) -> str:
    trouble = NoPageError("no address")
    for url in urls:
        try:
            content = web.get(f"{url}/openapi.json").json()
        except NoPageError as error:
            trouble = error
            continue
        about = content.get("info")
        if isinstance(about, dict) and isinstance(about.get("version"), str):
            return str(about["version"])
        trouble = NoPageError("it names no version")
    raise trouble


def _asleep(page: Page) -> str:
    """The models that /readyz names as not ready."""
    try:
        models = page.json().get("models")
    except NoPageError:
        models = None
    names = [name for name, ready in models.items() if not ready] if isinstance(models, dict) else []
    return f"not ready ({page.status}): {listed(names)}" if names else f"not ready ({page.status})"
