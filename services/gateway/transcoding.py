"""JSON and the messages of the contract, both ways, as proto3 JSON has it."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, NoReturn

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from attendant.errors import Violation, invalid, refusal
from attendant.v1.service_pb2 import ExplainRequest, PredictRequest

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]*={0,2}")
_UNICODE = re.compile(r"[^\ud800-\udfff]*")


def read_json(body: bytes, message: PredictRequest | ExplainRequest) -> None:
    """Fill `message` from a JSON object; fields may be spelled as in the protos or in camel case, bytes are base64.

    Raises AttendantError(INVALID_INPUT) that names the field.
    """
    try:
        data = json.loads(body, parse_constant=_refuse_constant, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise invalid("request", f"the body is not JSON: {error}") from None
    if not isinstance(data, dict):
        raise invalid("request", "the body must be a JSON object")
    foreign = tuple(_not_base64(data, message.DESCRIPTOR, ""))
    if foreign:
        raise refusal(foreign)
    try:
        _fill(message, data)
    except ValueError as error:
        problems = tuple(_problems(data, message.DESCRIPTOR, "")) or (Violation("request", str(error)),)
        raise refusal(problems) from None


def write_json(message: Message, *, whole: bool = True) -> bytes:
    """Fields under the names that they have in the protos; `whole`: also those that have their default."""
    return json_format.MessageToJson(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=whole, indent=None
    ).encode()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Readers differ in which of two equal keys they believe, so what another one checked is not what is read here."""
    data = dict(pairs)
    if not all(key and _UNICODE.fullmatch(key) for key in data):
        raise invalid("request", "a key is empty or has half of a surrogate pair; no field is named so")
    if len(data) < len(pairs):
        ((twice, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise invalid(twice, "the key stands more than once in one object")
    return data


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number in JSON")


def _not_base64(data: Any, descriptor: Descriptor, path: str) -> Iterator[Violation]:
    """Fields of bytes with characters that are no base64: json_format would drop those and read the rest."""
    if not isinstance(data, dict):
        return
    fields = {name: field for field in descriptor.fields for name in (field.name, field.json_name)}
    for name, value in data.items():
        field = fields.get(name)
        if field is None:
            continue
        place = path + field.name
        if (
            field.type == FieldDescriptor.TYPE_BYTES
            and isinstance(value, str)
            and not _BASE64.fullmatch(value)
        ):
            yield Violation(place, "it is not base64")
        elif field.message_type is not None and isinstance(value, list):
            for index, item in enumerate(value):
                yield from _not_base64(item, field.message_type, f"{place}[{index}].")
        elif field.message_type is not None:
            yield from _not_base64(value, field.message_type, place + ".")


def _problems(data: Any, descriptor: Descriptor, path: str) -> Iterator[Violation]:
    """What a JSON object has that the message cannot take, at any depth: json_format names one, and not its place."""
    if not isinstance(data, dict):
        yield Violation(path.rstrip("."), "it must be a JSON object")
        return
    fields = {name: field for field in descriptor.fields for name in (field.name, field.json_name)}
    given = [fields[name] for name, value in data.items() if name in fields and value is not None]
    for oneof in descriptor.oneofs:
        names = [field.name for field in given if field.containing_oneof is oneof]
        if len(names) > 1:
            yield Violation(path.rstrip("."), f"it has {' and '.join(names)}; give one of them")
    for name, value in data.items():
        if name not in fields:
            yield Violation(path + name, f"{descriptor.name} has no such field")
        elif value is not None:
            yield from _value_problems(value, fields[name], descriptor, path)


def _value_problems(value: Any, field: FieldDescriptor, owner: Descriptor, path: str) -> Iterator[Violation]:
    place = path + field.name
    if field.message_type is None:
        holder = GetMessageClass(owner)()
        try:
            _fill(holder, {field.name: value})
        except ValueError as error:
            yield Violation(place, str(error))
    elif not field.is_repeated:
        yield from _problems(value, field.message_type, place + ".")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _problems(item, field.message_type, f"{place}[{index}].")
    else:
        yield Violation(place, "it must be a list")


def _fill(message: Message, data: dict[str, Any]) -> None:
    """json_format's ParseDict; whatever breaks in it, on 1e999 or half a surrogate pair, is a ValueError."""
    try:
        json_format.ParseDict(data, message)
    except (json_format.ParseError, ValueError) as error:
        raise ValueError(_cause(error)) from None
    except Exception as error:
        raise ValueError("it cannot be read") from error


def _cause(error: Exception) -> str:
    """json_format says "Failed to parse x field: " before its reason."""
    reason = str(error).partition("field: ")[2] or str(error)
    return reason.splitlines()[0].rstrip(".")
