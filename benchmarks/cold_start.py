"""Measures what a cold start begins with: the CPU of importing a function's handler, and its modules.

Each import runs in a fresh process whose Python has started already, with bytecode that was compiled before.
The imports take turns, round after round, so that a busy machine treats all alike. `--against` names another
checkout with a `.venv` of its own, such as the commit before a change: its handlers take turns with ours.
Lambda has no bytecode of a bundle and other processors, so compare rows with each other only.

Run as `python -m benchmarks.cold_start`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]

# Without bytecode, or with other roots, an import costs something else than in Lambda.
NOT_LAMBDAS = {"PYTHONDONTWRITEBYTECODE", "AWS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"}

SETTINGS = {
    "AWS_REGION": "eu-west-1",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "POWERTOOLS_SERVICE_NAME": "benchmark",
    "SESSIONWARDEN_DENYLIST_TABLE": "denylist",
    "SESSIONWARDEN_USER_POOLS": '[{"pool_id":"eu-west-1_Ab12","client_ids":null}]',
}
"""What the authorizer reads while it is imported; the other handlers read theirs with the first event."""

FUNCTIONS = (
    "authorizer",
    "pre_token_generation",
    "ingest",
    "detect",
    "enforce",
    "group_alerts",
    "validate_rules",
)

PROGRAM = """
import resource, sys
{before}
def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
start = cpu()
{statement}
took = cpu() - start
ours = sum(name.partition(".")[0] in ("functions", "sessionwarden") for name in sys.modules)
print(took * 1000, ours)
"""


class Import(NamedTuple):
    """A statement to measure, what the process has imported before it, and the checkout that it is of."""

    name: str
    statement: str
    before: str = ""
    checkout: Path = ROOT

    def measured(self, bytecode: str) -> tuple[float, int]:
        """Milliseconds of CPU of the statement, and the project's modules that the process has then."""
        ours = self.checkout == ROOT
        python = sys.executable if ours else str(self.checkout / ".venv" / "bin" / "python")
        program = PROGRAM.format(before=self.before, statement=self.statement)
        environ = {name: value for name, value in os.environ.items() if name not in NOT_LAMBDAS}
        paths = [str(self.checkout / "src"), str(self.checkout)]
        environ |= SETTINGS | {"PYTHONPYCACHEPREFIX": bytecode, "PYTHONPATH": os.pathsep.join(paths)}
        # a program on the command line imports from the working directory first
        command = [python, "-c", program]
        answer = subprocess.run(
            command, cwd=self.checkout, env=environ, check=True, stdout=subprocess.PIPE, text=True
        ).stdout
        took, modules = answer.split()[-2:]
        return float(took), int(modules)


PARTS = (
    Import(
        "`ssl` and cryptography's RSA",
        "import ssl\nfrom cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15",
    ),
    Import("`ssl` and the system's roots", "import ssl; ssl.create_default_context()"),
    Import(
        "PyJWT and a boto3 client", "import boto3, jwt; boto3.client('dynamodb', region_name='eu-west-1')"
    ),
    Import(
        "pydantic and a function's settings, after all else of pre_token_generation",
        "import functions.settings",
        before=(
            "import aws_lambda_powertools, aws_lambda_powertools.metrics\n"
            "import sessionwarden.adapters.aws.clients, sessionwarden.adapters.dynamodb.denylist\n"
            "import sessionwarden.adapters.lean.denylist, sessionwarden.denylist.verdict"
        ),
    ),
)


def imports_of(against: Path | None) -> list[Import]:
    """What is measured, in the order of a round."""
    found: list[Import] = []
    for function in FUNCTIONS:
        statement = f"import functions.{function}.handler"
        found.append(Import(function, statement))
        if against is not None:
            found.append(Import(f"{function}, {against.name}", statement, checkout=against))
    return [*found, *PARTS]


def main() -> None:
    """Print one row for each import."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--against", type=Path, help="another checkout, with a .venv of its own")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    against: Path | None = options.against and options.against.resolve()
    imports = imports_of(against)
    found: dict[str, list[tuple[float, int]]] = {one.name: [] for one in imports}
    with tempfile.TemporaryDirectory() as bytecode:
        for one in imports:
            one.measured(bytecode)  # the first time compiles
        for _ in range(options.rounds):
            for one in imports:
                found[one.name].append(one.measured(bytecode))
    print("| import | modules of ours | CPU ms, median | best |\n| --- | ---: | ---: | ---: |")
    for name, values in found.items():
        took = [milliseconds for milliseconds, _ in values]
        print(f"| {name} | {values[0][1] or ''} | {statistics.median(took):.0f} | {min(took):.0f} |")


if __name__ == "__main__":
    main()
