"""What operators write as JSON Schema 2020-12, for editors that complete and underline.

Cases, policy, routes and field mappings are described by their models. Rules are Sigma, which pySigma and the
compiler's checks read, so their schema is put together here from the words that those checks know. Invariant:
what the check of a file accepts, its schema accepts. Looser than the check: what depends on other keys, on
other files or on YAML itself is left to it. Specification: https://json-schema.org/draft/2020-12
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, get_args

from sessionwarden.authoring.cases_document import CasesDocument
from sessionwarden.correlations.registry import spellings
from sessionwarden.documents.durations import DURATION_SCHEMA
from sessionwarden.documents.models import FileModel, schema_of_model
from sessionwarden.model.event import FIELDS, UNGROUPABLE_FIELDS
from sessionwarden.model.finding import Level, Mode
from sessionwarden.routes.document import RoutesDocument
from sessionwarden.ruleset.compiler import correlation_section, response_section
from sessionwarden.ruleset.compiler.metadata import METADATA, STATUSES
from sessionwarden.ruleset.compiler.modifiers import MODIFIERS
from sessionwarden.ruleset.compiler.policy_file import PolicyDocument
from sessionwarden.ruleset.dangers.dangers import ACKNOWLEDGEABLE
from sessionwarden.ruleset.vocabulary import ACTIONS, CATEGORIES, SCOPES, W3C_FIELDS
from sessionwarden.sources.mapping_file import MappingDocument

Schema = dict[str, Any]
Subject = Literal["rule", "policy", "cases", "routes", "mapping"]

SUBJECTS: tuple[Subject, ...] = get_args(Subject)
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

MODELS: Mapping[str, type[FileModel]] = {
    "cases": CasesDocument,
    "mapping": MappingDocument,
    "policy": PolicyDocument,
    "routes": RoutesDocument,
}

FIELD_NAMES = sorted(FIELDS | W3C_FIELDS.keys())

UUID: Schema = {"type": "string", "format": "uuid"}
TEXT: Schema = {"type": "string", "minLength": 1}
TEXTS: Schema = {"type": "array", "items": TEXT, "uniqueItems": True}

SAYS: dict[str, str] = {
    "id": "A UUID; findings and decisions name it, so never change it.",
    "name": "A word by which correlations refer to this rule.",
    "level": "How bad it is; medium without it.",
    "falsepositives": "Who does this innocently.",
    "fields": "The event fields to look at first.",
    "group-by": "What is counted together; one of its fields must be a scope, such as user or source_ip.",
    "timespan": "Length of the window; an event exactly that old is out.",
    "generate": "Whether the rules referred to emit findings too.",
    "aliases": "Names for fields that differ between the rules referred to.",
    "scope": "Who is meant; it must be in the group-by.",
    "mode": "observe says what would be done, enforce does it.",
    "duration": "How long even new sign-ins are denied; scope user with deny only.",
    "cooldown": "A principal has one finding per rule in this time.",
    "acknowledge": "What the rule does that it must say: it acts upon everybody, or disables accounts.",
}


def schema_of(subject: Subject) -> Schema:
    """The schema of the files of one kind."""
    body = _rule() if subject == "rule" else schema_of_model(MODELS[subject])
    return {"$schema": DIALECT, "title": f"Sessionwarden {subject} file"} | body


def _rule() -> Schema:
    parts = {
        "logsource": _logsource(),
        "detection": {"$ref": "#/$defs/detection"},
        "filter": {"$ref": "#/$defs/detection", "properties": {"rules": {}}},
        "correlation": _correlation(),
        "response": _response(),
    }
    metadata = {key: _metadatum(key, kind) for key, kind in METADATA.items()}
    kinds = (["correlation"], ["logsource", "detection"], ["logsource", "filter"])
    return {
        **_map(metadata | parts, required=["title"]),
        "anyOf": [{"required": list(keys)} for keys in kinds],
        "$defs": _detection_parts(),
    }


def _metadatum(key: str, kind: type) -> Schema:
    special: dict[str, Schema] = {
        "id": UUID,
        "level": {"enum": list(get_args(Level))},
        "status": {"enum": list(STATUSES)},
        "title": TEXT,
        "name": TEXT,
        "related": {"type": "array", "items": {"type": "object"}},
    }
    plain: Schema = TEXTS if kind is list else {"type": "string"}
    return _says(key if key != "scope" else "", special.get(key, plain))


def _logsource() -> Schema:
    return _map(
        {
            "category": {"enum": sorted(CATEGORIES)},
            "product": {"type": "string"},
            "service": {"type": "string"},
            "definition": {"type": "string"},
        }
    )


def _detection_parts() -> dict[str, Schema]:
    value: Schema = {"type": ["string", "number", "boolean", "null"]}
    values: Schema = {"anyOf": [value, {"type": "array", "items": value, "minItems": 1}]}
    names = "|".join(map(re.escape, ["", *FIELD_NAMES]))
    modifiers = "|".join(sorted(MODIFIERS))
    fields: Schema = {
        "type": "object",
        # by name for completion, by pattern with modifiers
        "properties": {name: {"$ref": "#/$defs/values"} for name in FIELD_NAMES},
        "patternProperties": {f"^({names})([|]({modifiers}))*$": {"$ref": "#/$defs/values"}},
        "additionalProperties": False,
        "minProperties": 1,
    }
    some: Schema = {"anyOf": [{"$ref": "#/$defs/fields"}, value]}
    detection: Schema = {
        "type": "object",
        "properties": {"condition": {"anyOf": [TEXT, {"type": "array", "items": TEXT, "minItems": 1}]}},
        "required": ["condition"],
        "additionalProperties": {"anyOf": [*some["anyOf"], {"type": "array", "items": some, "minItems": 1}]},
    }
    return {"detection": detection, "fields": fields, "values": values}


def _correlation() -> Schema:
    types = spellings()
    fields = {name: name for name in FIELDS} | W3C_FIELDS
    # which condition is possible depends on the type
    conditions = [
        {
            "if": {"properties": {"type": {"const": word}}, "required": ["type"]},
            "then": {"properties": {"condition": one.condition_schema(fields)}},
        }
        for word, one in sorted(types.items())
    ]
    known: dict[str, Schema] = {
        "type": {"enum": sorted(types)},
        "rules": _one_or_more(TEXT),
        # names of aliases too; the list is for completion
        "group-by": _one_or_more({"anyOf": [{"enum": sorted(FIELDS - UNGROUPABLE_FIELDS)}, TEXT]}),
        "timespan": DURATION_SCHEMA,
        "condition": {"type": ["object", "string"]},
        "generate": {"type": "boolean"},
        "aliases": {"type": "object"},
    }
    words = sorted({*correlation_section.KEYS, "aliases"})
    properties = {key: _says(key, known[key]) for key in words}
    return _map(properties, required=["type", "timespan"]) | {"allOf": conditions}


def _response() -> Schema:
    known: dict[str, Schema] = {
        "scope": {"enum": list(SCOPES)},
        "mode": {"enum": list(get_args(Mode))},
        "actions": _words(ACTIONS),
        "duration": DURATION_SCHEMA,
        "cooldown": DURATION_SCHEMA,
        "acknowledge": _words(ACKNOWLEDGEABLE),
    }
    return _map({key: _says(key, known[key]) for key in sorted(response_section.KEYS)})


def _words(words: Iterable[str]) -> Schema:
    return {"type": "array", "items": {"enum": list(words)}, "minItems": 1, "uniqueItems": True}


def _one_or_more(item: Schema) -> Schema:
    return {"anyOf": [item, {"type": "array", "items": item, "minItems": 1, "uniqueItems": True}]}


def _map(properties: Mapping[str, Schema], *, required: Iterable[str] = ()) -> Schema:
    needed = list(required)
    return {
        "type": "object",
        "properties": dict(properties),
        "additionalProperties": False,
        **({"required": needed} if needed else {}),
    }


def _says(key: str, schema: Schema) -> Schema:
    return schema | {"description": SAYS[key]} if key in SAYS else dict(schema)
