"""The rows of guest memory: pages as a hypervisor writes them, then bytes on real sessions and keys in the app."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from timerlab import Session
from timerlab.devices.pv_pages import steal_writes, time_writes, wall_writes
from timerlab.devices.ram import Ram
from timerlab.policy import Stamp
from timerlab.views.app import TimerlabApp
from timerlab.views.frame import Camera, Frame
from timerlab.views.guest_memory import MemoryPanel
from timerlab.views.guest_memory_forms import bytes_of, registered
from timerlab.views.guest_memory_rows import dump, page, summary
from timerlab.views.rows import plain, width_of

NOW = 12_345_678_901
STAMP = Stamp(31_200_000_000, 12_000_000_000, 2_600_000, True)
PEEKS = {
    "pv0.system_time": 0x1001,
    "pv3.system_time": 0x1061,
    "pv3.steal_time": 0x30C1,
    "pv0.async_pf_en": 0x4003,
    "pv.wall_clock": 0x2000,
    "vcpu0.tsc": 32_098_765_142,
    "vcpu3.tsc": 32_098_765_142,
    "pv0.kvmclock": 12_345_678_900,
    "pv3.run_delay": 31_204_000,
    "pv3.last_steal": 31_204_000,
}


def memory(stamp: Stamp = STAMP, stopped: bool = False) -> Ram:
    """RAM with the pages of the design."""
    ram = Ram()
    for address in (0x1000, 0x1060):
        for _ in range(4):
            for write in time_writes(ram.bytes_at, address, stamp, stopped):
                ram.put(*write)
    for write in wall_writes(ram.bytes_at, 0x2000, 1_767_225_600 * 10**9):
        ram.put(*write)
    for _ in range(7):
        for write in steal_writes(ram.bytes_at, 0x30C0, 31_204_000 // 7):
            ram.put(*write)
    ram.put(0x30C0, (31_204_000).to_bytes(8, "little"))
    ram.put(0x30D0, b"\1")
    return ram


class Source:
    """A session whose RAM is this one."""

    def __init__(self, session: Session, ram: Ram) -> None:
        self.session, self.ram = session, ram

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)

    def memory(self) -> Mapping[int, bytes]:
        return dict(self.ram.snapshot())


def frame(ram: Ram | None = None, marks: Mapping[str, str] | None = None, **changes: int | None) -> Frame:
    """A frame of four vCPUs with these pages."""
    session = Session(vcpus=4)
    peeks = PEEKS | {name.replace("_", ".", 1): value for name, value in changes.items()}
    source = Source(session, memory() if ram is None else ram)
    return Frame(now=NOW, peeks=peeks, source=source, options=session.options, marks=marks or {})


def text(seen: Frame, of: str, width: int) -> list[str]:
    """A structure's rows as text, none of them wider than the panel."""
    one = next(one for one in registered(seen) if one.of == of)
    found = page(seen, one, width)
    assert all(width_of(row) <= width for row in found)
    return [plain(row) for row in found]


MARKS = {"pv0.version": "•", "pv0.tsc_timestamp": "•", "pv0.ns": "•", "pv3.steal_version": "●"}


def test_the_page_of_the_design_at_118() -> None:
    rows = text(frame(marks=MARKS), "pvclock of v0", 118)
    assert [(row[:43].rstrip(), row[43:89], row[92:]) for row in rows[:9]] == [
        ("address   bytes, low first", f"{'field':<41}value", "meaning"),
        ("1000h   • 08 00 00 00", f"{'version':<45}8", "even: may be read"),
        ("1004h     00 00 00 00", "pad0", ""),
        ("1008h   • 00 38 AA 43 07 00 00 00", f"{'tsc_timestamp':<32}31 200 000 000", "guest TSC at the update"),
        ("1010h   • 00 78 41 CB 02 00 00 00", f"{'system_time':<29}12 000 000 000 ns", "true time at the update"),
        ("1018h     C4 4E EC C4", f"{'tsc_to_system_mul':<36}C4EC 4EC4h", "0.769 230 769 × 2^32"),
        ("101Ch     FF", f"{'tsc_shift':<44}−1", "halve the delta first"),
        ("101Dh     01", f"{'flags':<43}01h", "STABLE stopped"),
        ("101Eh     00 00", "pad", ""),
    ]
    assert rows[9:] == [
        "",
        "  delta  32 098 765 142 − 31 200 000 000 = 898 765 142 cycles   >> 1 = 449 382 571",
        "  time   449 382 571 × C4EC4EC4h >> 32 = 345 678 900 ns   + system_time = 12.345 678 900 s   true − 1 ns",
    ]


def test_the_page_of_the_design_at_78() -> None:
    assert text(frame(marks=MARKS), "pvclock of v0", 78) == [
        "address   bytes, low first          field                                value",
        "1000h   • 08 00 00 00               version                                  8",
        "1008h   • 00 38 AA 43 07 00 00 00   tsc_timestamp               31 200 000 000",
        "1010h   • 00 78 41 CB 02 00 00 00   system_time              12 000 000 000 ns",
        "1018h     C4 4E EC C4               tsc_to_system_mul               C4EC 4EC4h",
        "101Ch     FF                        tsc_shift                               −1",
        "101Dh     01                        flags                       STABLE stopped",
        "",
        "delta  32 098 765 142 − 31 200 000 000 = 898 765 142 cycles",
        "       >> 1 = 449 382 571 × C4EC4EC4h >> 32 = 345 678 900 ns",
        "time   + system_time = 12.345 678 900 s   true − 1 ns",
    ]


@pytest.mark.parametrize("width", [58, 64])
def test_a_structure_has_one_row_where_there_is_little_room(width: int) -> None:
    seen = frame(marks=MARKS)
    found = [summary(seen, one, width) for one in registered(seen)]
    assert [width_of(row) for row in found] == [width] * 4
    assert [plain(row) for row in found] == [
        "0000 1000h • pvclock v0  version 8  STABLE stopped",
        "0000 1060h   pvclock v3  version 8  STABLE stopped",
        "0000 2000h   wall clock  version 2  2026-01-01 00:00:00",
        "0000 30C0h ● steal v3    version 14 31.204 ms  ░ PREEMPTED",
    ]


def test_the_other_structures_at_78() -> None:
    seen = frame(marks=MARKS, pv3_async_pf_en=0x4009)
    assert plain(summary(seen, registered(seen)[3], 78)) == "30C0h   ● steal v3       version 14 31.204 ms  ░ PREEMPTED"
    assert plain(summary(seen, registered(seen)[4], 78)).startswith("4000h     async pf v3")


def test_which_structures_are_registered() -> None:
    assert [one.name for one in registered(frame())] == ["pvclock v0", "pvclock v3", "wall clock", "steal v3"]
    off = frame(pv0_system_time=0x1000, pv3_system_time=0x1060, pv_wall_clock=0, pv3_steal_time=0x30C0)
    assert registered(off) == []
    assert [one.name for one in registered(frame(pv0_async_pf_en=0x4009, pv3_eoi_en=0x5001))][-2:] == [
        "async pf v0",
        "pv eoi v3",
    ]
    assert registered(frame(kvm_boot_old=1))[0].msr == 0x12


def test_without_a_shift_and_with_a_left_one() -> None:
    for khz, mark, shifted in ((2_000_000, "449 382 571 ×", None), (1_000_000, "<< 1 = 1 797 530 284", 1_797_530_284)):
        rows = text(frame(memory(Stamp(31_200_000_000, 0, khz, True))), "pvclock of v0", 118)
        assert (mark in rows[10]) if shifted else (">>" not in rows[10] and "<<" not in rows[10])


def test_a_tsc_below_the_pages_is_told_and_asks_for_attention() -> None:
    seen = frame(vcpu0_tsc=31_199_999_999)
    assert "= 18 446 744 073 709 551 615 cycles  the TSC is below the page's" in text(seen, "pvclock of v0", 118)[10]
    roles = [role for row in page(seen, registered(seen)[0], 118)[-2:] for _, role in row]
    assert roles.count("attention") >= 2


def test_an_odd_version_and_guest_stopped_ask_for_attention() -> None:
    ram = memory(stopped=True)
    ram.put(0x1000, b"\x09")
    rows = page(frame(ram), registered(frame(ram))[0], 118)
    assert ("odd: update under way", "attention") in rows[1]
    assert ("STOPPED", "attention") in rows[7]


def test_the_wall_clock_is_added_to_kvmclock() -> None:
    rows = text(frame(), "wall clock", 78)
    assert rows[2] == "2004h     00 B9 55 69               sec                    2026-01-01 00:00:00"
    assert rows[-1] == "time   + kvmclock 12.345 678 900 s = 2026-01-01 00:00:12.345"
    assert text(frame(pv0_kvmclock=None), "wall clock", 78)[-1].startswith("time   a time page is wanted")


def test_steal_time_says_what_is_not_told_yet() -> None:
    assert text(frame(), "steal of v3", 118)[-1] == "  host   run_delay 31.204 ms, all of it told"
    assert "1.000 ms of it not told yet" in text(frame(pv3_run_delay=32_204_000), "steal of v3", 118)[-1]
    assert text(frame(), "steal of v3", 78)[4].endswith("░ PREEMPTED")


def test_bytes_over_the_border_of_a_page_and_of_pages_that_were_never_written() -> None:
    pages = {1: b"\1" * 4096}
    assert bytes_of(pages, 0x1FFE, 4) == b"\1\1\0\0"
    assert bytes_of({}, 0xFFF, 2) == b"\0\0"


@pytest.mark.parametrize("width", [58, 64, 78, 118])
def test_the_bytes_of_all_rows_that_are_not_zero(width: int) -> None:
    ram = Ram()
    ram.put(0x1FF8, b"timerlab\xff")
    found, places = dump(dict(ram.snapshot()), width)
    assert places == [0x1FF0, 0x2000] and all(width_of(row) == width for row in found)
    assert plain(found[0]).startswith("00001FF0" + ("h" if width > 58 else "") + " 00 00 00 00 00 00 00 00 74 69")
    assert ("········timerlab" in plain(found[0])) == (width >= 78)
    assert plain(dump({0: b"\1" * 4096}, width, 3)[0][-1]) == "…"


def test_ram_of_a_real_session_reaches_the_frame() -> None:
    session = Session()
    session.do("writel 1000h 12345678h")
    seen = Camera(session, None, lambda: 0).take()
    assert bytes_of(seen.memory(), 0x1000, 4).hex() == "78563412"
    assert registered(seen) == []


async def test_bytes_in_the_app_without_a_structure() -> None:
    session = Session()
    session.do("writel 1000h 12345678h")
    app = TimerlabApp(session)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("9")
        await pilot.pause()
        panel = app.panels["mem"]
        text = panel.text()
        assert "1 page written" in text and "00001000h 78 56 34 12" in text
        assert "policy kvm" in text or "no structure is registered" in text
        await pilot.press("x", "left_square_bracket", "u")
        assert panel.text().count("\n") == 1
        await pilot.press("x")
        assert panel.text() == text


async def test_structures_in_the_app() -> None:
    session = Session(vcpus=4)
    real = session.peeks
    session.peeks = lambda: real() | PEEKS  # type: ignore[method-assign]
    session.memory = Source(session, memory()).memory  # type: ignore[method-assign]
    session.skip_to(NOW)
    app = TimerlabApp(session)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("9")
        await pilot.pause()
        panel = app.panels["mem"]
        assert isinstance(panel, MemoryPanel) and panel.size.width == 118
        assert panel.text().startswith("━ 9 Guest memory pvclock of v0 ━")
        assert "0000 1000h  MSR 4B56 4D01h = 1001h" in panel.text()
        await pilot.press("down", "down")
        assert panel.value_name(*panel.cursor) == "pv0.tsc_timestamp"  # type: ignore[misc]
        await pilot.press("right_square_bracket", "right_square_bracket")
        assert panel.text().startswith("━ 9 Guest memory wall clock ━")
        await pilot.press("left_square_bracket", "left_square_bracket", "left_square_bracket")
        assert panel.text().startswith("━ 9 Guest memory steal of v3 ━")
        assert "─ Other structures ─" in panel.text()
        asked: list[str] = []
        app.issue = lambda text: bool(asked.append(text))  # type: ignore[method-assign, func-returns-value]
        await pilot.press("u")
        await pilot.pause()
        assert asked == ["wrmsr 4b564d03h 30c1h v3"]
        await pilot.press("x")
        assert "3 pages written" in panel.text() and "000030D0h 01" in panel.text()


def real(*commands: str, **options: Any) -> Session:
    """A session under KVM in which the commands were done."""
    session = Session(quirks={"policy": "kvm"}, **options)
    for command in commands:
        session.do(command)
    return session


def test_the_arithmetic_is_the_guests_on_a_real_session() -> None:
    session = real("skip 1234567us", "wrmsr 4b564d01h 1001h", "skip 777777777ns")
    seen = Camera(session, None, lambda: 0).take()
    (one,) = registered(seen)
    row = plain(page(seen, one, 78)[-1])
    clock = session.peek("pv0.kvmclock")
    assert f"+ system_time = {clock // 10**9}." in row
    assert row.split("= ")[1].split(" s")[0].replace(" ", "").replace(".", "") == str(clock)


def test_what_an_update_changed_is_marked_and_fades_by_stops() -> None:
    session = real("wrmsr 4b564d01h 1001h")
    camera = Camera(session, None, lambda: 0)
    camera.take()
    signs = []
    for command in ("wrmsr 4b564d01h 1001h", "skip 1ms", "skip 1ms", "skip 1ms"):
        session.do(command)
        seen = camera.take()
        signs.append(plain(page(seen, registered(seen)[0], 78)[1])[8])
    assert signs == ["●", "•", "·", " "]
    assert MemoryPanel.is_marked(camera.take()) is False


async def test_a_structures_row_opens_its_msr_and_u_updates_it() -> None:
    session = real("wrmsr 4b564d01h 1001h", "wrmsr 4b564d00h 2000h", vcpus=2)
    app = TimerlabApp(session)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("9", "u")
        await pilot.pause(0.2)
        assert session.log[-1].text == "wrmsr 4b564d01h 1001h"
        panel = app.panels["mem"]
        assert "version" in panel.text() and session.peek("pv0.version") >= 4
        row = next(n for n, line in enumerate(panel.text().split("\n")) if "wall clock" in line) - 1
        panel.cursor = (row, 0)
        await pilot.press("enter")
        await pilot.pause(0.2)
        assert app.view.inspecting and "WALL_CLOCK" in app.panels["inspector"].text()
