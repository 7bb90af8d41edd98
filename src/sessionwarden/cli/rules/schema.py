"""`sessionwarden rules schema`: JSON Schema for editors, printed or put beside the rules."""

from __future__ import annotations

from pathlib import Path

import click

from sessionwarden.authoring.editor_schema import SUBJECTS, Subject
from sessionwarden.authoring.schema_files import FOLDER, schema_text, write_schemas
from sessionwarden.authoring.words import line


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
    changed = write_schemas(folder)
    click.echo(f"{line(str(folder / FOLDER))}: {len(SUBJECTS)} schemas; {changed} files now name theirs")
