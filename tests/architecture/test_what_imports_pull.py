"""What a module brings into the process that imports it: packages of others, each of which costs start time.

The list is exact: a package that is no longer needed is taken off it, too. typing_extensions is left out:
msgspec takes it where it happens to be installed, and does without.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.support.paths import PROJECT

PROGRAM = """
import importlib, json, sys
before = set(sys.modules)
importlib.import_module(sys.argv[1])
loaded = {name.partition(".")[0] for name in set(sys.modules) - before} - sys.stdlib_module_names
print(json.dumps(sorted(loaded - {"sessionwarden", "functions", "typing_extensions"})))
"""

CRYPTOGRAPHY = {"cryptography", "_cffi_backend", "_openssl"}

PULLS = {
    "sessionwarden.errors": set(),
    "sessionwarden.ports": set(),
    "sessionwarden.model.deny": set(),
    "sessionwarden.model.event": {"msgspec"},
    "sessionwarden.tokens.cognito": CRYPTOGRAPHY,
    "sessionwarden.denylist.broad": set(),
    "sessionwarden.routes.match": set(),
    "sessionwarden.authorizer": CRYPTOGRAPHY,
    "sessionwarden.authorizer.assemble": CRYPTOGRAPHY,
    "functions.authorizer.handler": CRYPTOGRAPHY,
    "sessionwarden.sources.cloudwatch": {"msgspec"},
    "sessionwarden.ruleset.load": {"msgspec"},
    "sessionwarden.detection.engine": {"msgspec", "re2"},
    "sessionwarden.policy.decide": {"msgspec"},
    "sessionwarden.enforcement.enforcer": {"msgspec"},
    "sessionwarden.cli.main": {"click"},
}


@pytest.mark.parametrize("module", PULLS)
def test_a_module_pulls_exactly_the_packages_that_it_may(module: str) -> None:
    assert pulled(module) == PULLS[module]


def pulled(module: str) -> set[str]:
    """Top-level packages of others that are loaded once `module` is."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, module],
        env=os.environ
        | {
            "PYTHONPATH": os.pathsep.join((str(PROJECT / "src"), str(PROJECT))),
            "SESSIONWARDEN_USER_POOLS": '[{"pool_id": "eu-west-1_Ab12cd34", "client_ids": null}]',
            "SESSIONWARDEN_DENYLIST_TABLE": "denylist",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))
