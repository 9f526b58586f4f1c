"""docs/mosaics.md says how a mechanism is added: what it shows is done here, to a copy of the package."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
USE = """
import torch
from attendant.models import focus_maps
from attendant.models.fcam import build_fcam
from attendant.training.variants import VARIANTS

assert focus_maps.__file__.startswith({root!r}), focus_maps.__file__
for name in ("sdc-cifar-gates-0", "sdc-cifar-gates-6"):
    model = build_fcam(VARIANTS[name].config)
    weights = model.eval()(torch.randn(2, 9, 3, 32, 32)).weights
    torch.testing.assert_close(weights.sum(-1), torch.ones(2))
    encoding = model.train().encode(torch.randn(12, 3, 32, 32), torch.randint(0, 12, (4, 9)))
    model.loss(encoding, torch.tensor([0, 1, 2, 0])).backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())
"""


def test_a_mechanism_is_a_function_and_a_line(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "mosaics.md").read_text()
    line, function = re.findall(r"```diff\n(.*?)```", page, re.DOTALL)
    kept = [text[1:] for text in line.splitlines() if text.startswith(" ")]
    added = [text[1:] for text in line.splitlines() if text.startswith("+")]
    assert len(added) == 1
    body = "\n".join(text[1:] for text in function.splitlines())
    shutil.copytree(ROOT / "attendant", tmp_path / "attendant", ignore=shutil.ignore_patterns("__pycache__"))
    path = tmp_path / "attendant" / "models" / "focus_maps.py"
    source = path.read_text()
    assert all(text in source for text in kept)  # what the page shows around it is there
    source = source.replace(kept[-1], f"{kept[-1]}\n{added[0]}")
    source = source.replace("class Mechanism", f"{body}\n\n\nclass Mechanism")
    path.write_text(source)
    subprocess.run([sys.executable, "-c", USE.format(root=str(tmp_path))], check=True, cwd=tmp_path)
