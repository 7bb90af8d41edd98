"""`sessionwarden rules new`: a rule and its cases to start from.

Enters: a name and what to watch. Leaves: two files that pass `rules check` and `rules test`. Invariant:
nothing is ever overwritten, and a new rule observes.
"""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime
from pathlib import Path

import click

from sessionwarden.authoring.schema_files import naming_schema
from sessionwarden.authoring.template import NEW_KINDS, SAMPLES, NewKind, template
from sessionwarden.authoring.words import line
from sessionwarden.cli.rules.options import OUTPUT, print_json
from sessionwarden.documents.writing import write_new
from sessionwarden.model.event import Category

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
MAX_NAME_CHARACTERS = 60


@click.command()
@click.argument("name")
@click.option(
    "--category", required=True, type=click.Choice(sorted(SAMPLES)), help="Whose events it watches."
)
@click.option("--kind", type=click.Choice(NEW_KINDS), default="event_count", show_default=True)
@click.option(
    "--into",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("rules"),
    show_default=True,
    help="Folder for the two files; made if it is not there.",
)
@OUTPUT
def new(name: str, category: Category, kind: NewKind, folder: Path, output: str) -> None:
    """Write a new rule with its cases, for you to change.

    NAME is lower-case words joined by `-`, like `many-order-deletes`. The rule observes.
    """
    if not NAME.fullmatch(name) or len(name) > MAX_NAME_CHARACTERS:
        raise click.BadParameter(f"{name!r}: lower-case words joined by -, like many-order-deletes")
    rule_id = str(uuid.uuid4())
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    texts = template(name=name, category=category, kind=kind, rule_id=rule_id, date=today)
    files = {folder / f"{name}.yml": texts.rule, folder / f"{name}.cases.yml": texts.cases}
    for file in files:
        if file.exists():
            raise click.UsageError(f"{line(str(file))} is there already; nothing was written")
    for file, text in files.items():
        write_new(file, naming_schema(text, file).encode())
    if output == "json":
        print_json({"id": rule_id, "files": list(map(str, files))})
        return
    rule, cases = (line(str(file)) for file in files)
    click.echo(f"{rule}\n{cases}\n\nNext: sessionwarden rules test {rule}")
