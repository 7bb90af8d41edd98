"""`sessionwarden rules list`: the rules of some files at a glance.

Enters: rule files and folders, and what to list of them. Leaves: a table or JSON.
"""

from __future__ import annotations

from pathlib import Path

import click

from sessionwarden.authoring.catalog import read_catalog
from sessionwarden.cli.default_rules import default_rules
from sessionwarden.cli.rules.options import OUTPUT, PATHS, POLICY, console, print_json
from sessionwarden.cli.rules.tables import print_rules, rule_answer, rules_in_order, tags_of


@click.command(name="list")
@PATHS
@POLICY
@OUTPUT
def list_command(paths: tuple[Path, ...], policy: Path | None, output: str) -> None:
    """List the rules of PATHS.

    PATHS (default: rules/) are rule files or folders.
    """
    catalog = read_catalog(paths or default_rules(), policy)
    if output == "json":
        print_json([rule_answer(rule) | {"tags": tags_of(catalog, rule)} for rule in rules_in_order(catalog)])
        return
    print_rules(console(), catalog)
