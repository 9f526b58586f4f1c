"""The HTTP interface as OpenAPI 3.1, made from the contract's descriptors, so that it cannot say anything else."""

from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, FileDescriptor
from google.rpc.status_pb2 import Status

from attendant.v1 import service_pb2
from services.gateway.comments import read_comments
from services.gateway.statuses import CODES

Schema = dict[str, Any]

_SCALARS: Mapping[int, Schema] = {
    FieldDescriptor.TYPE_FLOAT: {"type": "number", "format": "float"},
    FieldDescriptor.TYPE_DOUBLE: {"type": "number", "format": "double"},
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_INT32: {"type": "integer", "format": "int32"},
    FieldDescriptor.TYPE_UINT32: {"type": "integer", "format": "uint32", "minimum": 0},
    FieldDescriptor.TYPE_UINT64: {"type": "string", "format": "uint64"},
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
}
_ANY: Schema = {
    "type": "object",
    "description": "ErrorInfo, BadRequest or RetryInfo of google.rpc, as `@type` says.",
    "properties": {"@type": {"type": "string"}},
}
_EXAMPLES: Mapping[str, Schema] = {  # a question for each kind of instance, by the model that it is for
    "sarcasm": {
        "instance": {"tweet": {"text": "oh great, another monday", "attributes": ["desk", "coffee"]}}
    },
    "sdc-error-mode-1": {
        "instance": {
            "mosaic": {
                "segments": [{"vector": {"values": [1.5, y]}} for y in (-0.5, 1.0, 2.5, 4.0)]
                + [{"vector": {"values": [5.5, 3.0]}}]
                + [{"vector": {"values": [1.25, y]}} for y in (0.0, 1.5, 3.0, 4.5)],
                "foreground_index": 4,
            }
        }
    },
}


def specification() -> Schema:
    """The document that /openapi.json serves."""
    messages = service_pb2.DESCRIPTOR.message_types_by_name
    schemas = _Schemas()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Attendant",
            "version": version("attendant"),
            "description": "Attention models, served together with the reasons for their answers. "
            "The same calls as attendant.v1.AttendantService over gRPC; images are base64.",
        },
        "paths": {
            "/v1/models": {"get": _operation(schemas, "ListModels", "What can be asked here.", None)},
            "/v1/models/{model}:predict": {
                "post": _operation(schemas, "Predict", "The answer alone.", messages["PredictRequest"])
            },
            "/v1/models/{model}:explain": {
                "post": _operation(
                    schemas,
                    "Explain",
                    "The answer, every attention vector behind it, and the methods asked for.",
                    messages["ExplainRequest"],
                )
            },
        },
        "components": {"schemas": dict(sorted(schemas.found.items()))},
    }


def _operation(schemas: "_Schemas", name: str, summary: str, request: Descriptor | None) -> Schema:
    response = service_pb2.DESCRIPTOR.message_types_by_name[f"{name}Response"]
    operation: Schema = {
        "operationId": name,
        "summary": summary,
        "responses": {
            "200": _content("The answer.", schemas.reference(response)),
            "default": _content(
                f"google.rpc.Status; the code is one of {', '.join(_failures())}.",
                schemas.reference(Status.DESCRIPTOR),
            ),
        },
    }
    if request is not None:
        model = {"name": "model", "in": "path", "required": True, "schema": {"type": "string"}}
        operation["parameters"] = [model | {"description": "For example sarcasm.", "example": "sarcasm"}]
        body = _content("The question; `model` may be left out.", schemas.reference(request))
        body["content"]["application/json"]["examples"] = {
            model: {"value": example} for model, example in _EXAMPLES.items()
        }
        operation["requestBody"] = body | {"required": True}
    return operation


def _content(description: str, schema: Schema) -> Schema:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _failures() -> Iterable[str]:
    return sorted({str(codes.http) for codes in CODES.values()})


class _Schemas:
    """Collects a schema for each message and enum that is referred to."""

    def __init__(self) -> None:
        self.found: dict[str, Schema] = {}
        self._comments: dict[str, dict[str, str]] = {}

    def reference(self, descriptor: Descriptor | EnumDescriptor) -> Schema:
        if descriptor.full_name == "google.protobuf.Any":
            return _ANY
        if descriptor.name not in self.found:
            self.found[descriptor.name] = {}  # a message may contain itself
            schema = (
                self._enum(descriptor)
                if isinstance(descriptor, EnumDescriptor)
                else self._message(descriptor)
            )
            self.found[descriptor.name] = schema
        return {"$ref": f"#/components/schemas/{descriptor.name}"}

    def _message(self, descriptor: Descriptor) -> Schema:
        schema: Schema = {
            "type": "object",
            "properties": {field.name: self._field(field, descriptor.file) for field in descriptor.fields},
            "additionalProperties": False,
        }
        return self._described(schema, descriptor.file, descriptor.full_name)

    def _enum(self, descriptor: EnumDescriptor) -> Schema:
        comments = self._comments_of(descriptor.file)
        values = [
            f"{value.name}: {comments.get(f'{descriptor.file.package}.{value.name}', '')}"
            for value in descriptor.values
        ]
        schema: Schema = {"type": "string", "enum": [value.name for value in descriptor.values]}
        described = self._described(schema, descriptor.file, descriptor.full_name)
        return described | {"description": " ".join([described.get("description", ""), *values]).strip()}

    def _field(self, field: FieldDescriptor, file: FileDescriptor) -> Schema:
        target = field.message_type or field.enum_type
        schema = dict(_SCALARS[field.type]) if target is None else self.reference(target)
        if field.is_repeated:
            schema = {"type": "array", "items": schema}
        described = self._described(schema, file, field.full_name)
        oneof = field.containing_oneof
        if oneof is not None and len(oneof.fields) > 1:
            others = ", ".join(other.name for other in oneof.fields if other.name != field.name)
            described["description"] = f"{described.get('description', '')} Excludes: {others}.".strip()
        return described

    def _described(self, schema: Schema, file: FileDescriptor, name: str) -> Schema:
        comment = self._comments_of(file).get(name)
        return schema | ({"description": comment} if comment else {})

    def _comments_of(self, file: FileDescriptor) -> dict[str, str]:
        if file.name not in self._comments:
            self._comments[file.name] = read_comments(file)
        return self._comments[file.name]
