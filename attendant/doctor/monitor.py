"""The monitor: whether it works, and what it has no reference for."""

from collections.abc import Iterator, Sequence

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from attendant.doctor.findings import Finding, counted, fine, found, listed, skipped
from attendant.doctor.pages import NoPageError, Web
from attendant.doctor.troubles.advice import Check
from attendant.doctor.troubles.behind import Behind
from attendant.types import ModelDescription


@dataclass(frozen=True)
class Set:
    """The explanations of one set of modalities."""

    modalities: str
    status: str
    samples: int


@dataclass(frozen=True)
class Version:
    model: str
    version: str
    reference_sha256: str | None
    sets: list[Set]


@dataclass(frozen=True)
class Document:
    """What /drift says, as far as it is looked at."""

    versions: list[Version]


def read_drift(web: Web, url: str) -> Document:
    """Raises NoPageError."""
    page = web.get(f"{url}/drift")
    if page.status != 200:
        raise NoPageError(f"/drift says {page.status}")
    try:
        return TypeAdapter(Document).validate_python(page.json())
    except ValidationError:
        raise NoPageError("what /drift says is not of this release") from None


def check_monitor(web: Web, url: str, models: Sequence[ModelDescription]) -> Iterator[Finding]:
    """Where a monitor was named."""
    try:
        ready = web.get(f"{url}/readyz").status
        document = read_drift(web, url) if ready == 200 else None
    except NoPageError as error:
        yield found(Behind.NO_MONITOR, f"{url}: {error}")
        return
    if document is None:
        trouble = Behind.MONITOR_WAITS if ready == 503 else Behind.NO_MONITOR
        yield found(trouble, f"{url}: /readyz says {ready}")
        return
    yield fine(Check.MONITOR, f"{url} is ready and watches {counted(len(document.versions), 'version')}")
    yield from check_references(document, models)


def check_own_monitor(web: Web, url: str, models: Sequence[ModelDescription]) -> Iterator[Finding]:
    """Where none was named: a gateway without Redis is one itself."""
    try:
        document = read_drift(web, url) if url else None
    except NoPageError:
        document = None
    if document is None:
        yield skipped(Check.MONITOR, "no address is given (--monitor, or ATTENDANT_MONITOR_ADDRESS)")
        return
    yield fine(Check.MONITOR, f"the gateway watches {counted(len(document.versions), 'version')} by itself")
    yield from check_references(document, models)


def check_references(document: Document, models: Sequence[ModelDescription]) -> Iterator[Finding]:
    known = {(one.model, one.version): one for one in document.versions}
    bare = [
        f"{one.model} {one.version} ({which.modalities}: {counted(which.samples, 'explanation')})"
        for one in document.versions
        for which in one.sets
        if which.status == "no reference" and which.samples
    ]
    served = [(model.name, version) for model in models for version in model.versions]
    without = [
        f"{name} {version}"
        for name, version in served
        if (name, version) not in known or known[name, version].reference_sha256 is None
    ]
    if bare:
        yield found(Behind.NO_REFERENCE, listed(bare))
    elif without:
        yield fine(Check.REFERENCES, f"none for {listed(without)}, which nobody has asked yet")
    else:
        yield fine(Check.REFERENCES, f"there is one for each of {counted(len(served), 'version')}")
