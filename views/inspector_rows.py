"""The register inspector as rows: the bits, one row a field, what the field at the cursor means, and what turning the
bit equals. All of it is a pure function of a `Sight`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from timerlab.devices.pit_regs import COMMAND, MODE_ABOUT, MODES, command_kind
from timerlab.registers import where
from timerlab.regs import Field, Reg
from timerlab.text import bits, count, hexa, moment, plural, stamp
from timerlab.views.bits import boxes
from timerlab.views.rows import Row, Span, clip, numbers, pad, put, rule, width_of
from timerlab.views.sight import Sight

__all__ = ["WIDE", "Upper", "lower", "other_values", "pinned", "title", "upper", "writes"]

WIDE = 110
"""From this width on the other values have a column, and the writes a list."""
BOTH = 8
"""Fields of more bits than this are written in hexadecimal."""
MARGIN = 2
"""Where text begins; before it stands the mark of the row under the cursor."""
GLUE = "\xa0"
"""A blank at which no row ends."""
_WORDS = ("end count", "one-shot", "rate", "square", "soft strobe", "hard strobe")
SHORT = {MODES[mode]: word for mode, word in enumerate(_WORDS)}
"""Modes of the PIT in a word or two."""


@dataclass
class Upper:
    """The rows that may have to scroll; what a click means; which rows belong to a bit."""

    rows: list[Row] = field(default_factory=list)
    hits: dict[int, list[tuple[int, int, int]]] = field(default_factory=dict)
    bit_rows: tuple[int, int] = (0, 0)
    field_row: int = 0


# the parts


def title(sight: Sight) -> tuple[str, str, str]:
    """Name, what belongs to it, and where it is."""
    reg, subject = sight.reg, sight.subject
    if subject.channel is not None:
        parts = ("PIT control word", f"ch {subject.channel}, as last written")
    else:
        name, _, rest = reg.title.partition(", ")
        if len(reg.layouts) > 1:
            rest = sight.layout.name
        if reg.banked:
            rest = f"v{subject.vcpu}" + (f", {rest}" if rest else "")
        parts = (name, rest)
    access = {"wo": ", write only", "ro": ", read only"}.get(reg.access, "")
    return *parts, where(reg) + (access if reg.address >= 0 else ", read only")


def written_value(value: int, width: int) -> Row:
    """A value in hexadecimal, and as bits where they are few."""
    head = numbers(hexa(value, max(1, width // 4)), "strong")
    return (*head, ("  " + bits(value, width), "text")) if width <= 16 else head


def facts(sight: Sight, wide: bool) -> list[tuple[str, Row]]:
    """What is known of the value as a whole: (label, what)."""
    reg, last = sight.reg, sight.last
    found: list[tuple[str, Row]] = []
    if sight.value is not None:
        found.append(("value", written_value(sight.value, reg.width)))
    else:
        never = "nothing latched" if reg.address < 0 else "not to be seen" if reg.peek else "never written"
        found.append(("value", ((never, "label"),)))
    if last is not None and wide:
        found.append(("written", ((moment(last.t_ns) + ", by ", "text"), (last.text, "interactive"))))
    elif last is not None:
        found += [("at", ((moment(last.t_ns), "text"),)), ("by", ((last.text, "interactive"),))]
    if sight.status:
        head = f"status of ch {sight.subject.channel}, " if wide else ""
        found.append(("reads as", ((head, "text"), *numbers(sight.status))))
    return found


def upper(sight: Sight, width: int, focus: bool) -> Upper:
    """The bits, and one row a field."""
    wide = width >= WIDE
    drawn = boxes(
        sight.layout.fields,
        sight.reg.width,
        sight.shown,
        sight.bit if focus else None,
        width - MARGIN - 1,
        known=sight.value is not None,
    )
    about = facts(sight, wide)
    label = max(len(name) for name, _ in about) + (3 if wide else 1)
    needed = max(label + width_of(what) for _, what in about)
    at = MARGIN + drawn.width + 2
    result = Upper()
    beside = at + needed <= width and len(drawn.rows) >= len(about)
    if beside and wide:
        at = min(max(at + 6, 58), width - needed)
    if not beside:
        line: list[Span] = [(" " * MARGIN, "text")]
        for name, what in about:
            more: Row = ((f"{name} ", "label"), *what)
            if width_of(line) > MARGIN:
                if width_of(line) + 3 + width_of(more) > width:
                    result.rows.append(tuple(line))
                    line = [(" " * MARGIN, "text")]
                else:
                    line.append(("   ", "text"))
            line += more
        result.rows += [clip(line, width), ()]
    elif wide:
        result.rows.append(())
    first = len(result.rows)
    for row in drawn.rows:
        result.rows.append(((" " * MARGIN, "text"), *row))
    if beside:
        down = first + (1 if len(drawn.rows) > 5 else max(0, (len(drawn.rows) - len(about) + 1) // 2))
        for i, (name, what) in enumerate(about):
            result.rows[down + i] = put(result.rows[down + i], at, ((f"{name:<{label}}", "label"), *what))
    for y, hits in drawn.hits.items():
        result.hits[first + y] = [(start + MARGIN, end + MARGIN, bit) for start, end, bit in hits]
    group = next((one for one in drawn.groups if one[2] <= sight.bit), drawn.groups[-1])
    result.bit_rows = (first + group[0], first + group[1])
    result.rows.append(())
    _table(result, sight, width, focus)
    return result


def columns(sight: Sight, width: int) -> tuple[int, int, int, int]:
    """Where field, value, meaning and the other values begin; the last one is the width where there is no room."""
    shown = sight.layout.fields
    name = max(5, *(len(one.name) for one in shown))
    name = min(name, 14 if width >= 78 else 10)
    value = max(5, *(len(_held(one, 0)) for one in shown))
    at = (MARGIN + 7, MARGIN + 7 + name + 3, MARGIN + 7 + name + 3 + value + 3)
    if width < WIDE:
        return *at, width
    longest = max(len(said) for one in shown for said in ("", *one.values.values()))
    return *at, at[2] + max(20, min(longest, 36)) + 3


def _table(result: Upper, sight: Sight, width: int, focus: bool) -> None:
    """One row a field, from the highest bit to the lowest."""
    name_at, value_at, meaning_at, others_at = columns(sight, width)
    head: Row = ((" " * MARGIN + "bits", "label"),)
    heads = [(name_at, "field"), (value_at, "value"), (meaning_at, "meaning"), (others_at, "other values")]
    for at, word in heads if others_at < width else heads[:3]:
        head = put(head, at, ((word, "label"),))
    result.rows.append(head)
    for one in sorted(sight.layout.fields, key=lambda one: -one.hi):
        place = place_of(one)
        dim = one.access == "rsvd"
        row: Row = ((" " * MARGIN + place, "label" if dim else "text"),)
        name = "–" if dim and not one.name.isalpha() else one.name
        row = put(row, name_at, clip(((name, "label" if dim else "strong"),), value_at - name_at - 1))
        held = _held(one, sight.shown)
        row = put(row, value_at, numbers(held, "text" if sight.value is not None and not dim else "label"))
        others = other_values(one, sight.shown).replace(GLUE, " ") if others_at < width else ""
        room = others_at - meaning_at - 2 if others else width - meaning_at - 1
        row = put(row, meaning_at, clip(meaning(one, sight.shown, sight.reg), room))
        if others:
            row = put(row, others_at, clip(((others, "label"),), width - others_at - 1))
        at = len(result.rows)
        if one is sight.field and focus:
            row = tuple((text, role + "*") for text, role in pad(row, width))
            row = put(row, 0, (("▌", "interactive*"),))
        if one is sight.field:
            result.field_row = at
        result.hits[at] = [(0, width, -1 - one.lo)]
        result.rows.append(row)


def place_of(one: Field) -> str:
    """A field's bits: `3:1`, `0`."""
    return f"{one.hi}:{one.lo}" if one.width > 1 else f"{one.lo}"


def _held(one: Field, value: int) -> str:
    """What a field holds, as digits."""
    return one.bits(value) if one.width <= BOTH else hexa(one.of(value), -(-one.width // 4))


def meaning(one: Field, value: int, reg: Reg) -> Row:
    """What a field's bits mean; a number without a name is followed by what it is."""
    if one.access == "rsvd":
        return (("reserved", "label"),)
    said = one.meaning(value)
    if said and said != str(one.of(value)):
        return numbers(said)
    number = "" if one.width == 1 else count(one.of(value)) + "  "
    return ((number, "text"), (one.about, "label"))


def other_values(one: Field, value: int) -> str:
    """The values that a field could hold as well, in few words."""
    others = []
    for held, words in one.values.items():
        if held != one.of(value) and words not in ("0", "1") and not (one.values is MODES and held > 5):
            said = f"{held:0{one.width}b}" if one.width <= 2 else str(held)
            brief = one.short.get(held) or SHORT.get(words, words)
            others.append(f"{said} {brief}".replace(" ", GLUE))
    return "  ".join(others)


def flow(spans: Iterable[Span], width: int, indent: int) -> list[Row]:
    """Spans wrapped between words; from the second row on `indent` cells in."""
    rows: list[list[Span]] = [[]]
    at = 0
    for text, role in spans:
        if any(len(word) > width - indent for word in text.split(" ")):
            text = text.replace(GLUE, " ")
        for i, word in enumerate(text.split(" ")):
            if i:
                at += 1
                rows[-1].append((" ", role))
            if at + len(word) > width and at > indent:
                rows.append([(" " * indent, "text")])
                at = indent
            if word:
                rows[-1].append((word.replace(GLUE, " "), role))
                at += len(word)
    return [tuple(row) for row in rows]


def lower(sight: Sight, width: int, room: int) -> list[Row]:
    """The meaning of the field at the cursor with its source, and what turning the bit equals; of what does not fit
    into `room` rows, what stands elsewhere goes first.
    """
    wide = width >= WIDE
    command = turning(sight, width)
    others = other_values(sight.field, sight.shown) if not wide else ""
    listed = flow(((" " * (MARGIN + 2), "text"), (others, "label")), width - 1, MARGIN + 2) if others else []
    full, brief = _about(sight, width, True), _about(sight, width, False)
    blank: list[Row] = [()]
    rows: list[Row] = []
    for rows in (
        [*full, *listed, *blank, *command],
        [*brief, *listed, *blank, *command],
        [*brief, *listed, *command],
        [*brief, *command],
    ):
        if len(rows) <= room:
            break
    return rows


def _about(sight: Sight, width: int, full: bool) -> list[Row]:
    """What the field at the cursor is, and what its value does; or, where that is known, only the latter."""
    one = sight.field
    more = extra(sight.reg, one, sight.shown)
    about = one.about[:1].upper() + one.about[1:]
    words = more if more and not full else f"{about}. {more}" if more else about
    name = place_of(one) if one.access == "rsvd" else one.name
    spans: list[Span] = [(" " * MARGIN, "text"), (name + "  ", "label"), *numbers(words + ".")]
    spans.append(("  " + (one.source or sight.reg.source).replace(" ", GLUE), "label"))
    return flow(spans, width - 1, MARGIN + 2)


def extra(reg: Reg, one: Field, value: int) -> str:
    """What a field's present value does, where more is known than its name."""
    if reg is COMMAND and one.name == "M" and command_kind(value) == 0:
        mode = one.of(value)
        mode = mode & 3 if mode > 5 else mode
        return f"Mode {mode}: {MODE_ABOUT[mode]}"
    return ""


def turning(sight: Sight, width: int) -> list[Row]:
    """`space turns the bit:  M 011 → 010   equals  outb 43h b4h   …`, or why it cannot."""
    one, effect, wide = sight.field, sight.effect, width >= WIDE
    gap = "   " if wide else "  "
    spans: list[Span] = [(" " * MARGIN, "text"), ("space", "interactive")]
    if effect.refused:
        spans += [(" turns nothing: " if wide else ": ", "label"), *numbers(effect.refused)]
        return flow(spans, width - 1, MARGIN + 2)
    after = sight.shown ^ 1 << sight.bit
    verb = "clears" if one.access == "w1c" else "turns"
    spans.append((f" {verb} the bit:  " if wide else ": ", "label"))
    spans.append((f"{one.name} {_held(one, sight.shown)} → {_held(one, after)}", "text"))
    spans.append((gap + "equals" + gap[1:], "label"))
    for i, command in enumerate(effect.commands):
        spans += [("  ", "text")] if i else []
        spans.append((command.replace(" ", GLUE), "interactive"))
    if sight.later:
        spans.append((gap + f"replaces {plural(sight.later, 'later entry', 'later entries')}", "past"))
    if effect.fault:
        spans += [(gap + "! ", "fault"), (effect.fault + " ", "fault")]
        words = effect.words.removeprefix(effect.fault).strip()
    else:
        spans.append((gap, "text"))
        words = effect.words
    spans += numbers(words)
    return [
        tuple((text.replace("\xa0", " "), role) for text, role in row) for row in flow(spans, width - 1, MARGIN + 2)
    ]


# beside the register: what is pinned, and what was written


def pinned(sight: Sight, width: int, height: int) -> list[Row]:
    """A register that stays in sight: its bits, and the fields that are set."""
    name, part, place = title(sight)
    found: list[Row] = [rule("", name, (part + ", " if part else "") + "pinned", place, width, False)]
    known = sight.value is not None
    drawn = boxes(sight.layout.fields, sight.reg.width, sight.shown, None, width - 4, known=known, tight=True)
    found += [((" ", "text"), *row) for row in drawn.rows]
    said = sorted((one for one in sight.layout.fields if one.access != "rsvd"), key=lambda one: not one.of(sight.shown))
    name_width = min(12, max((len(one.name) for one in said), default=5))
    left = height - len(found) - 1
    held = max((len(_held(one, 0)) for one in said), default=1)
    for one in said[: max(0, left)]:
        label = clip(((one.name, "strong" if one.of(sight.shown) else "label"),), name_width)
        row = (("  ", "text"), *pad(label, name_width), (f"  {_held(one, sight.shown):<{held}}  ", "label"))
        found.append(clip((*row, *meaning(one, sight.shown, sight.reg)), width))
    if left > 0:
        found.append(clip(((f"  {sight.reg.source}", "label"),), width))
    return [pad(row, width) for row in found[:height]]


def writes(sight: Sight, width: int, height: int) -> list[Row]:
    """The latest writes, newest first."""
    told = sight.writes
    reg = sight.reg
    if height < 3 or not told:
        return []
    shown = told[: height - 1]
    place = where(reg).removeprefix("port ")
    found = [rule("", f"Writes to {place}", "newest first", f"{len(shown)} of {len(told)}", width, False)]
    command = min(30, max(len(one.text) for one in shown))
    time = max(len(stamp(one.t_ns)) for one in shown)
    for one in shown:
        row: list[Span] = [(f"{stamp(one.t_ns):>{time}} s   ", "label"), *pad(((one.text, "interactive"),), command)]
        row += [("   ", "text"), *written_value(one.value, reg.width), ("   ", "text"), *numbers(one.words, "label")]
        found.append(clip(row, width))
    return found
