"""`sessionwarden routes`: what operators are told of their `authorizer.yml`."""

from __future__ import annotations

from pathlib import Path

from sessionwarden.errors import InputFileError
from sessionwarden.routes.compile import compile_routes, dump_routes
from tests.support.command_line import invoke

ROUTES = """\
version: 1
default:
  groups: {any: [customers]}
routes:
  ANY /catalogue: {denylist: open, token: any}
  Query.salaries: {groups: {any: [payroll]}}
"""


def test_check_says_what_each_route_asks(tmp_path: Path) -> None:
    file = tmp_path / "authorizer.yml"
    file.write_text(ROUTES)
    run = invoke("routes", "check", file)
    assert run.exit_code == 0
    assert "ANY /catalogue: access or id token, a group of customers, PASSES if the denylist" in run.output
    assert "2 routes, no mistakes." in run.output


def test_compile_writes_what_the_authorizer_loads(tmp_path: Path) -> None:
    file, out = tmp_path / "authorizer.yml", tmp_path / "routes.json"
    file.write_text(ROUTES)
    assert invoke("routes", "compile", file, "--out", out).exit_code == 0
    assert out.read_bytes() == dump_routes(compile_routes(file))


def test_a_mistake_is_left_to_the_command_line_to_report(tmp_path: Path) -> None:
    file = tmp_path / "authorizer.yml"
    file.write_text("version: 3\n")
    assert isinstance(invoke("routes", "check", file).exception, InputFileError)
