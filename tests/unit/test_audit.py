"""requirements/audit.py: what it finds in locks, licences and advisories."""

import datetime as dt
import importlib.util
import sys
from email.message import Message
from pathlib import Path

import pytest

AUDIT = Path(__file__).resolve().parents[2] / "requirements" / "audit.py"
HASH = "--hash=sha256:" + "a" * 64
TODAY = dt.date(2026, 11, 22)


@pytest.fixture(scope="module")
def audit():
    spec = importlib.util.spec_from_file_location("audit", AUDIT)
    module = sys.modules["audit"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["audit"]


class Package:
    """As much of an installed package as is looked at."""

    def __init__(self, version="1.0", requires=(), **metadata):
        self.version = version
        self.requires = list(requires)
        self.metadata = Message()
        for name, value in metadata.items():
            for one in [value] if isinstance(value, str) else value:
                self.metadata[name.replace("_", "-")] = one


@pytest.mark.parametrize(
    ("lock", "wrong"),
    [
        (f"one==1.0 \\\n    {HASH} \\\n    {HASH}\n# a comment\n", []),
        (f"one[extra]==1.0 ; python_version < '3.12' \\\n    {HASH}\n", []),
        ("one==1.0\n", ["one has no hashes"]),
        ("one==1.0 --hash=md5:abc\n", ["one has no hashes"]),
        (f"one>=1.0 {HASH}\n", ["'one>=1.0' is not one exact version"]),
        (f"one {HASH}\n", ["'one' is not one exact version"]),
        (
            f"one @ https://example.org/one.whl {HASH}\n",
            ["'one @ https://example.org/one.whl' is not one exact version"],
        ),
    ],
)
def test_an_entry_is_exact_and_hashed(audit, lock, wrong):
    assert audit.read_lock(lock)[1] == wrong


def test_what_is_installed_is_locked(audit):
    installed = {
        "attendant": Package(),
        "one": Package("1.0"),
        "two": Package("2.1"),
        "stray": Package(),
        "torch": Package(requires=["of-torch>=3 ; python_version > '3'", "never ; extra == 'x'"]),
        "of-torch": Package(),
    }
    locks = {
        "cpu.lock": f"One==1.0 {HASH}\n",
        "gpu.lock": "",
        "dev.lock": f"two==2.0 {HASH}\n",
        "protos.lock": "stray",
    }
    findings = audit.audit_locks(installed, locks)
    assert findings.failures == (
        "protos.lock: 'stray' is not one exact version",
        "stray 1.0 is installed and in no lock",
        "two 2.1 is installed; locked is 2.0",
    )


@pytest.mark.parametrize(
    ("metadata", "passes"),
    [
        ({"License_Expression": "MIT"}, True),
        ({"License_Expression": "MIT AND (BSD-3-Clause OR GPL-2.0-only)"}, True),
        ({"License_Expression": "MIT AND GPL-2.0-only"}, False),
        ({"License_Expression": "LGPL-3.0-only"}, False),
        ({"License": "The MIT License"}, True),
        ({"License": "COMMITTEE"}, False),
        ({"Classifier": ["License :: OSI Approved :: BSD License"]}, True),
        ({"Classifier": ["License :: OSI Approved :: GNU Affero General Public License v3"]}, False),
        ({}, False),
    ],
)
def test_a_licence_is_one_of_those_that_are_allowed(audit, metadata, passes):
    rules = {"allowed": ["MIT", "BSD"], "exceptions": {"other": "a reason"}}
    installed = {"one": Package(**metadata), "other": Package(), "of development": Package()}
    findings = audit.audit_licences(installed, {"one", "other"}, rules)
    assert (findings.failures == ()) == passes
    assert findings.notes == ("other: a reason",)


def answer(**more):
    found = {"id": "PYSEC-1", "aliases": ["CVE-2026-1"], "fix_versions": ["2.0"]}
    return {"name": "One", "version": "1.0", "vulns": [found]} | more


@pytest.mark.parametrize(
    ("ignored", "failures"),
    [
        ([], ("One 1.0: PYSEC-1, fixed in 2.0",)),
        ([{"id": "CVE-2026-1", "package": "one", "reason": "x", "expires": TODAY}], ()),
        (
            [{"id": "PYSEC-1", "package": "two", "reason": "x", "expires": TODAY}],
            ("One 1.0: PYSEC-1, fixed in 2.0",),
        ),
        (
            [{"id": "PYSEC-1", "package": "one", "reason": "x", "expires": TODAY - dt.timedelta(1)}],
            ("One 1.0: PYSEC-1, fixed in 2.0",),
        ),
    ],
)
def test_an_advisory_fails_unless_it_is_ignored_for_now(audit, ignored, failures):
    assert audit.judge_advisories([answer()], ignored, TODAY).failures == failures


def test_where_nothing_can_be_looked_up_it_says_so_and_passes(audit, monkeypatch):
    locks = dict.fromkeys(("cpu.lock", "dev.lock", "oracles.lock"), f"pillow==13.0.0 {HASH}\n")
    for found in (None, [{"name": "pillow", "skip_reason": "not found"}]):
        monkeypatch.setattr(audit, "ask_pip_audit", lambda _pins, found=found: found)
        findings = audit.audit_advisories(locks, [], TODAY)
        assert findings.failures == ()
        assert findings.notes == ("advisories could not be looked up: no source of them can be reached",)


def test_what_can_be_looked_up_is(audit, monkeypatch):
    locks = {"cpu.lock": f"one==1.0 {HASH}\n", "dev.lock": f"two==2.0 {HASH}\n", "oracles.lock": ""}
    asked = []

    def ask(pins):
        asked.append(pins)
        return [answer(), {"name": "two", "skip_reason": "not there"}]

    monkeypatch.setattr(audit, "ask_pip_audit", ask)
    findings = audit.audit_advisories(locks, [], TODAY)
    assert asked[1] == [("one", "1.0"), ("two", "2.0")]
    assert findings.failures == ("One 1.0: PYSEC-1, fixed in 2.0",)
    assert findings.notes == ("advisories could not be looked up of: two",)
