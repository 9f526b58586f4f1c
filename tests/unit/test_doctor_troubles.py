"""The table of what can be wrong, and the page that is the same for reading."""

import re
from pathlib import Path

import pytest

from attendant.doctor.findings import found
from attendant.doctor.troubles.advice import Check, Status
from attendant.doctor.troubles.table import TROUBLES

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "doctor.md").read_text(encoding="utf-8")


def row(trouble):
    advice = trouble.value
    page = advice.page.removeprefix("docs/")
    link = page.removeprefix("doctor.md") if page.startswith("doctor.md#") else page
    name = page.partition("#")[0]
    more = "" if page == "doctor.md" else f" [{name}]({link})"
    return f"| {advice.check} | {advice.when} | {advice.status} | {advice.do}{more} |"


def test_the_page_is_the_table():
    begin = PAGE.index("| check | what is wrong |")
    rows = PAGE[begin:].split("\n\n")[0].splitlines()[2:]
    assert rows == [row(trouble) for trouble in TROUBLES]


def test_names_are_unique_and_every_trouble_is_worth_a_word():
    names = [trouble.name for trouble in TROUBLES]
    assert len(set(names)) == len(names) == len({trouble.value for trouble in TROUBLES})
    assert {trouble.value.status for trouble in TROUBLES} == {Status.FAILED, Status.WARNING}


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.name)
def test_advice_is_one_sentence_or_two_and_leads_somewhere(trouble):
    advice = trouble.value
    assert advice.do.endswith(".")
    assert len(re.findall(r"[.!?](?= [A-Z`]|$)", advice.do)) <= 2
    path, _, place = advice.page.partition("#")
    text = (ROOT / path).read_text(encoding="utf-8")
    headings = {
        re.sub(r"[^\w\- ]", "", line).lower().replace(" ", "-")
        for line in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    }
    assert not place or place in headings


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.name)
def test_settings_that_advice_names_exist(trouble):
    known = "".join(
        (ROOT / "docs" / page).read_text(encoding="utf-8")
        for page in ("configuration.md", "monitoring.md", "cli.md")
    )
    for name in re.findall(r"ATTENDANT_[A-Z_]+", trouble.value.do):
        assert name in known


def test_a_finding_takes_its_check_and_status_from_the_table():
    for trouble in TROUBLES:
        finding = found(trouble, "seen")
        assert (finding.check, finding.status) == (trouble.value.check, trouble.value.status)
    assert {trouble.value.check for trouble in TROUBLES} == set(Check)
