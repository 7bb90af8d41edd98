"""`sessionwarden simulate`: write an access log with known abuse in it, to try rules on.

The log is in Sessionwarden's own format; `--truth` writes which actors were planted, as JSON. Invariant: the
same arguments write the same bytes.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import click
import msgspec

from sessionwarden.local.simulation.day import MIN_LINES
from sessionwarden.local.simulation.day import simulate as simulate_log

_LINES_PER_WRITE = 1_000


@click.command()
@click.option(
    "--lines", type=click.IntRange(min=MIN_LINES), default=20_000, show_default=True, help="How many lines."
)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed writes the same log.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The log; gzip if it ends in .gz.",
)
@click.option("--truth", type=click.Path(path_type=Path, dir_okay=False), help="Who was planted, as JSON.")
def simulate(lines: int, seed: int, out: Path, truth: Path | None) -> None:
    """Write a made-up day of an API's access log, with abuse and lookalikes planted in it."""
    simulation = simulate_log(lines=lines, seed=seed)
    with _opened(out) as file:
        _write(file, simulation.lines)
    if truth is not None:
        truth.write_bytes(msgspec.json.format(msgspec.json.encode(simulation.truth), indent=2) + b"\n")
    planted, lookalikes = len(simulation.truth.planted), len(simulation.truth.lookalikes)
    click.echo(f"{lines:,} lines, {planted} planted abusers, {lookalikes} lookalikes", err=True)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    with path.open("wb") as file:
        if path.suffix != ".gz":
            yield file
            return
        # no name and no time in the gzip header: the same log is the same file
        with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as zipped:
            yield cast(IO[bytes], zipped)


def _write(file: IO[bytes], lines: Iterable[str]) -> None:
    buffer: list[str] = []
    for line in lines:
        buffer.append(line)
        if len(buffer) == _LINES_PER_WRITE:
            file.write(("\n".join(buffer) + "\n").encode())
            buffer.clear()
    if buffer:
        file.write(("\n".join(buffer) + "\n").encode())
