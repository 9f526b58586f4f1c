"""Kubernetes' quantities: a number of cores or bytes, with a suffix."""

import re
from decimal import Decimal

_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|([numkMGTPE]|[KMGTPE]i))?")
_POWERS = {
    suffix: Decimal(1000) ** power
    for suffix, power in zip("numkMGTPE", (-3, -2, -1, 1, 2, 3, 4, 5, 6), strict=True)
}
_POWERS |= {f"{suffix}i": Decimal(1024) ** power for power, suffix in enumerate("KMGTPE", start=1)}
_VALKEY = {"": 1, "b": 1, "k": 1000, "kb": 1024, "m": 1000**2, "mb": 1024**2, "g": 1000**3, "gb": 1024**3}


def parse_quantity(text: object) -> Decimal:
    """In cores, bytes or pieces. Raises ValueError for something else than a quantity."""
    match = _NUMBER.fullmatch(str(text)) if isinstance(text, str | int | float) else None
    if match is None or isinstance(text, bool):
        raise ValueError(f"{text!r} is no quantity, such as 500m, 2 or 256Mi")
    number, exponent, suffix = match.groups()
    return Decimal(number + (exponent or "")) * (_POWERS[suffix] if suffix else 1)


def valkey_bytes(text: str) -> int:
    """As valkey.conf writes them: 256mb. Raises ValueError."""
    match = re.fullmatch(r"(\d+)([a-z]*)", text.lower())
    if match is None or match[2] not in _VALKEY:
        raise ValueError(f"{text!r} is no size, such as 256mb")
    return int(match[1]) * _VALKEY[match[2]]
