"""The result of all drills: a self-contained HTML page, and the page of promises."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import count

from drills.timeline import Outcome, Timeline

WIDTH, HEIGHT = 900, 120
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem; color: #1c2430; background: #fff }
h2 { margin-top: 2.5rem } .kept { color: #1a7f4b } .broken { color: #c0392b }
svg { width: 100%; background: #f5f7fa; border-radius: 6px } p { margin: .3rem 0 }
@media (prefers-color-scheme: dark) { body { background: #14181f; color: #dde3ea }
  svg { background: #1e242e } }
"""
LEGEND = (
    "One column for each part of a second: successes in green, refusals in yellow, "
    "failures in red. The shaded spans are what the drill did."
)


@dataclass(frozen=True)
class Result:
    """A promise and its last run; `mutants` maps each one to whether it was noticed."""

    promise: str
    command: str
    outcome: Outcome
    mutants: dict[str, bool | None]


def html(results: Sequence[Result]) -> str:
    sections = "".join(
        f"<h2>{escape(each.promise)}</h2>"
        f"<p class={'kept' if each.outcome.kept else 'broken'}>"
        f"<b>{'kept' if each.outcome.kept else 'BROKEN'}</b>: "
        f"{escape(each.outcome.figures)}</p>{chart(each.outcome.timeline)}"
        f"<p><code>{escape(each.command)}</code></p>"
        for each in results
    )
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Drills</title>"
        "<meta name=viewport content='width=device-width'>"
        f"<style>{STYLE}</style><h1>Drills</h1><p>{LEGEND}</p>{sections}</html>\n"
    )


def chart(seen: Timeline, columns: int = 150) -> str:
    """Draw how many requests ended how, over the time of the drill."""
    length = max((each.second + each.seconds for each in seen.answers), default=0) or 1
    bars = [{"good": 0, "refused": 0, "failed": 0} for _ in range(columns)]
    for each in seen.answers:
        at = min(columns - 1, int((each.second + each.seconds) / length * columns))
        kind = {"2": "good", "5": "refused"}.get(each.outcome[0], "failed")
        bars[at]["failed" if each.outcome in {"500", "502"} else kind] += 1
    scale = (HEIGHT - 20) / max(1, *(sum(bar.values()) for bar in bars))
    width = WIDTH / columns
    parts = [
        f"<rect x={began / length * WIDTH:.1f} y=0 height={HEIGHT} fill=#8a94a6 "
        f"width={(ended - began) / length * WIDTH:.1f} fill-opacity=.25>"
        f"<title>{escape(name)}</title></rect><text x={began / length * WIDTH + 4:.1f} "
        f"y=14 font-size=11 fill=currentColor>{escape(name)}</text>"
        for name, began, ended in seen.faults
    ]
    for number, bar in zip(count(), bars, strict=False):
        top = float(HEIGHT)
        for kind, color in (
            ("good", "#1a7f4b"),
            ("refused", "#e0a800"),
            ("failed", "#c0392b"),
        ):
            tall = bar[kind] * scale
            top -= tall
            if tall:
                parts.append(
                    f"<rect x={number * width:.1f} y={top:.1f} height={tall:.1f} "
                    f"width={width * 0.85:.1f} fill={color} />"
                )
    label = f"{len(seen.answers):,} requests in {length:.0f} seconds"
    return (
        f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' role=img aria-label='{label}'>"
        f"{''.join(parts)}</svg>"
    )


def promises(results: Sequence[Result], machine: str) -> str:
    """Write `docs/promises.md`."""
    mutants = [
        "; ".join(f"{name} ({_noticed(it)})" for name, it in each.mutants.items())
        for each in results
    ]
    rows = "".join(
        f"| {each.promise} | `{each.command}` | "
        f"{'' if each.outcome.kept else '**broken**: '}{each.outcome.figures} | "
        f"{tried} |\n"
        for each, tried in zip(results, mutants, strict=True)
    )
    return (
        "# Promises\n\nEach promise has a drill that starts real processes and breaks "
        "something. `python -m drills --write`\nwrites this page. A mutant breaks the "
        f"service on purpose, and the drill must notice it.\n\nLast run: {machine}.\n\n"
        f"| Promise | Drill | Figures | Mutants |\n|---|---|---|---|\n{rows}"
    )


def _noticed(it: bool | None) -> str:
    return {True: "noticed", False: "**not noticed**", None: "not tried"}[it]
