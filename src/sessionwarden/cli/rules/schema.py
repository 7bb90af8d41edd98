"""`sessionwarden rules schema`: JSON Schema for editors, printed or put beside the rules.

With `--write` all schemas go to `FOLDER/schema`, and every file of the folder gets the line by which editors
with yaml-language-server find theirs. Invariant: a line is only ever added, in front of a document that has
none.
https://github.com/redhat-developer/yaml-language-server#using-inlined-schema
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from sessionwarden.authoring.editor_schema import SUBJECTS, Subject, schema_of
from sessionwarden.authoring.suite import cases_files, is_cases_file
from sessionwarden.authoring.words import line
from sessionwarden.cli.rules.files import write_whole
from sessionwarden.ruleset.compiler.files import POLICY_NAMES, policy_file, rule_files

FOLDER = "schema"
MODELINE = "# yaml-language-server: $schema="


@click.command()
@click.argument("subject", type=click.Choice(SUBJECTS), default="rule")
@click.option(
    "--write",
    "folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Write all schemas into this folder of rules, and name them in its files.",
)
def schema(subject: Subject, folder: Path | None) -> None:
    """Print the JSON Schema of the files of one kind.

    With --write, put all schemas into FOLDER/schema, and a comment that names its schema into every file of
    the folder that has none.
    """
    if folder is None:
        click.echo(schema_text(subject), nl=False)
        return
    (folder / FOLDER).mkdir(exist_ok=True)
    for one in SUBJECTS:
        write_whole(schema_file(folder, one), schema_text(one).encode())
    changed = [file for file in yaml_files(folder) if _name_schema(file, folder)]
    click.echo(f"{line(str(folder / FOLDER))}: {len(SUBJECTS)} schemas; {len(changed)} files now name theirs")


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
