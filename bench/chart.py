"""Draws the throughput of all programs as bars, in SVG for light and dark pages."""

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

# By the title of an operation, then by program.
Shares = Mapping[str, Mapping[str, float]]

LABEL, SCALE, BAR, GAP = 250, 360, 13, 14
COLOURS = ("#8b949e", "#b0b8c1", "#2da44e", "#bf8700", "#cf222e", "#0969da")
STYLE = """\
  text { font: 12px system-ui, sans-serif; fill: #1f2328; }
  line { stroke: #1f2328; stroke-opacity: .25; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    line { stroke: #e6edf3; }
  }"""


def draw(title: str, shares: Shares, programs: Sequence[str]) -> str:
    """Draw a group of bars for each operation. The length of a bar is the share."""
    parts, y = [_text(0, 14, title)], 38
    for number, program in enumerate(programs):
        x, row = number % 3 * 210, y + number // 3 * 20
        parts.append(f'<rect x="{x}" y="{row - 10}" width="11" {_fill(number)}/>')
        parts.append(_text(x + 17, row, program))
    y, longest = y + 50, max(max(each.values()) for each in shares.values())
    width = SCALE / max(1.0, longest)
    top = y
    for operation, measured in shares.items():
        parts.append(_text(0, y + BAR * len(measured) / 2 + 4, operation))
        for program, share in measured.items():
            fill = _fill(programs.index(program))
            size = f'x="{LABEL}" y="{y}" width="{share * width:.0f}"'
            parts.append(f"<rect {size} {fill}/>")
            end = LABEL + share * width + 5
            parts.append(_text(end, y + BAR - 2.5, f"{share:.2f}"))
            y += BAR
        y += GAP
    for mark in (0.0, 0.5, 1.0):
        end = LABEL + mark * width
        parts.append(f'<line x1="{end:.0f}" x2="{end:.0f}" y1="{top - 6}" y2="{y}"/>')
    size = f"0 0 {LABEL + SCALE + 50} {y + 6}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{size}" role="img">'
    name = f"<title>{escape(title)}</title>"
    return "\n".join([head, name, f"<style>\n{STYLE}\n</style>", *parts, "</svg>\n"])


def _fill(number: int) -> str:
    return f'height="{BAR - 2}" fill="{COLOURS[number % len(COLOURS)]}"'


def _text(x: float, y: float, text: str) -> str:
    return f'<text x="{x:.0f}" y="{y:.1f}">{escape(text)}</text>'
