"""Arrays with a header, as one string of bytes without pickle (safetensors), for state that is put aside."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

_HEADER = "header"


class Parcel:
    """Arrays by name, and a header in words. What was read is checked as it is taken: anyone may have written it."""

    def __init__(self, header: str, arrays: dict[str, NDArray[Any]]) -> None:
        self.header = header
        self._arrays = arrays

    def to_bytes(self) -> bytes:
        header = np.frombuffer(self.header.encode(), np.uint8)
        # safetensors writes memory as it lies, whatever order the axes have in it.
        arrays = {name: np.ascontiguousarray(array) for name, array in self._arrays.items()}
        return save({_HEADER: header, **arrays})

    @classmethod
    def from_bytes(cls, content: bytes) -> "Parcel":
        """ValueError for what is none."""
        try:
            arrays = load(content)
            header = arrays.pop(_HEADER).tobytes().decode()
        except (
            SafetensorError,
            KeyError,
            AttributeError,
            TypeError,
        ) as error:  # the last ones for foreign dtypes
            raise ValueError(f"not a parcel: {error}") from error
        return cls(header, arrays)

    def take(self, name: str, dtype: type[np.generic], *shape: int | None) -> NDArray[Any]:
        """An array out of it; None for any length. ValueError where there is none like that."""
        array = self._arrays.pop(name, None)
        if array is None:
            raise ValueError(f"{name} is missing")
        fits = len(array.shape) == len(shape) and all(
            expected in (None, found) for expected, found in zip(shape, array.shape, strict=True)
        )
        if array.dtype != dtype or not fits:
            raise ValueError(f"{name} is {array.dtype} {array.shape}; {np.dtype(dtype)} {shape} is expected")
        return array

    def finish(self) -> None:
        """ValueError where something was not taken."""
        if self._arrays:
            raise ValueError(f"{min(self._arrays)} belongs to nothing")
