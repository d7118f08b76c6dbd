"""The result of all drills: a self-contained HTML page, and the page of promises."""

from collections.abc import Sequence
from html import escape
from itertools import count, groupby

from drills.table import Result
from drills.timeline import Timeline

WIDTH, HEIGHT = 900, 120
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem; color: #1c2430; background: #fff }
h2 { margin-top: 2.5rem } h3 { margin: 0 0 .3rem; font-size: 1.05rem }
section { margin: 1.5rem 0; padding-left: .8rem; border-left: 3px solid #8a94a655 }
.kept { color: #1a7f4b } .broken { color: #c0392b } .idle { color: #8a94a6 }
ul { margin: .3rem 0; padding-left: 1.2rem; font-size: .9rem }
code { font-size: .85rem }
svg { width: 100%; background: #f5f7fa; border-radius: 6px } p { margin: .3rem 0 }
@media (prefers-color-scheme: dark) { body { background: #14181f; color: #dde3ea }
  svg { background: #1e242e } }
"""
LEGEND = (
    "Each column of a chart is a part of the time: successes are green, refusals are "
    "yellow, and failures are red. The blue line shows the slowest answer. In a shaded "
    "span, the drill causes a fault."
)
INTRODUCTION = """# Promises

What happens to clients when something fails, and how do you know? Each promise has a
drill. A drill is a program that breaks running processes and looks at the answers, or
it is some tests of the suite. A mutant is a change of the code that breaks the service
on purpose, in a copy. The drill must notice each mutant. *Not run* and *not tried*
mean: not in the last run.

In the figures, `369 200` means 369 answers with the status 200. *p99* is the time that
99 % of the requests do not exceed. *Goodput* is the number of served reads as a share
of the capacity, and *alone* is the p99 of a single client.

`python -m drills NAME` runs one drill. `make drill MUTANTS=1` runs all drills with
their mutants. `python -m drills --long --mutants --write` also writes this page.
`python -m drills --base-url URL` runs the drills that need no control over the
processes of the service, against a service that runs elsewhere.
"""


def html(results: Sequence[Result]) -> str:
    groups = groupby(results, lambda each: each.drill.group)
    sections = "".join(
        f"<h2>{escape(name)}</h2>{''.join(map(section, each))}" for name, each in groups
    )
    ran = [each for each in results if each.outcome]
    kept = sum(each.is_good for each in ran)
    tried = [noticed for each in ran for noticed in each.mutants.values()]
    mutants = f", {sum(tried)} of {len(tried)} mutants noticed" if tried else ""
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Drills</title>"
        "<meta name=viewport content='width=device-width'>"
        f"<style>{STYLE}</style><h1>Drills</h1>"
        f"<p><b>{kept} of {len(ran)} promises kept{mutants}.</b></p>"
        f"<p>{LEGEND}</p>{sections}</html>\n"
    )


def section(result: Result) -> str:
    drill, outcome = result.drill, result.outcome
    figures, broken, timeline = "", "", Timeline()
    if outcome is not None:
        took = f"<span class=idle>{result.seconds:.0f} s</span>"
        figures = f"{escape(outcome.figures)} {took}"
        timeline = outcome.timeline
        broken = "".join(f"<li class=broken>{escape(it)}</li>" for it in outcome.broken)
    elif not drill.is_possible:
        figures = f"The drill needs {drill.needs}."
    style = {"kept": "kept", "BROKEN": "broken"}.get(result.verdict, "idle")
    mutants = "".join(
        f"<li class={'kept' if it else 'broken'}>{escape(_noticed(it))}: "
        f"{escape(name)}</li>"
        for name, it in result.mutants.items()
    )
    return (
        f"<section><h3>{escape(drill.promise)}</h3>"
        f"<p><b class={style}>{result.verdict}</b> {figures}</p>"
        f"{f'<ul>{broken}</ul>' if broken else ''}"
        f"{chart(timeline) if timeline.answers else ''}"
        f"<p><code>{escape(drill.command)}</code></p>"
        f"{f'<ul>{mutants}</ul>' if mutants else ''}</section>"
    )


def chart(seen: Timeline, columns: int = 150) -> str:
    """Draw the outcomes and the slowest answer over the time of the drill."""
    length = max((each.second + each.seconds for each in seen.answers), default=0) or 1
    bars = [{"good": 0, "refused": 0, "failed": 0} for _ in range(columns)]
    slowest = [0.0] * columns
    for each in seen.answers:
        at = min(columns - 1, int((each.second + each.seconds) / length * columns))
        slowest[at] = max(slowest[at], each.seconds)
        first = each.outcome[0]
        kind = {"2": "good", "4": "refused", "5": "refused"}.get(first, "failed")
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
    most = max(slowest) or 1
    points = " ".join(
        f"{(number + 0.5) * width:.1f},{HEIGHT - each / most * (HEIGHT - 20):.1f}"
        for number, each in enumerate(slowest)
    )
    parts.append(f"<polyline points='{points}' fill=none stroke=#3b6fd4 />")
    label = f"{len(seen.answers):,} requests in {length:.0f} s; slowest {most:.3g} s"
    return (
        f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' role=img aria-label='{label}'>"
        f"{''.join(parts)}</svg><p class=idle>{label}</p>"
    )


def promises(results: Sequence[Result], machine: str) -> str:
    """Write `docs/promises.md`."""
    tables = "".join(
        f"\n## {name}\n\n| Promise | Drill | Figures | Mutants |\n|---|---|---|---|\n"
        f"{''.join(map(row, each))}"
        for name, each in groupby(results, lambda each: each.drill.group)
    )
    return f"{INTRODUCTION}\nLast run: {machine}.\n{tables}"


def row(result: Result) -> str:
    drill, outcome = result.drill, result.outcome
    named = {each.name: result.mutants.get(each.name) for each in drill.mutant}
    mutants = "; ".join(f"{name} ({_noticed(it)})" for name, it in named.items())
    if outcome is None:
        figures = "`make test` runs these tests" if drill.tests else "not run"
    else:
        figures = ("" if outcome.kept else "**broken**: ") + outcome.figures
    return f"| {drill.promise} | `{drill.name}` | {figures} | {mutants} |\n"


def _noticed(it: bool | None) -> str:
    return {True: "noticed", False: "NOT NOTICED", None: "not tried"}[it]
