"""Who may import whom, what start-up may cost, and what the wheel holds."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

FOLDERS = {
    "timerlab": "timerlab",
    "devices": "timerlab.devices",
    "views": "timerlab.views",
    "presets": "timerlab.presets",
}

FAMILIES = {
    "pit": ("", "_clocked", "_elapsed", "_channel", "_regs", "_words"),
    "port61": ("",),
    "rtc": (
        "", "_waves", "_wheel", "_calendar", "_reckoned", "_state", "_core", "_look", "_regs", "_words",
    ),
    "pic": ("", "_chip", "_regs", "_words"),
    "ioapic": ("", "_regs", "_words"),
    "lapic": ("", "_access", "_pins", "_core", "_timer", "_regs", "_lvt_regs", "_words"),
    "hpet": ("", "_timer", "_regs", "_words"),
    "pmtimer": ("", "_regs", "_words"),
    "vcpu": ("", "_regs", "_state"),
    "sched": ("", "_leaps", "_load", "_peeks", "_state", "_turns"),
    "host": ("", "_clocks", "_core", "_pcpu", "_regs"),
    "palacios": ("", "_calls", "_core", "_peeks"),
    "nvmm": ("",),
    "nested": ("", "_cpu", "_levels", "_regs", "_state", "_words"),
    "kvm": ("", "_clock", "_state", "_tsc"),
    "pv": ("", "_apf", "_core", "_pages", "_reader", "_regs", "_state", "_words"),
    "ticks": ("", "_pit", "_regs", "_reinject", "_rtc", "_slew", "_state"),
    "os": ("", "_boot", "_clocks", "_guard", "_ntp", "_peeks", "_read", "_sight", "_state", "_watch"),
    "probe": ("", "_moves", "_sums", "_table", "_words"),
    "ram": ("",),
}  # fmt: skip
"""The chips, and the files of each."""

CHIPS = tuple(family + part for family, parts in FAMILIES.items() for part in parts)

QUIRKS = (
    "", ".kinds", ".pit", ".rtc", ".interrupts", ".hpet", ".tsc", ".host", ".policies", ".kvm", ".nested", ".ticks",
)  # fmt: skip

COMMANDS = (
    "", ".verb", ".io", ".memory", ".cpu", ".privilege", ".host", ".sched", ".hostload", ".kvm", ".pv", ".nested",
    ".nvmm", ".v3", ".os", ".power", ".probe", ".ticks", ".time", ".travel", ".script", ".look",
)  # fmt: skip

ORDER = [
    {"timerlab.clock", "timerlab.regs", "timerlab.text", "timerlab.errors", "timerlab.tokens", "timerlab.scaling"},
    {f"timerlab.quirks{part}" for part in QUIRKS},
    {"timerlab.line", "timerlab.units", "timerlab.places", "timerlab.interrupt", "timerlab.policy"},
    {"timerlab.device"},
    {"timerlab.bus", "timerlab.guest"},
    {"timerlab.config"},
    {"timerlab.devices", *(f"timerlab.devices.{chip}" for chip in CHIPS)},
    {"timerlab.devices.source", "timerlab.devices.joint", "timerlab.devices.cpuid"},
    {"timerlab.devices.reaction"},
    {"timerlab.devices.policies"},
    {"timerlab.devices.counting"},
    {"timerlab.devices.fabric"},
    {"timerlab.devices.run"},
    {"timerlab.devices.leaps"},
    {"timerlab.devices.budget"},
    {"timerlab.devices.flow"},
    {"timerlab.devices.hosting"},
    {"timerlab.devices.seeing"},
    {"timerlab.devices.board"},
    {"timerlab.foresight", "timerlab.sights", "timerlab.byhand", "timerlab.machine"},
    {"timerlab.devices.words", "timerlab.trace", "timerlab.conditions", "timerlab.events", "timerlab.options"},
    {"timerlab.replay", "timerlab.registers"},
    {"timerlab.command"},
    {
        "timerlab.explain",
        "timerlab.explain_tsc",
        *(f"timerlab.commands{part}" for part in COMMANDS),
    },
    {
        "timerlab.script",
        "timerlab.history",
        "timerlab.index",
        "timerlab.assist",
        "timerlab.completions",
        "timerlab.helptext",
        "timerlab.feeding",
        "timerlab.edges",
    },
    {"timerlab.session", "timerlab.saving", "timerlab.verbs"},
    {"timerlab.lesson", "timerlab"},
    {"timerlab.pacer", "timerlab.cli", "timerlab.__main__"},
]
"""The engine's modules from the bottom up; a module imports what stands below it, or beside it."""

ENGINE_TYPES = {
    "timerlab.clock",
    "timerlab.regs",
    "timerlab.line",
    "timerlab.device",
    "timerlab.quirks",
    "timerlab.interrupt",
    "timerlab.errors",
    "timerlab.text",
    "timerlab.scaling",
    "timerlab.policy",
}
NO_HOST_TIME = ("time", "random", "threading", "asyncio", "secrets", "uuid", "multiprocessing", "concurrent")
MAY_KNOW_HOST_TIME = ("timerlab.pacer", "timerlab.cli")


def modules() -> dict[str, Path]:
    found = {}
    for folder, package in FOLDERS.items():
        for path in (ROOT / folder).rglob("*.py"):
            if folder == "timerlab" and path.relative_to(ROOT / folder).parts[0] in ("devices", "views", "presets"):
                continue
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            name = ".".join([package, *(part for part in parts if part != "__init__")])
            found[name] = path
    return found


MODULES = modules()


def imports(path: Path) -> set[str]:
    """What a module imports, wherever in it that stands, but not for types alone."""
    found: set[str] = set()

    class Visitor(ast.NodeVisitor):
        def visit_If(self, node: ast.If) -> None:
            if not (isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
                self.generic_visit(node)

        def visit_Import(self, node: ast.Import) -> None:
            found.update(alias.name for alias in node.names)

        def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
            assert node.level == 0, f"{path} imports relatively"
            assert node.module
            found.update(
                name if (name := f"{node.module}.{alias.name}") in MODULES else node.module for alias in node.names
            )

    Visitor().visit(ast.parse(path.read_text(encoding="utf-8")))
    return found


def level(module: str) -> int:
    return next(i for i, names in enumerate(ORDER) if module in names)


ENGINE = sorted(name for name in MODULES if not name.startswith(("timerlab.views", "timerlab.presets")))


def test_every_engine_module_has_its_place_in_the_order() -> None:
    assert sorted(name for names in ORDER for name in names) == ENGINE


@pytest.mark.parametrize("module", ENGINE)
def test_a_module_imports_only_what_stands_below_it(module: str) -> None:
    for name in imports(MODULES[module]):
        if name.startswith("timerlab.views"):
            assert module == "timerlab.cli"
        elif name.startswith("timerlab.presets"):
            raise AssertionError(f"{module} imports data")
        elif name in MODULES:
            assert level(name) <= level(module), f"{module} imports {name}"


@pytest.mark.parametrize("module", ENGINE)
def test_no_module_below_the_pacer_knows_host_time_or_chance(module: str) -> None:
    if module not in MAY_KNOW_HOST_TIME:
        assert not [name for name in imports(MODULES[module]) if name.split(".")[0] in NO_HOST_TIME]
        assert "datetime.now" not in MODULES[module].read_text(encoding="utf-8")


@pytest.mark.parametrize("module", ENGINE)
def test_the_engine_never_imports_a_screen_or_numpy(module: str) -> None:
    assert not [name for name in imports(MODULES[module]) if name.split(".")[0] in ("textual", "rich", "numpy")]


@pytest.mark.parametrize("chip", CHIPS)
def test_a_chip_imports_engine_types_and_its_own_parts_only(chip: str) -> None:
    family = chip.split("_")[0]
    for name in imports(MODULES[f"timerlab.devices.{chip}"]):
        if name.startswith("timerlab"):
            own = name.startswith(f"timerlab.devices.{family}")
            assert own or name in ENGINE_TYPES, f"{chip} imports {name}"


def test_no_chip_asks_for_a_profile() -> None:
    for chip in CHIPS:
        source = MODULES[f"timerlab.devices.{chip}"].read_text(encoding="utf-8")
        names = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
        assert not {"profile", "PROFILES"} & names


@pytest.mark.parametrize("module", sorted(name for name in MODULES if name.startswith("timerlab.views")))
def test_a_view_reads_no_chip(module: str) -> None:
    forbidden = (
        "timerlab.machine",
        "timerlab.bus",
        "timerlab.devices.board",
        "timerlab.devices.pit",
        "timerlab.history",
    )
    assert not imports(MODULES[module]) & {*forbidden, "timerlab.devices.port61", "timerlab.devices.pit_channel"}


def after(code: str) -> set[str]:
    """The modules that are loaded after some code ran in a fresh interpreter."""
    script = f"import sys\n{code}\nprint('loaded', *sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.splitlines()[-1].split())


def test_help_loads_neither_textual_nor_numpy() -> None:
    loaded = after("from timerlab.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass")
    assert "click" in loaded
    assert not loaded & {"textual", "numpy", "rich", "asyncio"}


def test_the_engine_loads_neither_textual_nor_numpy() -> None:
    loaded = after("from timerlab import Session\ns = Session()\ns.do('outb 43h 34h')\ns.do('skip 1y')")
    assert "timerlab.machine" in loaded
    assert not loaded & {"textual", "numpy", "rich", "asyncio"}


def test_every_package_is_listed() -> None:
    listed = set(PYPROJECT["tool"]["setuptools"]["packages"])
    assert listed == {name for name, path in MODULES.items() if path.name == "__init__.py"}
    folders = PYPROJECT["tool"]["setuptools"]["package-dir"]
    assert {folders[name] for name in listed} == {
        str(MODULES[name].parent.relative_to(ROOT)).replace("\\", "/") for name in listed
    }


def test_the_three_links_lead_to_their_folders() -> None:
    for name in ("devices", "views", "presets"):
        link = ROOT / "timerlab" / name
        assert link.is_symlink()
        assert link.resolve() == ROOT / name


def test_the_wheel_holds_only_timerlab_and_all_of_its_data(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "--wheel-dir", str(tmp_path), "."]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"timerlab"}
    data = {path.name for path in (ROOT / "presets").iterdir() if path.suffix in (".timerlab", ".gz")}
    assert data == {
        name.split("/")[-1] for name in names if name.startswith("timerlab/presets/") and not name.endswith(".py")
    }
    assert "timerlab/devices/pit.py" in names
    assert "timerlab/views/app.py" in names
    assert "timerlab/py.typed" in names


def test_no_file_of_code_is_more_than_one_room() -> None:
    long = {
        name: n for name, path in MODULES.items() if (n := len(path.read_text(encoding="utf-8").splitlines())) > 420
    }
    assert not long
