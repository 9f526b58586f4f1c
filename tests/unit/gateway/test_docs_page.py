"""The specification says what the protos say; the page shows it and needs nothing else."""

import json
import re
from html.parser import HTMLParser

import pytest

from attendant.v1 import attention_pb2, service_pb2
from attendant.wire.requests import read_mosaic
from services.gateway.comments import read_comments
from services.gateway.openapi import specification
from services.gateway.transcoding import read_json


@pytest.fixture(scope="module")
def document():
    return specification()


def test_it_has_the_three_calls(document):
    assert {(path, verb) for path, verbs in document["paths"].items() for verb in verbs} == {
        ("/v1/models", "get"),
        ("/v1/models/{model}:predict", "post"),
        ("/v1/models/{model}:explain", "post"),
    }


def test_every_message_and_field_is_there_with_its_comment(document):
    schemas = document["components"]["schemas"]
    for name in ("PredictRequest", "PredictResponse", "ExplainRequest", "ExplainResponse", "Tweet", "Mosaic"):
        assert name in schemas
    for name, schema in schemas.items():
        if name == "Status":  # google.rpc's
            continue
        assert schema["description"], name
        for field, value in schema.get("properties", {}).items():
            assert value["description"], f"{name}.{field}"


def test_types_are_those_of_proto3_json(document):
    schemas = document["components"]["schemas"]
    tweet = schemas["Tweet"]["properties"]
    assert tweet["image"]["contentEncoding"] == "base64"
    assert tweet["attributes"]["items"] == {"type": "string"}
    assert schemas["PermutationOptions"]["properties"]["seed"]["type"] == "string"
    assert schemas["AttentionKind"]["enum"][1] == "ATTENTION_KIND_REPRESENTATION"
    assert "Excludes: mosaic." in schemas["Instance"]["properties"]["tweet"]["description"]


def test_the_examples_are_questions_that_their_models_take(document):
    for path in ("/v1/models/{model}:predict", "/v1/models/{model}:explain"):
        examples = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["examples"]
        kinds = {}
        for model, example in examples.items():
            message = service_pb2.ExplainRequest()
            read_json(json.dumps(example["value"]).encode(), message)
            kinds[model] = message.instance.WhichOneof("instance")
        assert kinds == {"sarcasm": "tweet", "sdc-error-mode-1": "mosaic"}
        mosaic = read_mosaic(message)
        assert [len(segment) for segment in mosaic.segments] == [2] * 9
        assert mosaic.foreground_index == 4


def test_every_reference_leads_somewhere(document):
    names = re.findall(r"#/components/schemas/(\w+)", str(document))
    assert names
    assert set(names) <= set(document["components"]["schemas"])


def test_comments_are_read_from_the_stubs():
    comments = read_comments(attention_pb2.DESCRIPTOR)
    assert comments["attendant.v1.AttentionSummary.max_weight"] == "The largest weight, in (0, 1]."
    assert comments["attendant.v1.ATTENTION_KIND_FOCUS"] == "SDC: over the m segments of a mosaic."
    assert comments["attendant.v1.Attention"].startswith("Every attention vector")
    assert read_comments(service_pb2.google_dot_rpc_dot_status__pb2.DESCRIPTOR) == {}


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.links, self.tags = [], set(), set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        if tag not in ("meta", "link", "br"):
            self.open.append(tag)
        values = dict(attributes)
        if "id" in values:
            self.ids.add(values["id"])
        self.links |= {values[name] for name in ("href", "src") if name in values}

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


async def test_the_page_is_whole_and_asks_nobody_else(gateway):
    answer = await gateway.http.get("/", follow_redirects=True)
    assert answer.url.path == "/docs"
    assert answer.headers["content-type"].startswith("text/html")
    page = Page(answer.text)
    assert page.open == []
    assert "script" not in page.tags
    assert all(link.startswith(("/", "#")) for link in page.links)
    assert {link[1:] for link in page.links if link.startswith("#")} <= page.ids
    for link in (link for link in page.links if link.startswith("/") and link != "/readyz"):
        assert (await gateway.http.get(link)).status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
