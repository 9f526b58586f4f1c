"""Explanations in numbers, as workers tell the gateway and gateways tell the monitor.

N explanations of one set of modalities, S streams, K maps.
"""

import numpy as np
from google.protobuf.message import DecodeError

from attendant.statistics.samples import MOSAIC, POOLED, Samples, map_sources, streams
from attendant.types import MODALITIES, Modality
from attendant.worker.v1 import worker_pb2

_VALUE, _MAP = np.dtype("<f4"), np.dtype("<f2")


def encode_samples(samples: Samples) -> bytes:
    """A worker.v1.Samples."""
    values, maps = samples.values.astype(_VALUE, copy=False), samples.maps.astype(_MAP, copy=False)
    return _encode(samples.modalities, values.tobytes(), maps.tobytes())


def encode_rows(samples: Samples) -> list[bytes]:
    """Each explanation as a worker.v1.Samples of its own."""
    values, maps = samples.values.astype(_VALUE, copy=False), samples.maps.astype(_MAP, copy=False)
    return [
        _encode(samples.modalities, row.tobytes(), grids.tobytes())
        for row, grids in zip(values, maps, strict=True)
    ]


def decode_samples(data: bytes) -> Samples:
    """What was encoded, read-only; ValueError where the bytes are nothing of the kind."""
    try:
        message = worker_pb2.Samples.FromString(data)
    except DecodeError as error:
        raise ValueError("these bytes are no Samples") from error
    modalities = tuple(Modality(name) for name in message.modalities)
    if not modalities or modalities not in (MOSAIC, tuple(m for m in MODALITIES if m in modalities)):
        raise ValueError(f"{modalities} are no set of modalities")
    columns, maps = len(streams(modalities)), len(map_sources(modalities))
    rows, rest = divmod(len(message.values), columns * _VALUE.itemsize)
    if rest or not rows or len(message.maps) != rows * maps * POOLED * POOLED * _MAP.itemsize:
        raise ValueError(
            f"{len(message.values)} bytes of values and {len(message.maps)} of maps are no rows of {columns} streams "
            f"and {maps} maps"
        )
    return Samples(
        modalities,
        np.frombuffer(message.values, _VALUE).reshape(rows, columns),
        np.frombuffer(message.maps, _MAP).reshape(rows, maps, POOLED, POOLED),
    )


def _encode(modalities: tuple[Modality, ...], values: bytes, maps: bytes) -> bytes:
    return worker_pb2.Samples(modalities=modalities, values=values, maps=maps).SerializeToString()
