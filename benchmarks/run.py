"""`make bench`: what timerlab costs, each number beside a peer's of the same run.

    python benchmarks/run.py [--quick] [--only engine,fabric,hosting,travel,startup,screen] [--trace FILE] [--write]

`--write` puts the table into docs/benchmarks.md. Nothing here fails because something was slow.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import sys
from datetime import date
from pathlib import Path
from textwrap import wrap

HERE = Path(__file__).resolve().parent
# the tree that this stands in is what is measured, even where another is installed
sys.path[:0] = [str(HERE), str(HERE.parent)]

from measure import Group  # noqa: E402  (needs the path)

PARTS = ("engine", "fabric", "hosting", "travel", "startup", "screen")
DOCUMENT = HERE.parent / "docs" / "benchmarks.md"
COLUMNS = ("what", "cost", "peer", "peer's", "ratio", "aim")


def machine() -> str:
    """What this ran on: processor, cores, Python, day."""
    model = platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    version = platform.python_version()
    return f"{model}, {cores} cores, {platform.python_implementation()} {version}, {date.today().isoformat()}"


def table(group: Group) -> list[str]:
    """A group as a Markdown table, with columns as wide as what stands in them."""
    cells = [COLUMNS] + [
        (r.what, r.shown, r.peer, r.peer_shown, r.ratio if isinstance(r.ratio, str) else times(r.ratio), r.verdict)
        for r in group.rows
    ]
    widths = [max(len(row[column]) for row in cells) for column in range(len(COLUMNS))]
    right = {1, 3, 4}

    def line(row: tuple[str, ...]) -> str:
        aligned = (c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
        return f"| {' | '.join(aligned)} |"

    ruler = "|".join("-" * (w + 1) + (":" if i in right else "-") for i, w in enumerate(widths))
    return [line(cells[0]), f"|{ruler}|", *map(line, cells[1:])]


def times(ratio: float) -> str:
    """A ratio with two or three digits."""
    return f"{ratio:.0f}×" if ratio >= 10 else f"{ratio:.2f}×" if ratio >= 0.1 else f"{ratio:.2g}×"


def text(groups: list[Group]) -> str:
    """All groups, as they are printed and written."""
    lines: list[str] = []
    for group in groups:
        lines += [f"## {group.title}", "", *wrap(group.about, 120), "", *table(group), ""]
    return "\n".join(lines).rstrip() + "\n"


HEAD = """\
# Benchmarks

What `make bench` measured. Every number stands beside a peer's, and unless its table says otherwise both were measured
in this run, in turns, and are medians. The ratio is the median over the turns, so it need not be the quotient of the
two numbers; it travels to other machines, the numbers do not. Time is CPU time unless it says "by the wall". The
machine had other work to do meanwhile, which shows most in what is measured by the wall.

`benchmarks/run.py --write` rewrites this page. Aims are told as met or missed; nothing fails because of them.

Measured on: {machine}.

"""


def main() -> None:
    """Measure, print, and write the page if asked to."""
    parser = argparse.ArgumentParser(description="Measure timerlab against peers.")
    parser.add_argument("--write", action="store_true", help="rewrite docs/benchmarks.md")
    parser.add_argument("--quick", action="store_true", help="fewer turns, rougher numbers")
    parser.add_argument("--only", default=",".join(PARTS), help=f"some of {','.join(PARTS)}")
    parser.add_argument("--trace", help="replay this trace instead of the preset's")
    chosen = parser.parse_args()
    wanted = chosen.only.split(",")
    unknown = [part for part in wanted if part not in PARTS]
    if unknown:
        parser.error(f"no part {unknown[0]}: {', '.join(PARTS)}")
    if chosen.write and set(wanted) != set(PARTS):
        parser.error("--write wants all parts")

    groups: list[Group] = []
    print(machine(), end="\n\n", flush=True)
    for part in PARTS:
        if part not in wanted:
            continue
        for group in measured(part, chosen.quick, chosen.trace):
            groups.append(group)
            print(text([group]), flush=True)
        gc.collect()
    if chosen.write:
        DOCUMENT.parent.mkdir(exist_ok=True)
        DOCUMENT.write_text(HEAD.format(machine=machine()) + text(groups), encoding="utf-8")


def measured(part: str, quick: bool, trace: str | None) -> list[Group]:
    """The groups of a part; each is imported when its turn comes, so that the screen does not weigh on the engine."""
    if part == "engine":
        import engine

        return engine.groups(quick)
    if part == "fabric":
        import fabric

        return fabric.groups(quick)
    if part == "hosting":
        import hosting

        return hosting.groups(quick)
    if part == "travel":
        import travel

        return travel.groups(quick, trace)
    if part == "startup":
        import startup

        return startup.groups(quick)
    import screen

    return screen.groups(quick)


if __name__ == "__main__":
    main()
