"""QEMU's trace lines: what is an access, what is passed over, and what is said of a broken file."""

import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timerlab import ScriptError
from timerlab.trace import KNOWN, Access, Reader, Trace, load_trace, parse_line

READ = "memory_region_ops_read cpu 0 addr 0x40 value 0xff size 1 name 'pit'"


def write(folder, data, name="x.trace"):
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return str(path)


def read(path, skip_bad=False):
    reader = Reader(path, skip_bad)
    numbers = list(reader.lines())
    assert numbers == sorted(numbers)
    return reader.trace


def test_a_head_is_ns_of_virtual_time():
    assert parse_line(f"36887746204 {READ}\n", None) == (
        36887746204,
        Access(36887746204, True, 0x40, 0xFF, 8, "pit", 0),
        None,
    )


def test_a_head_of_host_time_counts_from_the_first_line(tmp_path):
    lines = [
        "10372@1763640000.123456:memory_region_ops_read cpu 0 mr 0x55d0c8a0 addr 0x40 value 0xff size 1 name 'pit'",
        "10372@1763640000.123457:memory_region_ops_write cpu 1 mr 0x55d0c8a0 addr 0x43 value 0x34 size 1 name 'pit'",
        "10372@1763640001.000000:memory_region_ops_read cpu 0 mr 0x55d0c8a0 addr 0x61 value 0x20 size 1 name 'pcspk'",
    ]
    trace = read(write(tmp_path, "\n".join(lines)))
    assert [a[:6] for a in trace.accesses] == [
        (0, True, 0x40, 0xFF, 8, "pit"),
        (1000, False, 0x43, 0x34, 8, "pit"),
        (876_544_000, True, 0x61, 0x20, 8, "pcspk"),
    ]
    assert trace.end_ns == 876_544_000


@pytest.mark.parametrize(("size", "seen"), [(1, 0x01), (2, 0xA201), (4, 0x8086A201), (8, 0x9896808086A201)])
def test_a_value_is_masked_by_its_size(size, seen):
    _, access, _ = parse_line(
        f"1 memory_region_ops_read cpu 0 addr 0xfed00000 value 0x9896808086a201 size {size} name 'hpet'", None
    )
    assert (access.value, access.size) == (seen, size * 8)


PASSED = [
    "5 apic_local_deliver vector 0 delivery mode 0",
    "5 pic_set_irq master 1 irq 0 level 1",
    "5 END of it",
    "END",
    "END cut at a limit",
    "",
    "   ",
    "5 memory_region_ops_write cpu -1 addr 0xfed00010 value 0x3 size 4 name 'hpet'",
    "5 memory_region_ops_read cpu -1 addr 0x40 value 0x3 size 1 name 'pit'",
    "5 memory_region_ops_write cpu 0 addr 0xfee01004 value 0x3 size 4 name 'apic-msi'",
    "5 memory_region_ops_write cpu 0 addr 0x1004 value 0x3 size 4 name 'apic-msi'"[:0],
    "5 memory_region_ops_write cpu 0 addr 0xfee00000 value 0x3 size 4 name 'kvm-apic-msi'",
    "5 memory_region_ops_write cpu 0 addr 0x0 value 0x3 size 4 name 'apic-msi'",
]


@pytest.mark.parametrize("line", PASSED)
def test_what_is_no_stimulus_is_passed_over(tmp_path, line):
    trace = read(write(tmp_path, f"4 {READ}\n{line}\n6 {READ}\n"))
    assert [a.t_ns for a in trace.accesses] == [4, 6]
    assert [a.line for a in trace.accesses] == [1, 3]
    assert not trace.bad


def test_an_apic_access_of_a_processor_is_one():
    for device in ("apic-msi", "kvm-apic-msi"):
        for kind in ("read", "write"):
            line = f"5 memory_region_ops_{kind} cpu 0 addr 0xfee00380 value 0x3 size 4 name '{device}'"
            assert parse_line(line, None)[1] is not None


BROKEN = {
    f"x {READ}": "does not begin with a time",
    f"-5 {READ}": "does not begin with a time",
    f"1.5 {READ}": "does not begin with a time",
    f"12345678901234567890 {READ}": "does not begin with a time",
    f" 5 {READ}": "does not begin with a time",
    "5": "does not begin with a time",
    "5 ": "no event",
    "5 !": "no event",
    "5 memory_region_ops_": "cannot be read",
    "5 memory_region_ops_read": "cannot be read",
    "5 memory_region_ops_poke cpu 0 addr 0x40 value 0xff size 1 name 'pit'": "cannot be read",
    "5 " + READ.replace("0x40", "40"): "cannot be read",
    "5 " + READ.replace("size 1", "size 3"): "cannot be read",
    "5 " + READ.replace("'pit'", "pit"): "cannot be read",
    "5 " + READ[:-2]: "cannot be read",
    "5 " + READ.replace("'pit'", "'pti'"): "unknown device 'pti'",
    "5 " + READ.replace("'pit'", "''"): "unknown device",
    "5 " + READ.replace("0x40", "0x10040"): "no port access",
    "5 " + READ.replace("size 1", "size 8"): "no port access",
    "3 " + READ: "before the line above it at 4 ns",
}


@pytest.mark.parametrize(("line", "message"), BROKEN.items())
def test_a_broken_line_is_named_with_file_and_line(tmp_path, line, message):
    for pack, name in ((lambda b: b, "x.trace"), (gzip.compress, "x.trace.gz")):
        path = write(tmp_path, pack(f"4 {READ}\n\n{line}\n6 {READ}\n".encode()), name)
        with pytest.raises(ScriptError) as said:
            read(path)
        assert (said.value.line, said.value.column) == (3, 1)
        assert str(said.value).startswith(f"{path}:3:1: ")
        assert message in str(said.value)
        assert len(str(said.value).splitlines()) == 1
        trace = read(path, skip_bad=True)
        assert [a.t_ns for a in trace.accesses] == [4, 6]
        assert [number for number, _ in trace.bad] == [3]


def test_a_gzip_file_that_is_cut_off_is_named(tmp_path):
    whole = gzip.compress("".join(f"{i} {READ}\n" for i in range(2000)).encode())
    for size in (2, 5, 20, len(whole) // 2, len(whole) - 1):
        path = write(tmp_path, whole[:size])
        with pytest.raises(ScriptError) as said:
            read(path)
        assert "cut off" in str(said.value)
        trace = read(path, skip_bad=True)
        assert len(trace.bad) == 1
        assert trace.accesses == read(write(tmp_path, whole, "y")).accesses[: len(trace.accesses)]


def test_a_gzip_file_that_is_damaged_is_named(tmp_path):
    whole = bytearray(gzip.compress("".join(f"{i} {READ}\n" for i in range(2000)).encode()))
    for at in (3, 12, len(whole) // 2, len(whole) - 3):
        broken = whole.copy()
        broken[at] ^= 0xFF
        path = write(tmp_path, bytes(broken))
        try:
            read(path)
        except ScriptError as error:
            assert len(str(error).splitlines()) == 1
        read(path, skip_bad=True)


def test_no_trace_is_an_os_error(tmp_path):
    for path in (str(tmp_path / "none"), str(tmp_path)):
        with pytest.raises(OSError):
            read(path)


@pytest.mark.parametrize("data", [b"", b"\n", b"END\n", b"\x1f\x8b", gzip.compress(b"", mtime=0)])
def test_an_empty_trace_has_no_accesses(tmp_path, data):
    trace = read(write(tmp_path, data), skip_bad=True)
    assert (trace.accesses, trace.end_ns) == ([], 0)


def test_a_trace_that_did_not_change_is_read_once(tmp_path):
    path = write(tmp_path, f"4 {READ}\n")
    first = next(one for one in load_trace(path) if isinstance(one, Trace))
    assert list(load_trace(path)) == [first]
    write(tmp_path, f"4 {READ}\n5 {READ}\n")
    again = next(one for one in load_trace(path) if isinstance(one, Trace))
    assert len(again.accesses) == 2


pieces = st.one_of(
    st.integers(0, 10**20).map(lambda n: f"{n} "),
    st.sampled_from(["1@2.000001:", "1@2.5:", "99 ", " ", "\n", "\r", "\r\n", "\0", "END\n", "\u2028", "²", "٣ "]),
    st.sampled_from(
        ["memory_region_ops_read ", "memory_region_ops_write ", "cpu 0 ", "cpu -1 ", "addr 0x40 ", "value 0xff "]
    ),
    st.sampled_from(["addr 0x61 ", "addr 0xfffff ", "size 1 ", "size 8 ", "size 4 ", "pic_set_irq x\n", "mr 0x5 "]),
    st.sampled_from(sorted(KNOWN)).map(lambda name: f"name '{name}'\n"),
    st.integers(0, 10**5).map(lambda n: f"{n} {READ}\n"),
    st.text(max_size=5),
)


def check(path):
    try:
        read(path)
    except ScriptError as error:
        assert error.line >= 1 and len(str(error).splitlines()) == 1
        failed = True
    else:
        failed = False
    trace = read(path, skip_bad=True)
    assert bool(trace.bad) == failed
    assert [a.t_ns for a in trace.accesses] == sorted(a.t_ns for a in trace.accesses)
    for access in trace.accesses:
        assert 0 <= access.value < 1 << access.size
        assert access.device in KNOWN
        if access.device in ("pit", "pcspk"):
            assert access.address <= 0xFFFF and access.size <= 32


@settings(max_examples=settings().max_examples * 5)
@given(text=st.lists(pieces, max_size=30).map("".join), packed=st.booleans())
def test_any_text_is_read_or_refused(text, packed, tmp_path_factory):
    data = text.encode("utf-8", "surrogatepass")
    check(write(tmp_path_factory.getbasetemp(), gzip.compress(data) if packed else data, "fuzz.trace"))


@settings(max_examples=settings().max_examples * 5)
@given(data=st.binary(max_size=200), head=st.sampled_from([b"", b"\x1f\x8b", b"\x1f\x8b\x08\0\0\0\0\0\0\x03"]))
def test_any_bytes_are_read_or_refused(data, head, tmp_path_factory):
    check(write(tmp_path_factory.getbasetemp(), head + data, "fuzz.trace"))


@given(
    at=st.integers(0, 400),
    byte=st.integers(0, 255),
    cut=st.integers(0, 400),
)
def test_a_damaged_gzip_file_is_read_or_refused(at, byte, cut, tmp_path_factory):
    data = bytearray(gzip.compress("".join(f"{i * 77} {READ}\n" for i in range(200)).encode(), mtime=0))
    data[at % len(data)] = byte
    check(write(tmp_path_factory.getbasetemp(), bytes(data[: len(data) - cut % len(data)]), "fuzz.trace"))
