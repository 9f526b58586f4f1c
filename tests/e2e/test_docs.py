"""Every command and every piece of Python in the docs runs as it stands there, against a running service."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from matplotlib.cbook import get_sample_data

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# Blocks that start, stop, test or train the whole thing, by how they begin; each is run by what stands behind it.
ELSEWHERE = {
    "make run": "tests/e2e/test_make.py",
    "make check && make test": ".ci/run",
    "make images": "tests/e2e/test_images.py",
    "make bench": "the reader: a benchmark of minutes",
    "make train": "the reader: a training of hours",
    "benchmarks/first_answer.sh": "the reader: a fresh clone and install",
}

pytestmark = pytest.mark.system


def blocks(language):
    return [
        pytest.param(block[2], id=f"{page.name}-{number}")
        for page in PAGES
        for number, block in enumerate(BLOCK.finditer(page.read_text(encoding="utf-8")))
        if block[1] == language and not block[2].startswith(tuple(ELSEWHERE))
    ]


@pytest.fixture
def desk(tmp_path):
    """A folder with what the docs speak of lying around."""
    folder = tmp_path / "attendant"
    folder.mkdir()
    photograph = Path(get_sample_data("grace_hopper.jpg", asfileobj=False)).read_bytes()
    for name in ("photo.jpg", "rain.jpg"):
        (folder / name).write_bytes(photograph)
    for name, source in {"ca.pem": "ca.pem", "me.pem": "client.pem", "me.key": "client.key"}.items():
        shutil.copy(ROOT / "tests" / "data" / "tls" / source, folder / name)
    for name in (".venv", "model_store", "docs"):
        (folder / name).symlink_to(ROOT / name)
    (tmp_path / "shared").symlink_to(ROOT.parent / "shared")  # the data, where there is any
    return folder


def addressed(text, stack):
    """The docs' default addresses, moved to where the test's service listens."""
    return text.replace("127.0.0.1:50051", stack.address).replace("http://127.0.0.1:8000", stack.http)


@pytest.mark.parametrize("script", blocks("sh"))
def test_a_command_runs(script, services, desk):
    if "../shared" in script and not (desk.parent / "shared").exists():
        pytest.skip("needs the data in ../shared")
    stack = services[0]
    environment = os.environ | {
        "ATTENDANT_ADDRESS": stack.address,
        "ATTENDANT_MONITOR_ADDRESS": stack.monitor,
        "PATH": f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}",
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", addressed(script, stack)],
        cwd=desk,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize(
    "page", [page for page in PAGES if "```python" in page.read_text(encoding="utf-8")], ids=str
)
def test_a_pages_python_runs(page, services, desk, monkeypatch):
    monkeypatch.chdir(desk)
    names = {"__name__": "docs"}
    for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
        if block[1] == "python":
            exec(compile(addressed(block[2], services[0]), page.name, "exec"), names)


def test_every_page_is_linked_and_every_link_leads_somewhere():
    linked = set()
    for page in PAGES:
        for target, place in re.findall(
            r"\]\((?!https?://)([^)#]*)#?([^)]*)\)", page.read_text(encoding="utf-8")
        ):
            path = (page.parent / target).resolve() if target else page
            assert path.exists(), f"{page.name} links to {target}"
            assert not place or place in places(path), f"{page.name} links to {target}#{place}"
            if target:
                linked.add(path)
    assert set(PAGES) - linked <= {ROOT / "README.md"}


def places(page):
    """What its headings are called in links."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_no_page_waits_to_be_filled_in():
    for page in PAGES:
        assert not re.search(
            r"^(?:@*[A-Z0-9_]{4,}@*|TODO.*|TBD.*)$", page.read_text(encoding="utf-8"), re.MULTILINE
        ), page.name
