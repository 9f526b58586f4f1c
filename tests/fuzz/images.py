"""atheris on the decoding of images: whatever the bytes, a picture within the limits or INVALID_INPUT, quickly.

    PYTHONPATH=tests .venv/bin/python -m fuzz.images -atheris_runs=10000 -seed=1 [FOLDER]

The evil images are where it starts; FOLDER keeps what it finds for another time. Only our own modules are instrumented:
Pillow's decoders are machine code, which is not, and numpy would take all the time.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["attendant"]):
    from attendant.errors import AttendantError, Reason
    from attendant.images import decode, read_header

from evil_images import EVIL_IMAGES

from fuzz.coverage import run

MAX_PIXELS = 1_000_000  # some bytes more in a header must not cost a second each
SLOWEST = 2.0  # seconds of the processor an image
SMALL = 20_000  # bytes of an image that is worth starting from


def read_image(data: bytes) -> None:
    """Raises AssertionError, or whatever else must not be raised."""
    header = decoded = None
    with _refused():
        header = read_header(data, max_pixels=MAX_PIXELS)
    began = time.process_time()
    with _refused():
        decoded = decode(data, max_pixels=MAX_PIXELS)
    seconds = time.process_time() - began
    assert seconds < SLOWEST, f"{len(data)} bytes took {seconds:.2f} s"
    if decoded is None:
        return
    assert header is not None, "decoded, although its header was refused"
    height, width, channels = decoded.pixels.shape
    assert channels == 3
    assert 0 < width * height <= header.width * header.height <= MAX_PIXELS


@contextmanager
def _refused() -> Iterator[None]:
    try:
        yield
    except AttendantError as error:
        if error.reason is not Reason.INVALID_INPUT or not error.violations or "\n" in error.message:
            raise


def write_corpus(folder: Path) -> None:
    """The evil images, as files."""
    for number, (data, _) in enumerate(EVIL_IMAGES.values()):
        if len(data) <= SMALL:
            (folder / f"{number}").write_bytes(data)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="fuzz-images-") as corpus:
        write_corpus(Path(corpus))
        run(read_image, corpus, SMALL)


if __name__ == "__main__":
    main()
