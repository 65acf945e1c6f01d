"""The command line: exit codes, JSON, and errors without a traceback."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from timerlab.cli import main
from timerlab.index import presets

SMALL = str(Path(__file__).parent / "data" / "small.trace.gz")
READ = "memory_region_ops_read cpu 0 addr 0x61 value 0x30 size 1 name 'pcspk'"


def cli(*args, stdin=None):
    """(exit code, stdout, stderr); an exception that gets out fails the test."""
    done = CliRunner().invoke(main, [str(arg) for arg in args], input=stdin)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def script(tmp_path, text):
    path = tmp_path / "s.timerlab"
    path.write_text(text)
    return str(path)


GOOD = """#: profile = qemu
note  it's  raw  # so
outb 43h 36h  # a comment
@1500
@2000 inb 61h
expect pit.ch0.mode == 3
show pit.ch0.mode
run 5us
"""


def test_run_goes_well(tmp_path):
    code, out, err = cli("run", script(tmp_path, GOOD))
    assert (code, err) == (0, "")
    assert "it's  raw  # so" in out and "met: pit.ch0.mode == 3" in out


def test_run_tells_an_object_a_command(tmp_path):
    code, out, err = cli("run", script(tmp_path, GOOD), "--json")
    assert (code, err) == (0, "")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [(row["line"], row["text"], row["t_ns"], row["value"], row["fault"]) for row in rows] == [
        (2, "note  it's  raw  # so", 0, None, None),
        (3, "outb 43h 36h  # a comment", 0, None, None),
        (5, "inb 61h", 2000, 0x30, None),
        (6, "expect pit.ch0.mode == 3", 2000, 1, None),
        (7, "show pit.ch0.mode", 2000, 3, None),
        (8, "run 5us", 7000, None, None),
    ]


def test_an_expectation_not_met_is_exit_1_and_the_rest_is_carried_out(tmp_path):
    path = script(tmp_path, "expect pit.ch0.mode == 3\nskip 5\nexpect at 1s\n")
    code, out, _ = cli("run", path)
    assert code == 1
    assert "2 not met" in out
    code, out, _ = cli("run", path, "--json")
    assert code == 1
    assert [json.loads(line)["ok"] for line in out.splitlines()] == [False, True, False]
    code, out, _ = cli("run", path, "--quiet")
    assert code == 1 and "skip" not in out


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("note x\notub 1\n", "2:1: "),
        ("note x\n@5 outb 43h 1ff\n", "2:13: "),
        ("note x\nrun\n", "2:1: "),
        ("note x\n#: nothing = 5\n", "2:4: "),
        ("note x\n#: profile = bochs\n", "2:14: "),
        ("note x\n\n@4 note\n@3 note\n", "4:1: "),
    ],
)
def test_a_script_that_cannot_be_read_is_exit_2_and_nothing_is_carried_out(tmp_path, text, place):
    path = script(tmp_path, text)
    for args in (("run", path), ("run", path, "--json"), ("check", path), ("play", path)):
        code, out, err = cli(*args)
        assert (code, out) == (2, "")
        assert err.startswith(f"{path}:{place}")
        assert len(err.splitlines()) == 1
    code, out, err = cli("run", "-", stdin=text)
    assert (code, out) == (2, "")
    assert err.startswith(f"<stdin>:{place}")


def test_a_script_that_fails_half_way_is_exit_2_at_its_line(tmp_path):
    path = script(tmp_path, "skip 1ms\n@5 note x\n")
    code, _, err = cli("run", path)
    assert code == 2 and err.startswith(f"{path}:2:1: ")
    path = script(tmp_path, "skip 1ms\n  replay no-such.trace\n")
    code, _, err = cli("run", path)
    assert code == 2 and err.startswith(f"{path}:2:10: ")


def test_files_that_are_not_there_or_not_text_are_exit_2(tmp_path):
    (tmp_path / "x.timerlab").write_bytes(b"\xff\xfe\0")
    for name in ("nothing-at-all", str(tmp_path), "~nobody-at-all/x", str(tmp_path / "x.timerlab"), "", "."):
        for verb in ("run", "check", "play"):
            code, out, err = cli(verb, name)
            assert (code, out) == (2, ""), (verb, name)
            assert len(err.splitlines()) == 1
    code, _, err = cli("run", "-", stdin=b"\xff\xfe")
    assert code == 2


def test_run_reads_stdin():
    code, out, _ = cli("run", "-", "--json", stdin="inb 80h\n")
    assert (code, json.loads(out)["value"]) == (0, 0xFF)
    assert cli("run", "-", stdin="")[0] == 0


def test_check_counts_and_does_nothing(tmp_path):
    code, out, _ = cli("check", script(tmp_path, GOOD + "save should-not-be\n"))
    assert code == 0
    assert "1 expectation" in out and "profile qemu" in out


def test_list_tells_the_presets():
    code, out, _ = cli("list")
    assert code == 0 and len(out.splitlines()) == len(presets())
    code, out, _ = cli("list", "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["name"] for row in rows] == [preset.name for preset in presets()]
    assert all(set(row) == {"name", "title", "about", "profile"} for row in rows)


def test_explain_explains():
    code, out, _ = cli("explain", "outb", "43h", "b6h")
    assert code == 0 and "SC" in out and "now:" in out
    assert cli("explain", "36h", "as", "pit.cmd")[0] == 0
    assert cli("explain", "odd_mode3")[0] == 0
    code, out, err = cli("explain", "outb", "43h", "1ff")
    assert (code, out) == (2, "")
    line, mark, said = err.splitlines()
    assert line[len(mark) - 3 : len(mark)] == "1ff" and mark.strip() == "^^^"
    assert "1ffh" in said
    for words in (["nothing"], ["-5"], ["--x"], ["outb", "43h"], ["a\nb"], ["#"], ["36h", "as"]):
        code, out, err = cli("explain", *words)
        assert (code, out) == (2, ""), words


def test_replay_of_equal_reads_is_exit_0():
    code, out, err = cli("replay", SMALL)
    assert (code, err) == (0, "")
    assert out.splitlines()[0].split() == ["device", "equal", "different", "given", "unmodelled"]
    code, out, _ = cli("replay", SMALL, "--json")
    assert code == 0
    (last,) = [json.loads(line) for line in out.splitlines()]
    assert last["trace"] == SMALL and last["seconds"] >= 0
    assert set(last["devices"]) == {"pit", "pcspk", "acpi-gpe0"}
    for counts in last["devices"].values():
        assert set(counts) == {"equal", "different", "given", "unmodelled"}
    assert last["devices"]["pit"]["equal"] > 100 and last["devices"]["acpi-gpe0"]["unmodelled"] > 5


def test_replay_of_different_reads_is_exit_1_and_names_them():
    code, out, _ = cli("replay", SMALL, "--profile", "datasheet", "--json")
    assert code == 1
    rows = [json.loads(line) for line in out.splitlines()]
    assert rows[-1]["devices"]["pit"]["different"] > 0
    assert set(rows[0]) == {"line", "t_ns", "device", "address", "expected", "value"}
    code, out, _ = cli("replay", SMALL, "--profile", "datasheet")
    assert code == 1 and out.startswith("line ")


def test_replay_of_what_cannot_be_read_is_exit_2(tmp_path):
    path = tmp_path / "x.trace"
    path.write_text(f"5 {READ}\nrubbish\n")
    code, out, err = cli("replay", path)
    assert (code, out) == (2, "") and err.startswith(f"{path}:2:1: ")
    assert len(err.splitlines()) == 1
    code, out, _ = cli("replay", path, "--skip-bad", "--json")
    assert code in (0, 1)
    path.write_bytes(gzip.compress(f"5 {READ}\n".encode() * 50)[:-9])
    assert cli("replay", path)[0] == 2
    for name in ("nothing-at-all", str(tmp_path), "~nobody-at-all/x", ""):
        assert cli("replay", name)[0] == 2
    code, _, err = cli("replay", SMALL, "--profile", "bochs")
    assert code == 2 and "no profile" in err


def test_replay_of_an_empty_trace_is_nothing_and_all_is_well(tmp_path):
    path = tmp_path / "x.trace"
    for text in ("", "END\n", "5 pic_set_irq x\n"):
        path.write_text(text)
        code, out, _ = cli("replay", path, "--json")
        assert code == 0
        assert json.loads(out)["devices"] == {}


def test_the_screen_needs_a_terminal():
    for args in ([], ["--profile", "qemu"], ["play", SMALL.replace(".trace.gz", "") or "x"]):
        code, out, err = cli(*args)
        assert (code, out) == (2, "")
    code, _, err = cli()
    assert "timerlab run" in err and len(err.splitlines()) == 1


@pytest.mark.parametrize(
    "args",
    [
        ["--profile", "bochs"],
        ["--quirk", "odd_mode3"],
        ["--quirk", "odd_mode3=amd"],
        ["--quirk", "no=x"],
        ["--pit-hz", "x"],
        ["--pit-hz", "0"],
        ["--pit-hz", "1e999999999"],
        ["--pit-hz", "1/0"],
        ["--profile", "qemu", "list"],
        ["nothing"],
        ["--nothing"],
        ["run"],
        ["replay"],
        ["explain"],
    ],
)
def test_options_that_make_no_sense_are_exit_2(args):
    code, out, err = cli(*args)
    assert (code, out) == (2, "")
    assert err and "Traceback" not in err


@pytest.mark.parametrize("command", [None, *sorted(main.commands)])
def test_help_is_there_for_everything(command):
    for flag in ("--help", "-h"):
        if command and flag == "-h":
            continue
        code, out, _ = cli(*([command] if command else []), flag)
        assert code == 0
        assert out.startswith("Usage:")


def test_as_a_process(tmp_path):
    """Once for real: exit codes, no traceback, and no screen without a terminal."""

    def run(*args, stdin=""):
        return subprocess.run(
            [sys.executable, "-m", "timerlab", *args],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    done = run()
    assert done.returncode == 2 and "timerlab run" in done.stderr and not done.stdout
    assert run("run", "-", stdin="expect pit.ch0.mode == 3\n").returncode == 1
    done = run("run", "-", stdin="otub\n")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("<stdin>:1:1: ")


def test_a_reader_that_has_gone_is_no_failed_expectation():
    with subprocess.Popen(
        [sys.executable, "-m", "timerlab", "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141
