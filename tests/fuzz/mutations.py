"""Messages, JSON and bytes made wrong, by whatever random generator is handed in: hypothesis's in tests, a seeded one
by command. A mutation changes what it is given and never fails.
"""

import json
import math
from collections.abc import Callable
from random import Random
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

TEXTS = (
    "",
    " ",
    "\0",
    "\t\r\n",
    "a" * 20_000,
    "é" * 65,
    "\u202e\u2066evil\u200b",
    "\U0001f3f4\U000e0067\U000e0062\U000e007f\u200d\ufe0f" * 9,
    "Z̧̭͍͇͈̊̈a" * 30,
    "' OR 1=1 --",
    "{{7*7}}${jndi:ldap://x}%s%n",
    "<script>alert(1)</script>",
    "../../../etc/passwd",
    "https://t.co/" * 300,
    "@" * 1000,
    "#" * 1000,
    "&amp;lt;" * 400,
    "\ufffd\ufffe\uffff",
    "1" * 5000,
    "sarcasm\0",
    "SARCASM",
    "NaN",
)
FLOATS = (math.nan, math.inf, -math.inf, 0.0, -0.0, 1e-45, 1.5, -1.0, 1.0000001, 3.4e38, 1e6, 1_000_001.0)
INTEGERS = (
    0,
    1,
    2,
    3,
    9,
    10,
    64,
    65,
    100,
    101,
    1000,
    100_000,
    100_001,
    2**31 - 1,
    2**32 - 1,
    2**63 - 1,
    2**64 - 1,
)
_SIZES = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}


def mutate_message(random: Random, message: Message, blobs: tuple[bytes, ...]) -> None:
    """One to four fields of the message, at any depth: dropped, made extreme, of an odd kind, or far too many."""
    for _ in range(random.randint(1, 4)):
        _mutate_field(random, _somewhere(random, message), blobs)


def _somewhere(random: Random, message: Message) -> Message:
    """The message or one inside it, which may come to be by this."""
    while random.random() < 0.7:
        inner = [field for field in message.DESCRIPTOR.fields if field.message_type is not None]
        if not inner:
            break
        present = [field for field, _ in message.ListFields() if field.message_type is not None]
        field = random.choice(present if present and random.random() < 0.8 else inner)
        value = getattr(message, field.name)
        if field.is_repeated:
            message = random.choice(value) if len(value) and random.random() < 0.8 else value.add()
        else:
            value.SetInParent()
            message = value
    return message


def _mutate_field(random: Random, message: Message, blobs: tuple[bytes, ...]) -> None:
    fields = message.DESCRIPTOR.fields
    if not fields:
        return
    field = random.choice(fields)
    if random.random() < 0.2:
        message.ClearField(field.name)
    elif field.is_repeated:
        _mutate_list(random, getattr(message, field.name), field, blobs)
    elif field.message_type is not None:
        getattr(message, field.name).SetInParent()
    else:
        setattr(message, field.name, odd_value(random, field, blobs))


def _mutate_list(random: Random, values: Any, field: FieldDescriptor, blobs: tuple[bytes, ...]) -> None:
    count = random.choice((1, 1, 2, 5, 6, 70, 3000))
    if len(values) and random.random() < 0.3:
        del values[random.randrange(len(values))]
    elif field.message_type is not None:
        example = values[0] if len(values) else None
        for _ in range(min(count, 300)):
            added = values.add()
            if example is not None:
                added.CopyFrom(example)
    else:
        values.extend([odd_value(random, field, blobs)] * count)


def odd_value(random: Random, field: FieldDescriptor, blobs: tuple[bytes, ...]) -> Any:
    """A value that the field can hold, at the edge of it."""
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return random.random() < 0.5
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        return random.choice((0, 1, 2, 3, 4, 5, 99, -1, 2**31 - 1))
    if kind in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE):
        return random.choice(FLOATS)
    if kind in _SIZES:
        low, high = _SIZES[kind]
        return min(max(random.choice((*INTEGERS, low)), low), high)
    if field.type == FieldDescriptor.TYPE_BYTES:
        blob = random.choice(blobs)
        return mutate_bytes(random, blob) if random.random() < 0.5 else blob
    return random.choice(TEXTS)


def mutate_bytes(random: Random, data: bytes) -> bytes:
    """Bits turned, spans cut, doubled, moved or overwritten, the end cut off."""
    changed = bytearray(data or b"\0")
    for _ in range(random.randint(1, 4)):
        start = random.randrange(len(changed) + 1)
        end = min(len(changed), start + random.choice((1, 1, 2, 4, 8, 64)))
        action = random.randrange(6)
        if action == 0 and start < len(changed):
            changed[start] ^= 1 << random.randrange(8)
        elif action == 1:
            del changed[start:end]
        elif action == 2:
            changed[start:start] = changed[start:end]
        elif action == 3:
            changed[start:end] = random.choice(
                (b"\0", b"\xff" * 10, b"\x80" * 11, b"\x7f", b"\xff\xff\xff\xff\x0f")
            )
        elif action == 4:
            changed[start:start] = random.randbytes(random.choice((1, 3, 9)))
        else:
            del changed[start:]
    return bytes(changed)


# What no library writes: unknown fields, groups, field 0, lengths that lie, numbers without an end, depth.
WIRE = (
    b"\x00\x00",
    b"\x0b\x0c",
    b"\x0b" * 200,
    b"\x0c",
    b"\x0f",
    b"\x1a\xff\xff\xff\xff\x0f",
    b"\x08" + b"\xff" * 10 + b"\x01",
    b"\xf8\xff\xff\xff\x0f\x01",
    b"\xa2\x06\x05hello",
    b"\x0a\x02\xff\xfe",
    b"\x18\x01\x22\x00",
    b"\x1a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
    b"\x0d\x00\x00\x80\x7f" * 50,
    b"\x12\x00" * 2000,
)


def nested(depth: int, field: int = 3) -> bytes:
    """Messages in messages, each the only field of the one around it."""
    data = b""
    for _ in range(depth):
        length = len(data)
        prefix = bytearray([field << 3 | 2])
        while length > 0x7F:
            prefix.append(length & 0x7F | 0x80)
            length >>= 7
        data = bytes(prefix + bytes([length])) + data
    return data


def mutate_wire(random: Random, data: bytes) -> bytes:
    """Odd fields before, behind or within a message's bytes."""
    odd = random.choice((*WIRE, nested(20), nested(99), nested(101), nested(2000)))
    place = random.choice((0, len(data), random.randrange(len(data) + 1)))
    return data[:place] + odd * random.choice((1, 1, 3)) + data[place:]


_LEAVES: tuple[Callable[[], Any], ...] = (
    lambda: None,
    lambda: True,
    lambda: 0,
    lambda: -1,
    lambda: 1.5,
    lambda: 2**64,
    lambda: 10**400,
    lambda: 1e308,
    lambda: "",
    lambda: "AAAA",
    lambda: "\ud800",
    lambda: "x" * 20_000,
    list,
    dict,
    lambda: [[]],
    lambda: {"": None},
    lambda: {"@type": "type.googleapis.com/google.protobuf.Any", "value": {}},
    lambda: [None] * 3000,
    lambda: deep(90),
    lambda: deep(300),
)
_NAMES = (
    "",
    "model",
    "Instance",
    "__proto__",
    "\ud800",
    "a" * 5000,
    "\0",
    "requestId",
    "request_id",
    "tweet",
    "mosaic",
)


def deep(depth: int) -> Any:
    """Lists in lists."""
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


def mutate_tree(random: Random, tree: Any) -> Any:
    """One place in a JSON document: another type, another name, one more, one less."""
    if isinstance(tree, dict) and tree and random.random() < 0.75:
        key = random.choice(sorted(tree))
        action = random.randrange(5)
        if action == 0:
            return {name: value for name, value in tree.items() if name != key}
        if action == 1:
            return {random.choice(_NAMES) if name == key else name: value for name, value in tree.items()}
        if action == 2:
            return tree | {random.choice(_NAMES): random.choice(_LEAVES)()}
        return tree | {key: mutate_tree(random, tree[key])}
    if isinstance(tree, list) and tree and random.random() < 0.75:
        index = random.randrange(len(tree))
        changed = mutate_tree(random, tree[index])
        return random.choice(([*tree[:index], changed, *tree[index + 1 :]], tree[:index], [*tree, *tree]))
    return random.choice(_LEAVES)()


def write_json(random: Random, tree: Any) -> bytes:
    """A document in one of the ways that people write it, right and wrong."""
    text = json.dumps(tree, ensure_ascii=random.random() < 0.7)
    action = random.randrange(14)
    if action == 0:
        text = text.replace('{"', '{"model": "x", "', 1)  # a name that is there twice, perhaps
    elif action == 1:
        text = text.replace('": ', '": NaN, "', 1)
    elif action == 2:
        text = random.choice(
            ("NaN", "-Infinity", "1e999", "[" * 100_000, '{"a":' * 5000, "null", '"x"', "[]", "")
        )
    elif action == 3:
        return text.encode(random.choice(("utf-16", "utf-32", "utf-8-sig", "utf-7")), "surrogatepass")
    elif action == 4:
        return mutate_bytes(random, text.encode(errors="surrogatepass"))
    elif action == 5:
        text = text[:-1] + "," + text[-1:]
    elif action == 6:
        text = text.replace("0", "0" * 5000, 1).replace("1", "9" * 5000, 1)
    return text.encode(errors="surrogatepass")
