"""Run a command and draw its standard output as a terminal window, in an SVG.

    draw_terminal.py --title TITLE --out FILE.svg -- COMMAND ARGUMENT...

The window has its own dark background, so it is readable on both light and dark pages. Each line has a fixed length in
the drawing, so columns stay aligned in any monospace font.
"""

import argparse
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from html import escape
from pathlib import Path

COLUMNS = 98
FONT_PX, CHARACTER_PX, LINE_PX, MARGIN_PX, BAR_PX = 14, 8.43, 20, 20, 34
FONTS = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
BACKGROUND, BAR, BORDER, TEXT = "#0d1117", "#161b22", "#30363d", "#e6edf3"
DIM, GREEN, BLUE, YELLOW = "#8b949e", "#7ee787", "#79c0ff", "#e3b341"
# The first pattern that matches a line colors the matched text.
STYLES = [
    (re.compile(r"\bstarted\b"), GREEN),
    (re.compile(r"\bended\b"), DIM),
    (re.compile(r"\bupdate +\w+"), BLUE),
    (re.compile(r"^\s+-- .*|^\s{13}\S.*"), YELLOW),  # a note, and its continuation line
    (re.compile(r"^(?!\$|\d\d:\d\d:\d\d)\S.*"), DIM),
]


def main() -> None:
    """Run the command and write the drawing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--title", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    done = subprocess.run(arguments.command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"draw_terminal: {arguments.command[0]} ended with status {done.returncode}; nothing was written")
    arguments.out.write_text(draw(arguments.title, done.stdout), encoding="utf-8")
    print(f"{arguments.out}: {len(done.stdout.splitlines())} lines of output")


def draw(title: str, output: str) -> str:
    """Return the SVG of a terminal window that shows `$ title` and the output."""
    lines = [f"$ {title}", *wrap(output)]
    width = round(COLUMNS * CHARACTER_PX + 2 * MARGIN_PX)
    height = BAR_PX + len(lines) * LINE_PX + 2 * MARGIN_PX - 10
    rows = [draw_line(line, BAR_PX + MARGIN_PX + LINE_PX * index + 8) for index, line in enumerate(lines) if line]
    dots = "".join(
        f'<circle cx="{20 + 20 * index}" cy="{BAR_PX / 2:g}" r="6" fill="{color}"/>'
        for index, color in enumerate(("#ff5f56", "#ffbd2e", "#27c93f"))
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"',
            f'  font-family="{FONTS}" font-size="{FONT_PX}" role="img">',
            f"<title>{escape(title)}, in a terminal</title>",
            f'<rect x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="10"',
            f'  fill="{BACKGROUND}" stroke="{BORDER}"/>',
            f'<path d="M0.5 {BAR_PX}V10.5a10 10 0 0 1 10-10H{width - 10.5}a10 10 0 0 1 10 10V{BAR_PX}Z" fill="{BAR}"/>',
            dots,
            *rows,
            "</svg>\n",
        ]
    )


def wrap(output: str) -> Iterator[str]:
    """Yield the lines of the output; wrap long lines and repeat their indentation."""
    for line in output.rstrip().splitlines():
        indent = re.match(r"\s*(-- )?", line)
        yield from textwrap.wrap(
            line, COLUMNS, subsequent_indent=" " * len(indent[0] if indent else ""), drop_whitespace=False
        ) or [""]


def draw_line(line: str, y_px: float) -> str:
    """Return the SVG text of one line, with its colored parts."""
    length = f'textLength="{len(line) * CHARACTER_PX:.1f}" lengthAdjust="spacingAndGlyphs"'
    spans = "".join(
        f'<tspan fill="{color}">{escape(text)}</tspan>' if color != TEXT else escape(text)
        for text, color in color_parts(line)
    )
    return f'<text x="{MARGIN_PX}" y="{y_px:g}" fill="{TEXT}" xml:space="preserve" {length}>{spans}</text>'


def color_parts(line: str) -> list[tuple[str, str]]:
    """Split a line into parts and return each with its color."""
    for pattern, color in STYLES:
        if found := pattern.search(line):
            parts = [(line[: found.start()], TEXT), (found[0], color), (line[found.end() :], TEXT)]
            return [(text, each) for text, each in parts if text]
    return [(line, TEXT)]


if __name__ == "__main__":
    main()
