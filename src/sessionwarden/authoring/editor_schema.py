"""The language of rules, policy and cases as JSON Schema 2020-12, for editors that complete and underline.

Enters: the words that the checks know (`vocabulary`, `correlations`, the model's types). Leaves: three
schemas as plain data. Invariant: what `rules check` takes, the schema takes; a new word of the language
appears here because it is read from where the check reads it. Looser than the check: what depends on
other keys, other files or on YAML itself is left to it. Specification: https://json-schema.org/draft/2020-12
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, get_args

from sessionwarden.authoring.cases import ACTOR, CASE_KEYS, MAX_EVENTS, Delivery
from sessionwarden.authoring.cases import KEYS as CASES_FILE_KEYS
from sessionwarden.authoring.cases import Kind as CaseKind
from sessionwarden.correlations.registry import spellings
from sessionwarden.model.event import FIELDS, INTEGER_FIELDS, LIST_FIELDS, UNGROUPABLE_FIELDS
from sessionwarden.model.finding import BROAD_SCOPES, Level, Mode
from sessionwarden.ruleset.compiler import correlation_section, policy_file, response_section
from sessionwarden.ruleset.compiler.metadata import METADATA, STATUSES
from sessionwarden.ruleset.compiler.modifiers import MODIFIERS
from sessionwarden.ruleset.vocabulary import ACTIONS, CATEGORIES, SCOPES, W3C_FIELDS

Schema = dict[str, Any]
Subject = Literal["rule", "policy", "cases"]

SUBJECTS: tuple[Subject, ...] = get_args(Subject)
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

FIELD_NAMES = sorted(FIELDS | W3C_FIELDS.keys())

DURATION: Schema = {"type": "string", "pattern": "^[0-9]{1,9}[smhd]$", "examples": ["90s", "15m", "1h", "7d"]}
OFFSET: Schema = {"type": "string", "pattern": "^[0-9]{1,12}(ms|s|m|h|d)$", "examples": ["250ms", "5m"]}
UUID: Schema = {"type": "string", "format": "uuid"}
TEXT: Schema = {"type": "string", "minLength": 1}
TEXTS: Schema = {"type": "array", "items": TEXT, "uniqueItems": True}

SAYS: dict[str, str] = {
    "id": "A UUID; findings and decisions name it, so never change it.",
    "name": "A word by which correlations refer to this rule.",
    "level": "How bad it is; medium without it.",
    "falsepositives": "Who does this innocently.",
    "fields": "The event fields to look at first.",
    "group-by": "What is counted together; it must name somebody (scope).",
    "timespan": "Length of the window; an event exactly that old is out.",
    "generate": "Whether the rules referred to emit findings too.",
    "aliases": "Names for fields that differ between the rules referred to.",
    "scope": "Who is meant; it must be in the group-by.",
    "mode": "observe says what would be done, enforce does it.",
    "duration": "How long even new sign-ins are denied; scope user with deny only.",
    "cooldown": "A principal has one finding per rule in this time.",
}


def schema_of(subject: Subject) -> Schema:
    """The schema of rule files, of `policy.yml` or of cases files."""
    build = {"rule": _rule, "policy": _policy, "cases": _cases}[subject]
    return {"$schema": DIALECT, "title": f"Sessionwarden {subject} file", **build()}


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
        "timespan": DURATION,
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
        "actions": _actions(),
        "duration": DURATION,
        "cooldown": DURATION,
    }
    return _map({key: _says(key, known[key]) for key in sorted(response_section.KEYS)})


def _policy() -> Schema:
    actions = _map({scope: _actions() for scope in SCOPES})
    durations = _map(dict.fromkeys(sorted(BROAD_SCOPES), DURATION))
    defaults = _map(
        {
            "mode": {"enum": list(get_args(Mode))},
            "cooldown": DURATION,
            "actions": actions,
            "durations": durations,
        }
    )
    limits = _map({key: _limit(key) for key in policy_file.BUILT_IN_LIMITS})
    protected = _map(dict.fromkeys((*policy_file.PROTECTED_NAMES, "source_ips"), TEXTS))
    return _map({"defaults": defaults, "protected": protected, "limits": limits})


def _limit(key: str) -> Schema:
    most = {"maximum": policy_file.MAX_LIMITS[key]} if key in policy_file.MAX_LIMITS else {}
    return {"type": "integer", "minimum": 1, **most}


def _cases() -> Schema:
    fields = {name: _event_value(name) for name in sorted(FIELDS - {"id", "time"})}
    repeat: Schema = {"type": "integer", "minimum": 1, "maximum": MAX_EVENTS}
    shorthand: dict[str, Schema] = {"at": OFFSET, "every": OFFSET, "repeat": repeat, ACTOR: TEXT}
    key: Schema = {"type": "object", "additionalProperties": {"type": "string"}, "minProperties": 1}
    keys: Schema = {"type": "array", "items": key, "minItems": 1}
    found = [_map({how: keys}, required=[how]) for how in ("exactly", "at_least")]
    known_of_case: dict[str, Schema] = {
        "name": TEXT,
        "kind": {"enum": list(get_args(CaseKind))},
        "deliver": {"enum": list(get_args(Delivery))},
        "events": {"type": "array", "items": _map({**fields, **shorthand}), "minItems": 1},
        "expect": {"anyOf": [{"const": "none"}, *found]},
    }
    case = _map({key: known_of_case[key] for key in CASE_KEYS}, required=["name", "kind", "events", "expect"])
    known: dict[str, Schema] = {
        "rule": UUID,
        "defaults": _map(fields),
        "actors": {"type": "object", "additionalProperties": _map(fields)},
        "cases": {"type": "array", "items": case, "minItems": 1},
    }
    return _map({key: known[key] for key in CASES_FILE_KEYS}, required=["rule", "cases"])


def _event_value(name: str) -> Schema:
    if name in INTEGER_FIELDS:
        return {"type": ["integer", "null"]}
    if name in LIST_FIELDS:
        return {"type": ["array", "null"], "items": {"type": "string"}}
    return {"type": ["string", "null"]}


def _actions() -> Schema:
    return {"type": "array", "items": {"enum": list(ACTIONS)}, "minItems": 1, "uniqueItems": True}


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
