"""Operators' files as pydantic models, whose errors become diagnostics with file, line and caret.

A file is described once, by a `FileModel`: `read_model` checks a document against it and reports all that is
wrong at once, and `schema_of_model` is what editors complete from. Types are strict: `true` is no number,
and `"5"` neither. Invariant: pydantic's own wording, which speaks of Python, is the last resort: every error
that our models raise has a sentence here.
https://docs.pydantic.dev/latest/errors/validation_errors/
"""

from __future__ import annotations

from collections.abc import Iterable
from types import NoneType
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError, core_schema

from sessionwarden.documents.check import Check, nearest, quoted
from sessionwarden.documents.yaml import Path

REFUSED = "refused"
"""The type of the errors that our own validators raise: their message and hint are used as they are."""

_PLAIN_TYPES = {
    "string_type": str,
    "int_type": int,
    "bool_type": bool,
    "list_type": list,
    "dict_type": dict,
    "model_type": dict,
}


class FileModel(BaseModel):
    """Base of everything that an operator's file holds. A field's docstring is also its help in editors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)

    @classmethod
    def unknown_key(cls, key: str) -> tuple[str, str]:
        """Message and hint for a key that this section does not have."""
        known = [field.alias or name for name, field in cls.model_fields.items()]
        return "unknown key", nearest(key, known)


Model = TypeVar("Model", bound=FileModel)


class Hints(NamedTuple):
    """Metadata of a field: what to advise when its value is below its lower or above its upper bound."""

    below: str = ""
    above: str = ""


def refused(message: str, hint: str = "") -> PydanticCustomError:
    """The error with which a validator of a model refuses its value."""
    return PydanticCustomError(REFUSED, "{message}", {"message": message, "hint": hint})


def refused_parts(errors: Iterable[tuple[Path, PydanticCustomError]]) -> ValidationError:
    """The error with which a validator refuses parts of its value, each named by its path in the value."""
    return ValidationError.from_exception_data(
        REFUSED, [InitErrorDetails(type=error, loc=path, input=None) for path, error in errors]
    )


def _distinct(texts: list[str]) -> list[str]:
    first: dict[str, int] = {}
    twice = [index for index, text in enumerate(texts) if first.setdefault(text, index) != index]
    if twice:
        raise refused_parts(((index,), refused(f"{quoted(texts[index])} is listed twice")) for index in twice)
    return texts


UNIQUE = AfterValidator(_distinct)
Text = Annotated[str, Field(min_length=1)]
Texts = Annotated[list[Text], UNIQUE, Field(json_schema_extra={"uniqueItems": True})]
"""Texts, none of them empty or repeated."""


def read_model(model: type[Model], check: Check, *, context: object = None) -> Model | None:
    """The checked document as `model`; `None`, and a diagnostic for all that is wrong, if it does not fit.

    `context` is for validators that look at other parts of the document than their own.
    """
    try:
        return model.model_validate(check.document.data, context=context)
    except ValidationError as error:
        for one in error.errors(include_url=False):
            _report(one, model, check)
        return None


def sound(model: type[Model], data: object) -> Model | None:
    """A part of a document, for checks that go on although other parts are wrong; `None` if it is wrong.

    Reports nothing: `read_model` of the whole does.
    """
    try:
        return model.model_validate(data)
    except ValidationError:
        return None


def as_map(data: object) -> dict[str, Any]:
    """`data` if it is a map, else an empty one: to look into a document that may be wrong."""
    return data if isinstance(data, dict) else {}


def as_list(data: object) -> list[Any]:
    """`data` if it is a list, else an empty one: to look into a document that may be wrong."""
    return data if isinstance(data, list) else []


def _report(error: ErrorDetails, model: type[FileModel], check: Check) -> None:
    kind, value, facts = error["type"], error["input"], error.get("ctx", {})
    # pydantic marks an error in a key, and not in its value, by one part more
    path = tuple(part for part in error["loc"] if part != "[key]")
    if kind == "missing":
        check.refuse(path[:-1], f"{path[-1]} is missing")
    elif kind == "extra_forbidden":
        owner, _ = _described(model, path[:-1])
        check.refuse(path, *owner.unknown_key(str(path[-1])))
    elif kind == "literal_error":
        check.one_of(value, get_args(_described(model, path)[0]), path)
    elif kind in _PLAIN_TYPES:
        check.typed(value, _PLAIN_TYPES[kind], path)
    elif kind == REFUSED:
        check.refuse(path, facts["message"], facts["hint"])
    else:
        hints = _described(model, path)[1]
        check.refuse(path, *_out_of_bounds(kind, value, path, facts, hints) or (error["msg"], ""))


def _out_of_bounds(
    kind: str, value: object, path: Path, facts: dict[str, Any], hints: Hints
) -> tuple[str, str] | None:
    if kind == "greater_than_equal":
        return f"must be at least {facts['ge']}, not {value}", hints.below
    if kind == "less_than_equal":
        return f"must be at most {facts['le']}, not {value}", hints.above
    if kind == "string_too_short":
        return "must not be empty", hints.below
    if kind == "too_short":
        last = str(path[-1]) if path else ""
        return f"must list at least one {last[:-1] if last.endswith('s') else 'entry'}", hints.below
    return None


def _described(model: type[FileModel], path: Path) -> tuple[Any, Hints]:
    """The type that the models declare for the value at `path`, and the hints beside it."""
    kind: Any = model
    hints = Hints()
    for part in path:
        if isinstance(kind, type) and issubclass(kind, FileModel):
            field = next(one for name, one in kind.model_fields.items() if part in (one.alias, name))
            kind = _plain(field.annotation)
            hints = next((one for one in field.metadata if isinstance(one, Hints)), Hints())
        else:
            # the items of a list, the values of a map
            kind, hints = _plain(get_args(kind)[-1]), Hints()
    return kind, hints


def _plain(kind: Any) -> Any:
    """A type without its metadata, and without the `None` beside it."""
    if get_origin(kind) is Annotated:
        return _plain(get_args(kind)[0])
    if get_origin(kind) in (list, dict, Literal) or isinstance(kind, type):
        return kind
    return _plain(next(one for one in get_args(kind) if one is not NoneType))


class _EditorSchema(GenerateJsonSchema):
    """JSON Schema without what says nothing to an editor: titles made of names, and defaults in our units."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])


def schema_of_model(model: type[FileModel]) -> dict[str, Any]:
    """The JSON Schema of a file, as editors with completion read it."""
    schema = model.model_json_schema(schema_generator=_EditorSchema)
    del schema["title"]  # the name of a class
    return schema
