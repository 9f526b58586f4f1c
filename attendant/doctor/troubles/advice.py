"""What a row of advice is made of."""

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


class Check(StrEnum):
    """What is looked at, in this order."""

    NAME = "name"
    CONNECTION = "connection"
    TLS = "TLS"
    HEALTH = "health"
    ACCESS = "access"
    MODELS = "models"
    REPLICAS = "replicas"
    VERSION = "version"
    OPERATIONS = "operations"
    METRICS = "metrics"
    LANES = "lanes"
    REQUESTS = "requests"
    CACHE = "cache"
    REDIS = "redis"
    MEMORY = "redis memory"
    SAMPLES = "samples"
    MONITOR = "monitor"
    REFERENCES = "references"
    CLOCK = "clock"
    EXPLAIN = "explain"
    KEPT = "kept answers"


@dataclass(frozen=True)
class Advice:
    """`when` and `do` are sentences for a person; `page` is where to read on."""

    check: Check
    status: Status
    when: str
    do: str
    page: str = "docs/doctor.md"
