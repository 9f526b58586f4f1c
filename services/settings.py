"""Settings that come from environment variables: what is unknown or wrong is one line that names the variable."""

import difflib
import os
from collections.abc import Collection
from typing import TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings

Settings = TypeVar("Settings", bound=BaseSettings)


class ConfigError(ValueError):
    """The settings cannot be used; the message is one line for a person."""


def read_environment(
    kind: type[Settings], document: str, others: Collection[str] = (), elsewhere: tuple[str, ...] = ()
) -> Settings:
    """The settings in the environment; raises ConfigError for an unknown variable of their prefix or a bad value.

    `document` is where a person finds them. Left alone are the variables `others`, and those that begin with one of
    `elsewhere`: another program reads them.
    """
    prefix = kind.model_config.get("env_prefix", "")
    fields = [name.upper() for name in kind.model_fields]
    spared = {*others, *(prefix + field for field in fields)}
    for name in sorted(os.environ):
        variable = name.upper()
        if not variable.startswith(prefix) or variable.startswith(elsewhere) or variable in spared:
            continue
        near = difflib.get_close_matches(variable.removeprefix(prefix), fields, n=1)
        hint = f"; did you mean {prefix}{near[0]}?" if near else f"; {document} lists the settings"
        raise ConfigError(f"{name} is not a setting{hint}")
    try:
        return kind()
    except ValidationError as error:
        raise ConfigError(describe(error, prefix)) from None


def describe(error: ValidationError, prefix: str) -> str:
    """Every problem in one line, by the variable's name."""
    problems = (
        f"{_variable(str(problem['loc'][0]), prefix)}={problem['input']!r}: {problem['msg']}"
        for problem in error.errors(include_url=False)
    )
    return "; ".join(problems)


def _variable(place: str, prefix: str) -> str:
    """A field that several variables can set is already called by one of them."""
    return place if place.isupper() else prefix + place.upper()
