"""What is sent: one attempt is one call or one HTTP request, made from a question that the service would answer."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
from evil_images import EVIL_IMAGES
from google.protobuf import json_format
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from PIL import Image

from attendant.channels import SERVICE
from attendant.v1 import model_pb2, service_pb2
from fuzz.mutations import TEXTS, mutate_bytes, mutate_message, mutate_tree, mutate_wire, write_json

# Of all but the largest, each as it is: images are mutated as bytes besides.
IMAGES = tuple(data for data, _ in EVIL_IMAGES.values() if len(data) < 200_000)
TWEETS = (
    "Oh great, another Monday. I just LOVE waiting in line for 2 hours #blessed 🙃",
    "so much fun",
    "@user look: https://t.co/x &amp; 3.5 <3",
    *TEXTS,
)
HEALTH, REFLECTION = "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"


@dataclass(frozen=True)
class Call:
    """A gRPC call: `requests` are the messages' bytes; `streams` where there may be several, or several answers.

    `deadline` in seconds; a patient one never passes by itself. `vanishes`: the client goes away after so many seconds.
    """

    name: str  # in the report
    path: str
    requests: tuple[bytes, ...]
    streams: bool = False
    deadline: float = 60.0
    vanishes: float | None = None


@dataclass(frozen=True)
class HttpRequest:
    """An HTTP request by its parts, or as `raw` bytes for the socket."""

    name: str
    verb: str = "GET"
    path: str = "/"
    headers: Mapping[str, str] | None = None
    body: bytes = b""
    raw: bytes | None = None


Attempt = Call | HttpRequest

_ROUTES = ("/v1/models", "/metrics", "/healthz", "/readyz", "/openapi.json", "/docs", "/")
_VERBS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "FOO")
_ODD_PATHS = (
    "/v1/models/{model}:predict/",
    "/v1/models/%00:predict",
    "/v1/models/%ff%fe:explain",
    "/v1/models/..%2f..%2fetc:predict",
    "/v1/models/{model}%0d%0aX-Evil:%201:predict",
    "/v1/models/{model}:train",
    "/v1/models//:predict",
    "/v1/models/" + "a" * 3000 + ":predict",
    "//etc/passwd",
    "/docs/../../etc/passwd",
    "/openapi.json?x=" + "%f0%9f%99%83" * 200,
    "/metrics?name[]=x",
    "/%F0%9F%99%83",
    "/;a=b",
)
_RAW = (
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"POST /v1/models/sarcasm:predict HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n{}",
    b"POST /v1/models/sarcasm:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n{}",
    b"POST /v1/models/sarcasm:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"POST /v1/models/sarcasm:predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}",
    b"POST /v1/models/sarcasm:predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b"POST /v1/models/sarcasm:explain HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
    b"POST /v1/models/sarcasm:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
    b"GET /docs HTTP/1.1\r\nHost: x\r\n" + b"X: " + b"y" * 70_000 + b"\r\n\r\n",
    b"GET /docs HTTP/1.1\r\nHost: x\r\n" + b"X-A: b\r\n" * 3000 + b"\r\n",
    b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /docs HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 20,
)


class Questions:
    """Makes attempts for the models that a service lists. `slow_share` of the explanations ask for methods."""

    def __init__(self, models: Sequence[model_pb2.Model], slow_share: float = 0.3) -> None:
        self._models = tuple(models)
        self._slow_share = slow_share
        self._tiles = {tuple(model.mosaic.segment): _tiles(model.mosaic.segment) for model in models}

    def attempt(self, random: Random) -> Attempt:
        """One of any kind."""
        kinds = (
            (self._unary, 40),
            (self._stream, 10),
            (self._other_call, 8),
            (self._json, 28),
            (self._route, 8),
        )
        chosen: Any = random.choices(
            (*(kind for kind, _ in kinds), _raw), (*(share for _, share in kinds), 6)
        )[0]
        made: Attempt = chosen(random)
        return made

    def known_good(self, model: str) -> bytes:
        """A PredictRequest that is always answered, alike each time."""
        (found,) = (one for one in self._models if one.name == model)
        question = service_pb2.PredictRequest(model=model, request_id="known-good")
        if found.HasField("mosaic"):
            for tile in self._segments(found):
                _set_segment(question.instance.mosaic.segments.add(), tile)
        else:
            question.instance.tweet.text = TWEETS[0]
            question.instance.tweet.image = EVIL_IMAGES["jpeg"][0]
        return question.SerializeToString()

    def _unary(self, random: Random) -> Call:
        method = random.choice(("Predict", "Explain"))
        request = self._request(random, method)
        deadline, vanishes = 60.0, None
        if random.random() < 0.06:
            deadline = random.choice((0.0, 0.0005, 0.005, 0.05))
        elif random.random() < 0.04:
            vanishes = random.choice((0.0, 0.001, 0.02))
        return Call(method, f"/{SERVICE}/{method}", (request,), deadline=deadline, vanishes=vanishes)

    def _stream(self, random: Random) -> Call:
        items = tuple(self._item(random) for _ in range(random.randint(0, 6)))
        vanishes = random.choice((0.0, 0.005)) if random.random() < 0.1 else None
        return Call("ExplainStream", f"/{SERVICE}/ExplainStream", items, streams=True, vanishes=vanishes)

    def _item(self, random: Random) -> bytes:
        whole = random.random() < 0.5
        request = (
            self._valid(random, "Explain").SerializeToString() if whole else self._request(random, "Explain")
        )
        # As a field of the stream's message: what is no message inside is then none outside
        item = service_pb2.ExplainStreamRequest()
        try:
            item.request.ParseFromString(request)
        except Exception:  # noqa: BLE001 - protobuf has several
            return request
        data = item.SerializeToString()
        return data if random.random() < 0.7 else mutate_bytes(random, data)

    def _other_call(self, random: Random) -> Call:
        kind = random.randrange(6)
        junk = random.choice((b"", b"\x0a\x07sarcasm", b"\x0a\xff", b"\xff" * 9, random.randbytes(8)))
        if kind == 0:
            return Call("ListModels", f"/{SERVICE}/ListModels", (junk,))
        if kind == 1:
            named = health_pb2.HealthCheckRequest(
                service=random.choice(("", "sarcasm", *TEXTS))
            ).SerializeToString()
            return Call(
                "Health/Check", f"/{HEALTH}/Check", (random.choice((named, mutate_bytes(random, named))),)
            )
        if kind == 2:
            return Call("Health/List", f"/{HEALTH}/List", (junk,))
        if kind == 3:
            return Call("Health/Watch", f"/{HEALTH}/Watch", (junk,), streams=True, vanishes=0.01)
        if kind == 4:
            asked = reflection_pb2.ServerReflectionRequest(
                file_containing_symbol=random.choice((SERVICE, *TEXTS))
            )
            data = asked.SerializeToString()
            return Call(
                "Reflection",
                f"/{REFLECTION}/ServerReflectionInfo",
                (data, random.choice((junk, data))),
                streams=True,
                vanishes=5.0,
            )
        path = random.choice((f"/{SERVICE}/Train", "/x/y", f"/{SERVICE}/predict", "/" + "a" * 1000 + "/b"))
        return Call("no such method", path, (junk,))

    def _json(self, random: Random) -> HttpRequest:
        method = random.choice(("Predict", "Explain"))
        message = self._valid(random, method)
        if random.random() < 0.3:
            mutate_message(random, message, IMAGES)
        spelt = random.random() < 0.5
        tree = json_format.MessageToDict(message, preserving_proto_field_name=spelt)
        model = str(tree.get("model", "sarcasm"))
        if random.random() < 0.6:
            tree.pop("model", None)
        for _ in range(random.choice((0, 0, 1, 2, 4))):
            tree = mutate_tree(random, tree)
        body = write_json(random, tree)
        name = model if model in {known.name for known in self._models} else self._models[0].name
        headers = {
            "content-type": random.choice(
                ("application/json", "text/plain", "application/x-protobuf", "x; y=z")
            )
        }
        return HttpRequest(
            f"POST :{method.lower()}", "POST", f"/v1/models/{name}:{method.lower()}", headers, body
        )

    def _route(self, random: Random) -> HttpRequest:
        model = random.choice(self._models).name
        path = random.choice((*_ROUTES, *_ODD_PATHS)).replace("{model}", model)
        verb = random.choice((*_VERBS, "GET", "GET", "GET"))
        body = random.choice((b"", b"{}", b"\xff" * 100)) if verb not in ("GET", "HEAD", "TRACE") else b""
        headers = random.choice(
            ({}, {"accept": "text/html"}, {"range": "bytes=0-1"}, {"authorization": "Bearer x"})
        )
        return HttpRequest("other routes", verb, path, headers, body)

    def _request(self, random: Random, method: str) -> bytes:
        """The bytes of a message: whole, mutated as a message, as bytes, on the wire, or none at all."""
        kind = random.randrange(100)
        if kind < 3:
            return random.randbytes(random.choice((1, 7, 40)))
        message = self._valid(random, method)
        if kind < 12:
            return message.SerializeToString()
        if kind < 70:
            mutate_message(random, message, IMAGES)
            return message.SerializeToString()
        data = message.SerializeToString()
        return mutate_wire(random, data) if kind < 82 else mutate_bytes(random, data)

    def _valid(self, random: Random, method: str) -> Any:
        """A question that one of the models answers."""
        model = random.choice(self._models)
        question = service_pb2.PredictRequest() if method == "Predict" else service_pb2.ExplainRequest()
        question.model, question.request_id = model.name, random.choice(("", "fuzz", "x" * 128))
        if model.HasField("mosaic"):
            for tile in self._segments(model):
                _set_segment(question.instance.mosaic.segments.add(), tile)
            if random.random() < 0.5:
                question.instance.mosaic.foreground_index = 0
        else:
            tweet = question.instance.tweet
            tweet.text = random.choice(TWEETS)
            if random.random() < 0.3:
                tweet.image = random.choice(IMAGES)
            tweet.attributes.extend(random.choice(((), ("man", "sign"), ("dog",) * 5)))
        if method == "Explain":
            question.cache_mode = random.choice((0, 1, 2, 3))
            if random.random() < self._slow_share and model.methods:
                getattr(question.options, random.choice(list(model.methods))).SetInParent()
        return question

    def _segments(self, model: model_pb2.Model) -> list[Any]:
        return [self._tiles[tuple(model.mosaic.segment)][n % 3] for n in range(model.mosaic.segments)]


def _raw(random: Random) -> HttpRequest:
    raw = random.choice(_RAW)
    return HttpRequest("raw bytes", raw=mutate_bytes(random, raw) if random.random() < 0.6 else raw)


def _tiles(segment: Sequence[int]) -> list[Any]:
    """Three segments of a mosaic: images as PNG, or vectors."""
    if len(segment) != 3:
        return [[float(n - 1)] * (segment[0] if segment else 0) for n in range(3)]
    tiles = []
    for n in range(3):
        file = io.BytesIO()
        Image.fromarray(np.full((segment[0], segment[1], 3), 80 * n, np.uint8)).save(file, "PNG")
        tiles.append(file.getvalue())
    return tiles


def _set_segment(segment: Any, tile: Any) -> None:
    if isinstance(tile, bytes):
        segment.image = tile
    else:
        segment.vector.values.extend(tile)
