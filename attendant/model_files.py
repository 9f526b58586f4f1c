"""What a file of weights or a graph must look like before a library is given its bytes.

Those libraries are written to be fast. What they are given is checked here first, in Python: the file is of the format
that its name says, it is not a pickle, nothing in it points outside. Every check raises ManifestError, one line that
names the file.
"""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from attendant.manifest import ManifestError

HEADER_LIMIT = 1 << 20  # bytes of a safetensors header; ours take some 10 kB, and the library reads 100 MB
_MAX_DIMENSIONS = 8
# Bits of an element; what is not listed (sub-byte floats) no model of ours has.
_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32,
    "I64": 64, "U64": 64, "F64": 64,
}  # fmt: skip

# What people and attackers rename: what torch.save and pickle.dump write, by how it begins.
_PICKLES = (
    (b"PK\x03\x04", "a zip file, as torch.save writes pickles"),
    (b"PK\x05\x06", "a zip file, as torch.save writes pickles"),
    (b"\x80", "a pickle"),
    (b"\x93NUMPY", "a numpy file, which may hold pickles"),
)


def check_weights(path: Path, data: bytes) -> None:
    """`data`, read from `path`, is safetensors: a header of bounded length, and tensors that fill the rest exactly."""
    length = int.from_bytes(data[:8], "little")
    # A header of 128 bytes begins as a pickle does: then what follows has to be the header
    if not data.startswith(b"\x80") or data[8:9] != b"{":
        _refuse_pickle(path, data)
    if length > HEADER_LIMIT:
        raise ManifestError(f"{path}: its header has {length} bytes; at most {HEADER_LIMIT} are read")
    if len(data) < 8 or length > len(data) - 8:
        raise ManifestError(f"{path}: not a safetensors file: it ends inside its header")
    try:
        header = json.loads(data[8 : 8 + length], object_pairs_hook=_once)
        spans = sorted(_spans(header))
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ManifestError(f"{path}: not a safetensors file: {_describe(error)}") from None
    end = 0
    for start, stop in spans:
        if start != end:
            raise ManifestError(f"{path}: not a safetensors file: its tensors overlap or leave gaps")
        end = stop
    if end != len(data) - 8 - length:
        raise ManifestError(
            f"{path}: not a safetensors file: its tensors take {end} bytes of {len(data) - 8 - length}"
        )


def check_graph(path: Path, data: bytes) -> None:
    """`data`, read from `path`, is an ONNX model whose tensors are all in it: none is read from another file."""
    _refuse_pickle(path, data)
    try:
        names = {field for field, _ in _fields(data)}
        outside = any(_external(data, "model"))
    except (IndexError, RecursionError, ValueError):
        raise ManifestError(f"{path}: not an ONNX file: it is damaged") from None
    if _GRAPH not in names:
        raise ManifestError(f"{path}: not an ONNX file: it has no graph")
    if outside:
        raise ManifestError(f"{path}: a tensor of it lies in another file; a graph holds its own weights")


def _refuse_pickle(path: Path, data: bytes) -> None:
    for start, name in _PICKLES:
        if data.startswith(start):
            kind = "an ONNX" if path.suffix == ".onnx" else "a safetensors"
            raise ManifestError(f"{path}: not {kind} file but {name}; pickles run code and are not read")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands in its header twice")
    return found


def _spans(header: Any) -> Iterator[tuple[int, int]]:
    """First byte and end of each tensor; ValueError, TypeError or KeyError where one is not described."""
    if not isinstance(header, Mapping):
        raise TypeError("its header is no object")
    for name, tensor in header.items():
        if name == "__metadata__":
            continue
        shape, (start, stop) = tensor["shape"], tensor["data_offsets"]
        if not (_naturals(shape) and _naturals([start, stop])) or len(shape) > _MAX_DIMENSIONS:
            raise ValueError(f"{name[:64]!r} has no shape or no place")
        if tensor["dtype"] not in _BITS:
            raise ValueError(f"{name[:64]!r} has the type {str(tensor['dtype'])[:16]!r}")
        if stop - start != math.prod(shape) * _BITS[tensor["dtype"]] // 8:
            raise ValueError(f"{name[:64]!r} has a shape of another size than its place")
        yield start, stop


def _naturals(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int and 0 <= value < 1 << 48 for value in values)


def _describe(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError | RecursionError):
        return "its header is not JSON"
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)


# ONNX is protobuf. Of each message that can hold tensors: the fields that lead further, and to what.
_GRAPH = 7
_LEADS: Mapping[str, Mapping[int, str]] = {
    "model": {_GRAPH: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_DEEPEST = 32


def _external(data: bytes | memoryview, message: str, depth: int = 0) -> Iterator[bool]:
    """True for each tensor that says where else it lies."""
    if depth > _DEEPEST:
        raise RecursionError
    leads = _LEADS[message]
    for field, value in _fields(data):
        if message == "tensor" and field in (_EXTERNAL_DATA, _DATA_LOCATION):
            yield field == _EXTERNAL_DATA or value != 0
        elif field in leads and isinstance(value, memoryview):
            yield from _external(value, leads[field], depth + 1)


def _fields(data: bytes | memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field; a fixed-width number is skipped. ValueError or IndexError for what is damaged."""
    view, position = memoryview(data), 0
    while position < len(view):
        tag, position = _varint(view, position)
        if not 8 <= tag < 1 << 32:  # parsers cut longer ones: a field would look like another
            raise ValueError
        field, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, position = _varint(view, position)
            yield field, value
        elif kind == _LENGTH:
            length, position = _varint(view, position)
            if length > len(view) - position:
                raise ValueError
            yield field, view[position : position + length]
            position += length
        elif kind in (_FIXED32, _FIXED64):
            position += 4 if kind == _FIXED32 else 8
        else:
            raise ValueError
    if position > len(view):
        raise ValueError


def _varint(view: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = view[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position
        if shift > 63:
            raise ValueError
