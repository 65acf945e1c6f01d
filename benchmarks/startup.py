"""From the start of the process: to the first frame, and to the end of `--help`."""

from __future__ import annotations

from measure import Group, compared
from terminal import Drawn, in_terminal, run_plain, settled

SETTLE = """
class Settled:
    # reports when nothing has been drawn for long enough to be sure that this is the first frame, whole
    def on_mount(self):
        self.set_timer(SECONDS, self.painted)

    def painted(self):
        report()
        self.exit()
"""
BARE = (
    """
from textual.app import App
from textual.widgets import Static
"""
    + SETTLE
    + """
class Bare(Settled, App):
    def compose(self):
        yield Static("a bare app")

Bare().run()
"""
)
OURS = (
    """
from timerlab.cli import hurry, make_session
hurry()
session = make_session({})
os.environ.setdefault("TEXTUAL_FPS", "120")  # as views.run does
from timerlab.views.app import TimerlabApp
"""
    + SETTLE
    + """
class Timed(Settled, TimerlabApp):
    pass

Timed(session).run()
"""
)
IMPORTS = {"timerlab": "from timerlab import Session", "click": "import click"}


def groups(quick: bool) -> list[Group]:
    """First paint and help."""
    rounds = 4 if quick else 11
    paint: dict[str, list[Drawn]] = {"bare": [], "ours": []}
    for turn in range(rounds + 1):
        for name, script, sign in (("bare", BARE, "a bare app"), ("ours", OURS, "PIT")):
            _, drawn = in_terminal(script, SECONDS=0.4)
            piece, text = settled(drawn)
            if sign not in text:
                raise RuntimeError(f"the first frame of {name} does not show {sign}:\n{text}")
            if turn:
                paint[name].append(piece)
    ours_wall, ours_cpu = ([float(p.wall_ns) for p in paint["ours"]], [float(p.cpu_ns) for p in paint["ours"]])
    bare_wall, bare_cpu = ([float(p.wall_ns) for p in paint["bare"]], [float(p.cpu_ns) for p in paint["bare"]])

    commands = {
        "help": ("-m", "timerlab", "--help"),
        "list": ("-m", "timerlab", "list"),
        "engine": ("-c", IMPORTS["timerlab"]),
        "click": ("-c", IMPORTS["click"]),
        "nothing": ("-c", "pass"),
    }
    plain: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for turn in range(rounds + 1):
        for name, arguments in commands.items():
            cost = run_plain(*arguments)
            if turn:
                plain[name].append(cost)

    def took(name: str, which: int) -> list[float]:
        return [cost[which] for cost in plain[name]]

    bare = "a bare Textual app with one Static"
    rows = [
        compared("first frame, by the wall", ours_wall, bare, bare_wall, under=1.3),
        compared("first frame, CPU", ours_cpu, bare, bare_cpu),
        compared("timerlab --help, by the wall", took("help", 0), "python -c “import click”", took("click", 0)),
        compared("timerlab --help, CPU", took("help", 1), "python -c “import click”", took("click", 1)),
        compared("timerlab list, CPU", took("list", 1), "python -c “import click”", took("click", 1)),
        compared("from timerlab import Session, CPU", took("engine", 1), "python -c “import click”", took("click", 1)),
        compared("python -c “import click”, CPU", took("click", 1), "python -c pass", took("nothing", 1)),
    ]
    about = (
        "From the start of the process, with compiled modules at hand; the first frame in a pseudo-terminal of 80×24, "
        f"until the screen looks as it does when nothing more is drawn. {rounds} turns."
    )
    return [Group("Starting", about, rows)]
