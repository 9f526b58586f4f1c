"""The monitor's settings: one frozen class, read from the environment; what is wrong stops the start with one line."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from attendant.statistics.detector import RUN_LENGTH
from services.settings import read_environment

PREFIX = "ATTENDANT_MONITOR_"
# Variables of the same prefix that other commands read.
OTHERS = frozenset({"ATTENDANT_MONITOR_ADDRESS"})


class MonitorSettings(BaseSettings):
    """docs/monitoring.md is this class as a table."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", populate_by_name=True)

    redis_url: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices(f"{PREFIX}REDIS_URL", "ATTENDANT_REDIS_URL"),
        description="Redis or Valkey, where gateways leave what is watched; else `ATTENDANT_REDIS_URL` says it",
    )
    model_store: Path = Field(
        Path("model_store"),
        validation_alias=AliasChoices(f"{PREFIX}MODEL_STORE", "ATTENDANT_MODEL_STORE"),
        description="folder of the models' manifests and references; else `ATTENDANT_MODEL_STORE` says it",
    )
    host: str = Field("127.0.0.1", description="address that HTTP listens on")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(
        8083, description="port that HTTP listens on; 0 takes a free one"
    )
    run_length: Annotated[float, Field(ge=1, allow_inf_nan=False)] = Field(
        RUN_LENGTH,
        description="fast windows, on average at least, between two false alarms of a set of modalities",
    )
    poll_ms: Annotated[int, Field(ge=1, le=1000)] = Field(
        250,
        description="pause before looking again where nothing was left unread; grows to 1 s while nothing comes",
    )
    save_seconds: Annotated[float, Field(gt=0, le=60)] = Field(
        2.0, description="how often what was counted is saved in Redis"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least severe log line"
    )
    log_format: Literal["json", "console"] = Field(
        "json", description="one JSON object a line, or for people"
    )


def read_settings() -> MonitorSettings:  # the stack and a gateway that watches for itself read them, too
    """The settings in the environment; raises ConfigError for an unknown variable or a bad value."""
    return read_environment(MonitorSettings, "docs/monitoring.md", OTHERS)
