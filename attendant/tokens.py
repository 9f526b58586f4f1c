"""Bearer tokens as a file keeps them: a name, the token's SHA-256, and what it may do. The token itself is nowhere."""

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

EVERY_MODEL: Literal["*"] = "*"
FILE_BYTES = 1024 * 1024
_PREFIX = "attendant_"  # so that a token that was left lying around can be recognised
_RANDOM_BYTES = 32


class TokensError(ValueError):
    """The file of tokens cannot be used; the message is one line that names the entry and the field."""


class Token(BaseModel):
    """One entry. Without `requests_per_second` there is no limit; `burst` is how many may come at once."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    models: Literal["*"] | tuple[str, ...]
    requests_per_second: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    burst: Annotated[int, Field(ge=1)] | None = None  # default: the requests of one second
    expires: date | None = None  # the last day that it is good for, UTC

    @field_validator("models", mode="before")
    @classmethod
    def _names_models(cls, value: object) -> object:
        named = isinstance(value, list | tuple) and value and all(isinstance(n, str) and n for n in value)
        if value != EVERY_MODEL and not named:
            raise ValueError('give "*" or a list of models')
        return value

    @model_validator(mode="after")
    def _burst_has_a_rate(self) -> Self:
        if self.burst is not None and self.requests_per_second is None:
            raise ValueError("burst needs requests_per_second")
        return self

    def allows(self, model: str) -> bool:
        return self.models == EVERY_MODEL or model in self.models

    def expired(self, today: date) -> bool:
        return self.expires is not None and today > self.expires


def make_token() -> str:
    """A new token, of 256 random bits."""
    return _PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)


def hash_token(token: str) -> str:
    """What a file keeps of it. A plain hash will do: nobody guesses 256 random bits."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def read_tokens(path: Path) -> tuple[Token, ...]:
    """The entries of a JSON or YAML file; raises TokensError or OSError."""
    with path.open("rb") as file:
        return parse_tokens(file.read(FILE_BYTES + 1))


def parse_tokens(content: bytes) -> tuple[Token, ...]:
    """The entries in a file's content; raises TokensError, which never shows a value: it may be a token itself."""
    if len(content) > FILE_BYTES:
        raise TokensError(f"it is larger than {FILE_BYTES} bytes")
    entries = _parse(content)
    if not isinstance(entries, list):
        raise TokensError("it must be a list of entries")
    tokens = tuple(_token(number, entry) for number, entry in enumerate(entries, start=1))
    for field in ("name", "sha256"):
        seen: set[str] = set()
        for number, token in enumerate(tokens, start=1):
            value = getattr(token, field)
            if value in seen:
                raise TokensError(f"entry {number} ({token.name}): {field}: an entry before it has the same")
            seen.add(value)
    return tokens


def write_tokens(path: Path, tokens: Sequence[Token]) -> None:
    """Replace the file in one step, readable by its owner alone: JSON where its name ends so, else YAML."""
    path = path.resolve()
    entries = [dump_token(token) for token in tokens]
    as_json = path.suffix == ".json"
    text = json.dumps(entries, indent=2) + "\n" if as_json else yaml.safe_dump(entries, sort_keys=False)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


def dump_token(token: Token) -> dict[str, Any]:
    """The entry as a file has it."""
    return token.model_dump(mode="json", exclude_none=True)


def _parse(content: bytes) -> object:
    """JSON where it begins like JSON, for YAML takes no tabs."""
    try:
        text = content.decode()
        return json.loads(text) if text.lstrip().startswith(("[", "{")) else yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise TokensError(f"it is no YAML{line}") from None
    except json.JSONDecodeError as error:
        raise TokensError(f"it is no JSON, line {error.lineno}: {error.msg}") from None
    except Exception:  # noqa: BLE001 - of odd tags, YAML's constructors raise whatever comes
        raise TokensError("it is neither JSON nor YAML in UTF-8") from None


def _token(number: int, entry: object) -> Token:
    try:
        return Token.model_validate(entry)
    except ValidationError as error:
        name = entry.get("name") if isinstance(entry, dict) else None
        which = (
            f"entry {number} ({name})" if isinstance(name, str) and name.isprintable() else f"entry {number}"
        )
        raise TokensError(f"{which}: {'; '.join(_problems(error))}") from None


def _problems(error: ValidationError) -> Iterable[str]:
    for problem in error.errors(include_url=False, include_input=False):
        place = str(problem["loc"][0]) if problem["loc"] else "the entry"
        yield f"{place}: {problem['msg'].removeprefix('Value error, ')}"
