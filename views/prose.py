"""Help and lesson texts as rows: the little of Markdown that they use, wrapped to a width.

Headings, paragraphs, lists, tables, fenced code, `code` and **strong**; anything else is shown as it is written, so no
text of a guest or a file can break it.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

from timerlab.views.rows import Row, Span, numbers, width_of

_INLINE = re.compile(r"(`[^`\n]+`|\*\*[^*\n]+\*\*)")
_GROUPS = re.compile(r"(?<=\d) (?=\d{3}(?!\d))")
"""The blank inside of a number: no row ends there."""
_COLUMNS = re.compile(r" *(?:\S+(?: \S+)* {2,})*")
"""What stands before the last column of a line."""
_LIST = re.compile(r"(\s*)[*+-]\s+")
"""A list's mark. A number is none: in a text that is wrapped anywhere, `0.` may be the end of a sentence."""


def rows(markdown: str, width: int) -> list[Row]:
    """`markdown` as rows of at most `width` cells."""
    width = max(width, 8)
    result: list[Row] = []
    for block in _blocks(markdown):
        if result and not (block[0].startswith("#") and not result[-1]):
            result.append(())
        result.extend(_block(block, width))
    return result


def _blocks(markdown: str) -> Iterator[list[str]]:
    """Runs of lines without a blank one between; a fence is a run of its own."""
    block: list[str] = []
    fenced = ""
    for line in markdown.expandtabs(4).splitlines():
        fence = line.lstrip().startswith("```")
        if fence or (not fenced and (not line.strip() or line.startswith("#"))):
            if block:
                yield [fenced, *block] if fenced else block
            block = []
            if fence:
                fenced = "" if fenced else line.strip()
            elif line.strip():
                yield [line]
        else:
            block.append(line)
    if block:
        yield block


def _block(lines: list[str], width: int) -> list[Row]:
    first = lines[0]
    if first.startswith("#"):
        return [((first.lstrip("# "), "strong"),)]
    if first == "```text":
        return [numbers(part) for line in lines[1:] for part in _hanging(line, width)]
    if first.startswith("```"):
        return [((part, "interactive"),) for line in lines[1:] for part in _hanging(f"  {line}", width)]
    if first.lstrip().startswith("|"):
        return _table(lines, width)
    result: list[Row] = []
    for item in _items(lines):
        found = _LIST.match(item)
        lead = f"{found[1]}· " if found else ""
        result.extend(_wrapped(item[found.end() :] if found else item, width, lead))
    return result


def _hanging(line: str, width: int) -> list[str]:
    """A line of columns; where it is too long, what is left goes on under its last column."""
    found = _COLUMNS.match(line)
    hang = found.end() if found else 0
    if len(line) <= width:
        return [line]
    hang = hang if hang <= width // 2 else 4
    return textwrap.wrap(
        line,
        width,
        subsequent_indent=" " * hang,
        drop_whitespace=True,
        break_on_hyphens=False,
        replace_whitespace=False,
    )


def _items(lines: list[str]) -> Iterator[str]:
    """Lines joined into paragraphs; a list mark or deep indent begins a new one."""
    item = ""
    for line in lines:
        if item and (_LIST.match(line) or line.startswith("    ")):
            yield item
            item = line
        else:
            item = f"{item} {line.strip()}" if item else line
    if item:
        yield item


def _wrapped(text: str, width: int, lead: str) -> list[Row]:
    """A paragraph wrapped, its marks turned to roles; `lead` before its first row, blanks before the others."""
    spans = inline(_GROUPS.sub("\xa0", text))
    words = "".join(span for span, _ in spans)
    roles = [role for span, role in spans for _ in span]
    result: list[Row] = []
    at = 0
    for line in textwrap.wrap(words, max(4, width - len(lead)), break_on_hyphens=False) or [""]:
        row: list[Span] = [(lead if not result else " " * len(lead), "label")] if lead else []
        for character in line:
            while at < len(words) and words[at] != character:
                at += 1
            role = roles[at] if at < len(roles) else "text"
            character = " " if character == "\xa0" else character
            if row and row[-1][1] == role and len(row) > bool(lead):
                row[-1] = (row[-1][0] + character, role)
            else:
                row.append((character, role))
            at += 1
        result.append(tuple(row))
    return result


def inline(text: str) -> list[Span]:
    """One line's `code` and **strong** as spans."""
    spans: list[Span] = []
    for part in _INLINE.split(text):
        if part.startswith("`") and part.endswith("`") and len(part) > 2:
            spans.append((part[1:-1], "interactive"))
        elif part.startswith("**") and part.endswith("**") and len(part) > 4:
            spans.append((part[2:-2], "strong"))
        elif part:
            spans.append((part, "text"))
    return spans


def _table(lines: list[str], width: int) -> list[Row]:
    """A table with its columns aligned, the last one wrapped."""
    cells = [[inline(cell.strip()) for cell in line.strip().strip("|").split("|")] for line in lines]
    cells = [row for row in cells if not all(set(_text(cell)) <= set("-: ") and _text(cell) for cell in row)]
    if not cells:
        return []
    columns = max(map(len, cells))
    widths = [max((width_of(row[c]) for row in cells if c < len(row)), default=0) for c in range(columns)]
    before = sum(widths[:-1]) + 2 * (columns - 1)
    room = max(12, width - before)
    result: list[Row] = []
    for number, row in enumerate(cells):
        line: list[Span] = []
        for c, cell in enumerate(row[:-1] if len(row) == columns else row):
            spans = [(text, "label") for text, _ in cell] if number == 0 else cell
            line += [*spans, (" " * (widths[c] - width_of(cell) + 2), "text")]
        if len(row) == columns:
            parts = _wrapped_spans(row[-1], room)
            for index, part in enumerate(parts):
                shown = tuple((text, "label") for text, _ in part) if number == 0 else part
                result.append((*line, *shown) if index == 0 else ((" " * before, "text"), *shown))
        else:
            result.append(tuple(line))
    return result


def _wrapped_spans(spans: list[Span], room: int) -> list[Row]:
    if width_of(spans) <= room:
        return [tuple(spans)]
    marked = "".join(
        f"`{part}`" if role == "interactive" else f"**{part}**" if role == "strong" else part for part, role in spans
    )
    return _wrapped(marked, room, "")


def _text(spans: list[Span]) -> str:
    return "".join(text for text, _ in spans)
