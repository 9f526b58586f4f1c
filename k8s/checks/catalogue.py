"""Every check of a build, by name."""

from collections.abc import Callable, Iterator, Mapping

from k8s.checks import (
    adapter,
    configuration,
    flows,
    images,
    ports,
    references,
    resources,
    scaling,
    security,
    selectors,
    timing,
)
from k8s.checks.documents import Build, Finding

Check = Callable[[Build], Iterator[Finding]]

_CHECKS: tuple[Check, ...] = (
    selectors.check_labels,
    selectors.check_selectors,
    selectors.check_spreading,
    selectors.check_policy_selectors,
    selectors.check_monitors,
    ports.check_services,
    ports.check_ports,
    ports.check_probes,
    ports.check_probing,
    configuration.check_settings,
    configuration.check_addresses,
    resources.check_quantities,
    resources.check_resources,
    resources.check_memory,
    images.check_images,
    images.check_users,
    security.check_pod_security,
    security.check_isolation,
    timing.check_endings,
    timing.check_starts,
    timing.check_probe_times,
    scaling.check_autoscalers,
    adapter.check_metrics,
    scaling.check_budgets,
    scaling.check_strategies,
    references.check_references,
    references.check_mounts,
    references.check_files,
    references.check_commands,
    flows.check_flows,
)
CHECKS: Mapping[str, Check] = {
    check.__name__.removeprefix("check_").replace("_", "-"): check for check in _CHECKS
}


def describe(check: Check) -> str:
    """What it asks for, in a sentence."""
    return " ".join((check.__doc__ or "").split())


def check_build(build: Build) -> Iterator[tuple[str, Finding]]:
    """Each finding, and the name of the check that has it."""
    for name, check in CHECKS.items():
        for finding in check(build):
            yield name, finding
