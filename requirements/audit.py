"""Audits what is installed and locked; `make check` runs it. Exit status 1, a line for each finding, where it fails.

Locks: each entry has one exact version and hashes, and nothing is installed that is not locked, but for torch, what it
needs, pip, and the project itself. Licences: what is needed at run time has none but those that audit.toml allows.
Advisories: pip-audit, where an advisory source can be reached; where none can, that is said, and fails nothing.
"""

import datetime as dt
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RUNTIME = ("cpu.lock", "gpu.lock")
# What is in .venv beside them; protos.lock and train.lock have environments of their own.
DEVELOPMENT = ("dev.lock", "oracles.lock")
BY_PIN = "torch"  # requirements/torch.txt
UNLOCKED = frozenset({"attendant", "pip", BY_PIN})
SECONDS = 15  # for one answer of the advisory source

_ENTRY = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;]+)( *;[^\\]*)?")


@dataclass(frozen=True)
class Findings:
    """What fails, and what is only said."""

    failures: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def normal(name: str) -> str:
    """A package's name as all spellings of it become."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_lock(text: str) -> tuple[dict[str, str], list[str]]:
    """Versions by name, and what is wrong with the lock."""
    versions: dict[str, str] = {}
    wrong = []
    for entry in re.sub(r"\\\n\s*", " ", text).splitlines():
        line = entry.partition("#")[0].strip()
        if not line:
            continue
        requirement, *hashes = (part.strip() for part in line.split("--hash="))
        match = _ENTRY.fullmatch(requirement)
        if match is None:
            wrong.append(f"{requirement[:60]!r} is not one exact version")
            continue
        versions[normal(match[1])] = match[2]
        if not hashes or not all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes):
            wrong.append(f"{match[1]} has no hashes")
    return versions, wrong


def needs(name: str, installed: Mapping[str, Distribution]) -> set[str]:
    """The installed packages that a package brings with it, at any depth, itself among them. Markers are not read."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        now = waiting.pop()
        if now in found or now not in installed:
            continue
        found.add(now)
        waiting += [
            normal(re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0])
            for requirement in installed[now].requires or ()
            if "extra ==" not in requirement
        ]
    return found


def audit_locks(installed: Mapping[str, Distribution], locks: Mapping[str, str]) -> Findings:
    """`locks`: the text of each lock by its name."""
    failures: list[str] = []
    known: dict[str, set[str]] = {}
    for name, text in locks.items():
        versions, wrong = read_lock(text)
        failures += [f"{name}: {one}" for one in wrong]
        if name in (*RUNTIME, *DEVELOPMENT):
            for package, version in versions.items():
                known.setdefault(package, set()).add(version)
    free = UNLOCKED | needs(BY_PIN, installed)
    for package, found in sorted(installed.items()):
        if package in known and found.version not in known[package]:
            locked = " or ".join(sorted(known[package]))
            failures.append(f"{package} {found.version} is installed; locked is {locked}")
        elif package not in known and package not in free:
            failures.append(f"{package} {found.version} is installed and in no lock")
    return Findings(tuple(failures))


def licence_of(found: Distribution) -> str:
    """As the package says it, in one line."""
    classifiers = [
        one.rpartition(" :: ")[2]
        for one in found.metadata.get_all("Classifier") or ()
        if one.startswith("License ::") and one.count(" :: ") > 1
    ]
    expression, free = (found.metadata.get_all(name) or [""] for name in ("License-Expression", "License"))
    said = expression[0] or " AND ".join(classifiers) or free[0]
    return " ".join(said.split())[:100]


def audit_licences(
    installed: Mapping[str, Distribution], runtime: set[str], rules: Mapping[str, Any]
) -> Findings:
    """`runtime`: names; of what is locked for run time, what is installed."""
    failures, notes = [], []
    for name in sorted(runtime & installed.keys()):
        if name in rules["exceptions"]:
            notes.append(f"{name}: {rules['exceptions'][name]}")
            continue
        licence = licence_of(installed[name])
        # "MIT AND (BSD OR Apache)": each part has to be allowed, and of alternatives one
        parts = [part.split(" OR ") for part in re.split(r" AND | WITH |; ", licence)]
        if not all(any(_is_allowed(one, rules["allowed"]) for one in part) for part in parts):
            failures.append(f"{name}: the licence {licence!r} is not among those of requirements/audit.toml")
    return Findings(tuple(failures), tuple(notes))


def _is_allowed(licence: str, allowed: list[str]) -> bool:
    words = licence.strip(" ()")
    return "GPL" not in words and any(
        re.search(rf"(?<![\w.]){re.escape(one)}(?![\w])", words) for one in allowed
    )


def audit_advisories(locks: Mapping[str, str], ignored: list[dict[str, Any]], today: dt.date) -> Findings:
    """One package first: where even that cannot be looked up, the rest need not be asked for."""
    versions = [read_lock(text)[0] for text in locks.values()]
    pins = sorted({(name, version) for lock in versions for name, version in lock.items()})
    first = [("pillow", version) for name, version in pins if name == "pillow"] or pins[:1]
    asked = ask_pip_audit(first)
    if asked is None or all("skip_reason" in one for one in asked):
        return Findings(notes=("advisories could not be looked up: no source of them can be reached",))
    answers = ask_pip_audit(pins)
    if answers is None:
        return Findings(notes=("advisories could not be looked up: their source did not answer",))
    return judge_advisories(answers, ignored, today)


def judge_advisories(
    answers: list[dict[str, Any]], ignored: list[dict[str, Any]], today: dt.date
) -> Findings:
    """What pip-audit answered, less what is ignored and not past its date."""
    passed = {(one["id"], normal(one["package"])) for one in ignored if one["expires"] >= today}
    failures = tuple(
        f"{one['name']} {one['version']}: {found['id']}, fixed in {', '.join(found['fix_versions']) or 'no version'}"
        for one in answers
        for found in one.get("vulns", ())
        if not passed & {(name, normal(one["name"])) for name in (found["id"], *found.get("aliases", ()))}
    )
    skipped = [one["name"] for one in answers if "skip_reason" in one]
    notes = (f"advisories could not be looked up of: {', '.join(skipped)}",) if skipped else ()
    return Findings(failures, notes)


def ask_pip_audit(pins: list[tuple[str, str]]) -> list[dict[str, Any]] | None:
    """Its answer for each package; None where it has none."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("".join(f"{name}=={version}\n" for name, version in pins))
        file.flush()
        command = (sys.executable, "-m", "pip_audit", "-r", file.name, "--no-deps", "--disable-pip")
        options = ("--format", "json", "--progress-spinner", "off", "--timeout", str(SECONDS))
        done = subprocess.run((*command, *options), capture_output=True, text=True, check=False)
    try:
        answers: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return None
    return answers


def audit() -> Iterator[Findings]:
    rules = tomllib.loads((HERE / "audit.toml").read_text(encoding="utf-8"))
    locks = {
        str(path.relative_to(HERE)): path.read_text(encoding="utf-8") for path in sorted(HERE.rglob("*.lock"))
    }
    installed = {normal(found.metadata["Name"]): found for found in distributions()}
    yield audit_locks(installed, locks)
    runtime = {name for lock in RUNTIME for name in read_lock(locks[lock])[0]}
    yield audit_licences(installed, runtime | needs(BY_PIN, installed), rules["licences"])
    yield audit_advisories(locks, rules.get("ignored", []), dt.datetime.now(dt.UTC).date())


def main() -> int:
    failed = 0
    for findings in audit():
        for failure in findings.failures:
            sys.stderr.write(f"audit: {failure}\n")
        for note in findings.notes:
            sys.stdout.write(f"audit: {note}\n")
        failed += len(findings.failures)
    sys.stdout.write(f"audit: {failed or 'no'} findings\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
