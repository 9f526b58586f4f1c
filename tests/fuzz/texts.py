"""atheris on the text front: whatever the text, tokens without white space, quickly, the same for the same text.

PYTHONPATH=tests .venv/bin/python -m fuzz.texts -atheris_runs=10000 -seed=1 [FOLDER]
"""

import tempfile
import time
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["attendant"]):
    from attendant.text import normalise, tokenise

from fuzz.coverage import run
from fuzz.mutations import TEXTS

LENGTH = 16_384  # bytes, the longest text that the gateway takes
SLOWEST = 0.5  # seconds of the processor a text


def read_text(data: bytes) -> None:
    """Raises AssertionError, or whatever else must not be raised."""
    try:
        text = data.decode(
            "utf-8", "surrogatepass"
        )  # half pairs and all: a library's user may hand over such a string
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    began = time.process_time()
    tokens = tokenise(text)
    seconds = time.process_time() - began
    assert seconds < SLOWEST, f"{len(text)} characters took {seconds:.2f} s"
    for token in tokens:
        assert token, "an empty token"
        assert token.split() == [token], f"white space in {token!r}"
    assert len(tokens) <= len(text)
    line = normalise(text)
    assert "\n" not in line
    assert tokenise(text) == tokens
    "".join(tokens).encode()  # whatever came in, what goes on is Unicode


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="fuzz-texts-") as corpus:
        for number, text in enumerate(TEXTS):
            (Path(corpus) / f"{number}").write_bytes(text.encode()[:LENGTH])
        run(read_text, corpus, LENGTH)


if __name__ == "__main__":
    main()
