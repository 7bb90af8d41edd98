"""`sessionwarden rules check` and `compile`: what is wrong with the rules, and the bytes that `detect` loads.

They report every mistake with its place and exit status 2, or show what the rules do and the digest of the
set. They write nothing but the file that they were asked for.
"""

from __future__ import annotations

from pathlib import Path

import click

from sessionwarden.authoring.catalog import Catalog, read_catalog
from sessionwarden.authoring.words import line
from sessionwarden.cli.default_rules import default_rules
from sessionwarden.cli.rules.options import OUTPUT, PATHS, POLICY, console, print_json
from sessionwarden.cli.rules.tables import print_rules, rule_answer
from sessionwarden.documents.diagnostics import describe
from sessionwarden.documents.writing import write_whole
from sessionwarden.errors import InputFileError
from sessionwarden.ruleset.compiler.compile import compile_rules, dump_ruleset


@click.command()
@PATHS
@POLICY
@OUTPUT
@click.pass_context
def check(context: click.Context, paths: tuple[Path, ...], policy: Path | None, output: str) -> None:
    """Report every mistake in the rules of PATHS, or what they do.

    PATHS (default: rules/) are rule files or folders. Exit status 0 if they can be published, 2 if not.
    """
    try:
        catalog = read_catalog(paths or default_rules(), policy)
    except InputFileError as error:
        if output == "text":
            raise
        print_json({"valid": False, "mistakes": [diagnostic._asdict() for diagnostic in error.diagnostics]})
        context.exit(2)
    ruleset = catalog.ruleset
    if output == "json":
        rules = [rule_answer(rule) for rule in ruleset.rules]
        notes = [note._asdict() for note in catalog.notes]
        print_json(
            {
                "valid": True,
                "digest": ruleset.digest,
                "notes": notes,
                "rules": rules,
                "policy": catalog.policy,
            }
        )
        return
    print_rules(console(), catalog)
    if catalog.notes:
        click.echo(f"\n{describe(catalog.notes, 'note')}")
    click.echo(f"\n{_counted(catalog)}, no mistakes. Digest {ruleset.digest}")


@click.command(name="compile")
@PATHS
@POLICY
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="File to write.")
def compile_command(paths: tuple[Path, ...], policy: Path | None, out: Path) -> None:
    """Check the rules of PATHS and write the compiled rule set.

    PATHS (default: rules/) are rule files or folders. The same rules make the same bytes. Nothing is
    written if there is a mistake.
    """
    ruleset = compile_rules(paths or default_rules(), policy)
    data = dump_ruleset(ruleset)
    write_whole(out, data)
    click.echo(f"{line(str(out))}: {len(ruleset.rules)} rules, {len(data):,} bytes, digest {ruleset.digest}")


def _counted(catalog: Catalog) -> str:
    count = sum(rule.emits for rule in catalog.ruleset.rules)
    serving = len(catalog.ruleset.rules) - count
    others = f" and {serving} that only serve{'s' if serving == 1 else ''} others" if serving else ""
    return f"{count} rule{'s' if count != 1 else ''}{others}"
