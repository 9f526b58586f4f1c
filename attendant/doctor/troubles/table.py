"""The whole table, in the order of the checks."""

from attendant.doctor.troubles.advice import Check
from attendant.doctor.troubles.behind import Behind
from attendant.doctor.troubles.door import Door
from attendant.doctor.troubles.service import Service

Trouble = Door | Service | Behind

_ROWS: tuple[Trouble, ...] = (*Door, *Service, *Behind)
TROUBLES = tuple(sorted(_ROWS, key=lambda row: list(Check).index(row.value.check)))
