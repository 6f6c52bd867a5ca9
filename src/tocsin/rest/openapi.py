"""The OpenAPI 3.1 description, generated from the same table that the API is served from, and a
page to read it that loads nothing from elsewhere."""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

import msgspec

from tocsin.rest.resource import Field, Operation, Param, Reference, Resource

PREFIX = "#/components/schemas/"
REFERENCE = {"$ref": PREFIX + "Reference"}
TEXT = {"type": "string"}
NULLABLE = {"type": ["string", "null"]}
HEAD = {
    "id": NULLABLE,
    "type": TEXT,
    "summary": NULLABLE,
    "self": NULLABLE,
    "html_url": NULLABLE,
}
ERRORS = {
    "400": "A value is wrong, or the state of things does not allow it",
    "401": "The key is missing or unknown",
    "403": "The key's owner may not do this, or the key is read-only",
    "404": "There is no such thing",
    "429": "More than 960 requests in a minute",
    "503": "The database is away for a moment",
}


def describe(
    resources: Iterable[Resource], operations: Iterable[Operation], *, url: str, version: str
) -> dict[str, Any]:
    """The whole description."""
    known = {resource.kind: resource for resource in resources}
    schemas: dict[str, Any] = {
        "Reference": {"type": "object", "properties": HEAD, "required": list(HEAD)},
        "Error": _error(),
    }
    for resource in known.values():
        schemas[_title(resource.kind)] = _shown(resource, schemas)
        if resource.create is not None or resource.update is not None:
            schemas[f"{_title(resource.kind)}Write"] = _written(resource, schemas)
    paths: dict[str, Any] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(
            operation, known, schemas
        )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tocsin REST API",
            "version": version,
            "description": "Incidents, the people who answer them, and how they are reached.",
        },
        "servers": [{"url": url}],
        "security": [{"key": []}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {
                "key": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "Token token=<key>, or Bearer <key>",
                }
            },
        },
    }


def _error() -> dict[str, Any]:
    inner = {
        "message": TEXT,
        "code": {"type": "integer"},
        "errors": {"type": "array", "items": TEXT},
    }
    return {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                # A few refusals are a plain text on the wire.
                "oneOf": [
                    {"type": "object", "required": list(inner), "properties": inner},
                    TEXT,
                ]
            }
        },
    }


def _shown(resource: Resource, schemas: dict[str, Any]) -> dict[str, Any]:
    fields = {field.name: _schema(field.type, schemas) for field in resource.fields}
    properties = {**fields, **HEAD}
    return {"type": "object", "properties": properties, "required": list(properties)}


def _written(resource: Resource, schemas: dict[str, Any]) -> dict[str, Any]:
    fields: list[Field] = [field for field in resource.fields if field.write is not None]
    return {
        "type": "object",
        "properties": {field.name: _schema(field.write, schemas) for field in fields},
    }


def _operation(
    operation: Operation, known: Mapping[str, Resource], schemas: dict[str, Any]
) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {"name": part[1:-1], "in": "path", "required": True, "schema": TEXT}
        for part in operation.path.split("/")
        if part.startswith("{")
    ]
    parameters += [_parameter(param, schemas) for param in operation.params]
    if operation.needs_from:
        parameters.append(
            {
                "name": "From",
                "in": "header",
                "description": "The e-mail address of whom an account key acts for",
                "schema": TEXT,
            }
        )
    good = _answer(operation, known, schemas)
    answers = {str(status): good for status in (operation.ok, *operation.also_ok)}
    for status, text in ERRORS.items():
        answers[status] = _refusal(text)
    if operation.path == "/abilities/{id}":
        answers["402"] = _refusal("The server lacks the ability")
    if operation.id == "deleteMaintenanceWindow":
        answers["405"] = _refusal("The maintenance window is over")
    if operation.takes is not None:
        answers["413"] = _refusal("The body, or a list in it, is too large")
    described: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [operation.tag],
        "parameters": parameters,
        "responses": answers,
    }
    if operation.takes is not None:
        body = _members(operation.takes, known, schemas, "Write")
        described["requestBody"] = {"content": {"application/json": {"schema": body}}}
    return described


def _parameter(param: Param, schemas: dict[str, Any]) -> dict[str, Any]:
    schema = _schema(param.type, schemas)
    if param.many:
        schema = {"type": "array", "items": schema}
    return {"name": param.wire, "in": "query", "schema": schema}


def _refusal(text: str) -> dict[str, Any]:
    schema = {"$ref": PREFIX + "Error"}
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _answer(
    operation: Operation, known: Mapping[str, Resource], schemas: dict[str, Any]
) -> dict[str, Any]:
    if operation.gives is None:
        return {"description": "Done"}
    if isinstance(operation.gives, dict):
        schema = _members(operation.gives, known, schemas, "")
        if "{entity_type}" not in operation.path:
            schema["required"] = list(operation.gives)
    else:
        schema = _schema(operation.gives, schemas)
    if operation.paged:
        schema["properties"] |= {
            "limit": {"type": "integer"},
            "offset": {"type": "integer"},
            "total": {"type": ["integer", "null"]},
            "more": {"type": "boolean"},
        }
    return {"description": "Done", "content": {"application/json": {"schema": schema}}}


def _members(
    members: dict[str, Any],
    known: Mapping[str, Resource],
    schemas: dict[str, Any],
    suffix: str,
) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for name, kind in members.items():
        if isinstance(kind, str):
            properties[name] = {"$ref": PREFIX + _title(known[kind].kind) + suffix}
        elif isinstance(kind, list):
            items = {"$ref": PREFIX + _title(known[kind[0]].kind) + suffix}
            properties[name] = {"type": "array", "items": items}
        else:
            properties[name] = _schema(kind, schemas)
    return {"type": "object", "properties": properties}


def _schema(type: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    """The schema of a Python type; what it refers to is added to `schemas`."""
    found, parts = msgspec.json.schema_components(
        [type], schema_hook=_hook, ref_template=PREFIX + "{name}"
    )
    for name, part in parts.items():
        if name != "Reference":
            schemas.setdefault(name, part)
    (schema,) = found
    return schema


def _hook(type: type) -> dict[str, Any]:
    if type is Reference:
        return {"$ref": PREFIX + "Reference"}
    raise NotImplementedError


def _title(kind: str) -> str:
    return "".join(part.title() for part in kind.split("_"))


def page(operations: Iterable[Operation], *, url: str, version: str) -> str:
    """The description for people."""
    by_tag: dict[str, list[Operation]] = {}
    for operation in operations:
        by_tag.setdefault(operation.tag, []).append(operation)
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>"
        '<meta name=viewport content="width=device-width">'
        f"<title>Tocsin REST API</title><h1>Tocsin REST API {escape(version)}</h1>"
        f"<p>Send <code>Authorization: Token token=&lt;key&gt;</code> to <code>{escape(url)}"
        '</code>. The same for programs: <a href="/openapi.json">openapi.json</a>.</p>'
    ]
    for tag in sorted(by_tag):
        parts.append(f"<h2>{escape(tag)}</h2><dl>")
        for operation in by_tag[tag]:
            asked = ", ".join(param.wire for param in operation.params)
            parts.append(
                f"<dt><code>{operation.method} {escape(operation.path)}</code>"
                f"<dd>{escape(operation.summary)} ({operation.ok})"
                + (f"<br>Parameters: <code>{escape(asked)}</code>" if asked else "")
            )
        parts.append("</dl>")
    parts.append("</html>")
    return "".join(parts)
