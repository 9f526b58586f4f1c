"""/docs: the specification as one page that needs nothing else: no script, no other host."""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

STYLE = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 20%, transparent); }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font: 0.875rem/1.5 ui-monospace, monospace; }
pre { padding: 0.75rem; border: 1px solid var(--line); border-radius: 6px; overflow-x: auto; }
h2 { margin-top: 2.5rem; }
section, details { border: 1px solid var(--line); border-radius: 6px; padding: 0.5rem 1rem; margin: 0.75rem 0; }
summary { cursor: pointer; font-weight: 600; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: 0.3rem 0.75rem 0.3rem 0; border-top: 1px solid var(--line); }
.verb { font-weight: 700; margin-right: 0.5rem; }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
PAGE_POLICY = (
    f"default-src 'self'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; object-src 'none'"
)


def render_page(specification: Mapping[str, Any]) -> str:
    """HTML of an OpenAPI document as `openapi.specification` makes it."""
    return "".join(_page(specification))


def _page(specification: Mapping[str, Any]) -> Iterator[str]:
    info = specification["info"]
    title = f"{info['title']} {info['version']}"
    yield (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>"
        f"<h1>{escape(title)}</h1><p>{escape(info['description'])}</p>"
        '<p><a href="/openapi.json">openapi.json</a> · <a href="/v1/models">models</a> · '
        '<a href="/metrics">metrics</a> · <a href="/readyz">readiness</a></p><h2>Calls</h2>'
    )
    for path, operations in specification["paths"].items():
        for verb, operation in operations.items():
            yield from _operation(path, verb.upper(), operation)
    yield "<h2>Messages</h2>"
    for name, schema in specification["components"]["schemas"].items():
        yield from _schema(name, schema)
    yield "</main></body></html>\n"


def _operation(path: str, verb: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f'<section><h3><span class="verb">{verb}</span><code>{escape(path)}</code></h3>'
        f"<p>{escape(operation['summary'])}</p>"
    )
    if "requestBody" in operation:
        content = operation["requestBody"]["content"]["application/json"]
        yield f"<p>Takes {_type(content['schema'])}: {escape(operation['requestBody']['description'])}</p>"
        for model, example in content["examples"].items():
            address = f"http://127.0.0.1:8000{path.replace('{model}', model)}"
            command = f"curl {address} \\\n  -d '{json.dumps(example['value'])}'"
            yield f"<pre>{escape(command)}</pre>"
    for code, response in operation["responses"].items():
        schema = response["content"]["application/json"]["schema"]
        yield f"<p>{escape(code)}: {_type(schema)}. {escape(response['description'])}</p>"
    yield "</section>"


def _schema(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f'<details id="{escape(name)}"><summary>{escape(name)}</summary>'
        f"<p>{escape(schema.get('description', ''))}</p>"
    )
    if schema.get("properties"):
        yield "<table><tr><th>field</th><th>type</th><th>meaning</th></tr>"
        for field, value in schema["properties"].items():
            yield (
                f"<tr><td><code>{escape(field)}</code></td><td>{_type(value)}</td>"
                f"<td>{escape(value.get('description', ''))}</td></tr>"
            )
        yield "</table>"
    yield "</details>"


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if schema["type"] == "array":
        return f"list of {_type(schema['items'])}"
    return escape(schema.get("contentEncoding") or schema.get("format") or schema["type"])
