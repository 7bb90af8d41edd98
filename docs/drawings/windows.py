"""Draws docs/explanation/windows.svg: how a rule counts in epochs and intervals, and what is suppressed.

    .venv/bin/python docs/drawings/windows.py

The picture belongs to docs/explanation/windows.md. It is made by a script so that it can be changed in a
text editor and reviewed as text; a test holds the committed picture to what this script writes.
Coordinates are pixels. A timespan W is as wide as an epoch in the upper half, and half of that in the lower.
"""

from __future__ import annotations

from html import escape
from itertools import pairwise
from pathlib import Path

PICTURE = Path(__file__).resolve().parents[1] / "explanation" / "windows.svg"

WIDTH, HEIGHT = 820, 520
LEFT = 60
W = 232

INK, FAINT, MEMBER, LATE, MATCH, QUIET = "#1f2933", "#6b7785", "#2563a8", "#b45309", "#15803d", "#e5e9ee"

MEMBERS = (26, 118, 152, 205, 262, 318, 357, 560)
"""Times of the members, in pixels from the first epoch's start."""
LATE_MEMBER = 205
"""The one that is delivered last."""
CROSSING = 357
"""The member at which the interval holds enough members."""


def text(
    x: float, y: float, words: str, *, color: str = INK, anchor: str = "start", bold: bool = False
) -> str:
    """One line of words; `anchor` says which end of it stands at `x`."""
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:g}" y="{y:g}" fill="{color}" text-anchor="{anchor}"{weight}>{escape(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, *, color: str = INK, width: float = 1.5) -> str:
    """A straight line."""
    return (
        f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="{color}" stroke-width="{width:g}"/>'
    )


def dot(x: float, y: float, *, color: str = MEMBER, filled: bool = True) -> str:
    """A member, or an end of an interval: filled if the end belongs to it."""
    fill = color if filled else "#ffffff"
    return f'<circle cx="{x:g}" cy="{y:g}" r="5" fill="{fill}" stroke="{color}" stroke-width="2"/>'


def box(x: float, y: float, width: float, height: float, *, color: str = QUIET) -> str:
    """A filled rectangle."""
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" fill="{color}"/>'


def axis(y: float, cuts: list[float], names: list[str]) -> list[str]:
    """A time axis from the first to the last cut, with a name between any two."""
    parts = [line(cuts[0], y, cuts[-1] + 14, y)]
    parts += [line(cut, y - 9, cut, y + 9) for cut in cuts]
    middles = [(first + second) / 2 for first, second in pairwise(cuts)]
    parts += [
        text(middle, y + 26, name, color=FAINT, anchor="middle")
        for middle, name in zip(middles, names, strict=True)
    ]
    return [*parts, text(cuts[-1] + 20, y + 5, "time", color=FAINT)]


def counting() -> list[str]:
    """Epochs, members, the interval that meets a threshold of five, and what is read to find it."""
    y = 150
    crossing, start = LEFT + CROSSING, LEFT + CROSSING - W
    parts = [text(LEFT - 40, 30, "Counting: five events within W", bold=True)]
    parts += axis(y, [LEFT + epoch * W for epoch in range(4)], ["epoch 41", "epoch 42", "epoch 43"])
    parts += [dot(LEFT + member, y, color=LATE if member == LATE_MEMBER else MEMBER) for member in MEMBERS]
    parts += [
        text(LEFT + LATE_MEMBER, y - 20, "delivered last", color=LATE, anchor="middle"),
        line(start, 96, crossing, 96, color=MATCH, width=3),
        dot(start, 96, color=MATCH, filled=False),
        dot(crossing, 96, color=MATCH),
        line(crossing, 101, crossing, y - 6, color=MATCH, width=1),
        text(start, 80, "t - W, not included", color=MATCH, anchor="middle"),
        text(crossing, 80, "t, included", color=MATCH, anchor="middle"),
        text(crossing + 16, 101, "five members: the rule matches at t", color=MATCH),
        line(LEFT, 206, LEFT + 3 * W, 206, color=MEMBER, width=3),
        text(
            LEFT,
            226,
            "read to judge a member of epoch 42: that epoch and both neighbours, since every interval",
            color=MEMBER,
        ),
        text(LEFT, 244, "of length W that holds the member lies within these three", color=MEMBER),
    ]
    return parts


def suppressing() -> list[str]:
    """A finding, the suppressed period behind it, and when writing begins again."""
    y, timespan = 400, W / 2
    cuts = [LEFT + period * 3 * timespan for period in range(3)]
    found, resume, again = cuts[0] + 60, cuts[1] - timespan, cuts[1] + 26
    return [
        text(LEFT - 40, 300, "Suppressing: one finding per key and period, while abuse goes on", bold=True),
        box(found, y - 32, resume - found, 32),
        *axis(y, cuts, ["period 12, as long as the cooldown", "period 13"]),
        *[dot(x, y) for x in range(LEFT + 8, int(found), 20)],
        *[dot(x, y, color=FAINT, filled=False) for x in range(int(found) + 20, int(resume), 20)],
        *[dot(x, y) for x in range(int(resume) + 8, int(again) + 4, 20)],
        line(found, y - 62, found, y - 8, color=MATCH),
        text(found, y - 68, "finding", color=MATCH, anchor="middle"),
        line(again, y - 62, again, y - 8, color=MATCH),
        text(again, y - 68, "finding of period 13", color=MATCH, anchor="middle"),
        text((found + resume) / 2, y - 14, "events are not stored", color=FAINT, anchor="middle"),
        line(resume, y + 42, cuts[1], y + 42, color=MEMBER, width=3),
        text(resume, y + 62, "from W before the period ends, events are stored again:", color=MEMBER),
        text(resume, y + 80, "intervals of period 13 hold them", color=MEMBER),
    ]


def draw() -> str:
    """The whole picture, as SVG."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="DejaVu Sans, Verdana, sans-serif" font-size="13">'
    )
    return "\n".join(
        [head, box(0, 0, WIDTH, HEIGHT, color="#ffffff"), *counting(), *suppressing(), "</svg>", ""]
    )


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
