"""`python -m k8s.checks`, as a person calls it."""

import subprocess
import sys

import pytest
from rich.progress import Progress

from k8s.checks.catalogue import CHECKS, check_build, describe
from k8s.checks.combinations import K8S, Combination
from k8s.checks.command import Report, check_all
from k8s.checks.kubectl import ROOT
from k8s.checks.schemas import Validator


def call(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "k8s.checks", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_is_checked_can_be_listed():
    done = call("--list")
    assert done.returncode == 0
    assert all(name in done.stdout for name in CHECKS)


def test_every_check_says_what_it_asks_for():
    assert all(len(describe(check)) > 40 for check in CHECKS.values())
    assert len(CHECKS) == len(set(CHECKS.values()))


def test_a_version_without_schemas_is_refused():
    done = call("--kubernetes", "1.99")
    assert done.returncode == 2
    assert "1.99" in done.stderr


def test_findings_are_one_line_each_and_name_the_builds():
    report = Report()
    for build in ("dev", "dev + tls", "prod"):
        report.note("ports", "Deployment/one: it lacks port http", build)
    report.note("images", "Deployment/one: latest is no version", "dev")
    assert list(report.lines()) == [
        "Deployment/one: it lacks port http [ports; dev and 2 more]",
        "Deployment/one: latest is no version [images; dev]",
    ]


@pytest.mark.parametrize("overlay", ["dev", "prod", "prod-gpu"])
def test_nothing_is_wrong_with_the_overlays(make_build, overlay):
    assert [(name, str(finding)) for name, finding in check_build(make_build(overlay))] == []


def test_what_cannot_be_built_is_a_finding(kubectl, tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "kustomization.yaml").write_text("resources: [nothing.yaml]\n")
    wanted = [Combination(tmp_path / "broken"), Combination(K8S / "overlays" / "dev")]
    with Progress(disable=True) as progress:
        report = check_all(wanted, Validator(["1.37"]), progress)
    assert report.builds == 1
    assert [check for check, _ in report.findings] == ["build"]
