"""Puts the JSON Schemas beside rules, and names its schema in every file that editors open.

The schemas lie in `FOLDER/schema`. Editors with yaml-language-server find a file's schema by a comment in it.
Invariant: that comment is only ever added, in front of a document that has none.
https://github.com/redhat-developer/yaml-language-server#using-inlined-schema
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from sessionwarden.authoring.editor_schema import SUBJECTS, Subject, schema_of
from sessionwarden.authoring.suite import cases_files, is_cases_file
from sessionwarden.documents.writing import write_whole
from sessionwarden.ruleset.compiler.files import POLICY_NAMES, policy_file, rule_files

FOLDER = "schema"
MODELINE = "# yaml-language-server: $schema="


def write_schemas(folder: Path) -> int:
    """Write all schemas into a folder of rules; how many of its files did not name theirs before."""
    (folder / FOLDER).mkdir(exist_ok=True)
    for subject in SUBJECTS:
        write_whole(schema_file(folder, subject), schema_text(subject).encode())
    return sum(_name_schema(file, folder) for file in yaml_files(folder))


def naming_schema(text: str, file: Path) -> str:
    """The text of a new file with its schema's comment, if a folder above the file has the schemas."""
    for folder in file.parents:
        if schema_file(folder, "rule").is_file():
            return with_modelines(text, modeline(file, folder))
    return text


def schema_text(subject: Subject) -> str:
    """The schema as the file holds it."""
    return json.dumps(schema_of(subject), indent=2, ensure_ascii=True) + "\n"


def schema_file(folder: Path, subject: Subject) -> Path:
    """Where the schema of a folder of rules stands."""
    return folder / FOLDER / f"{subject}.schema.json"


def yaml_files(folder: Path) -> list[Path]:
    """Every rule, cases and policy file of the folder."""
    policy = policy_file([folder])
    return [*([policy] if policy else []), *rule_files([folder]), *cases_files([folder])]


def subject_of(file: Path) -> Subject:
    """Which schema a file of that name follows."""
    if file.name in POLICY_NAMES:
        return "policy"
    return "cases" if is_cases_file(file) else "rule"


def modeline(file: Path, folder: Path) -> str:
    """The comment that names the schema of `file`, relative to it."""
    path = os.path.relpath(schema_file(folder, subject_of(file)), file.parent)
    return f"{MODELINE}{Path(path).as_posix()}"


def with_modelines(text: str, line: str) -> str:
    """`text` with the comment in front of every document that has none: editors look at each by itself."""
    documents = text.split("\n---\n")
    return "\n---\n".join(one if MODELINE in one else f"{line}\n{one}" for one in documents)


def _name_schema(file: Path, folder: Path) -> bool:
    text = file.read_text("utf-8")
    named = with_modelines(text, modeline(file, folder))
    if named == text:
        return False
    write_whole(file, named.encode())
    return True
