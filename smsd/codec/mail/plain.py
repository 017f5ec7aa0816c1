"""What people mean by the text of a mail: format=flowed joined (RFC 3676), signature and quotes cut where wanted.

Lines are separated by LF here. Nothing is cut unless asked for.
"""

from __future__ import annotations

import re

_ORIGINAL = re.compile(
    r"-{3,} ?(original message|original appointment|forwarded message|urspr.ngliche nachricht|weitergeleitete nachricht|"
    r"messaggio originale|message d'origine|mensaje original|mensagem original|oorspronkelijk bericht|"
    r"p.vodn. zpr.va) ?-{3,}",
    re.I,
)
_RULE = re.compile(r"_{20,}")
_DIGIT = re.compile(r"\d")


def unflow(text: str, delete_space: bool = False) -> str:
    """Join the soft breaks of a format=flowed text (RFC 3676 section 4); `delete_space` is DelSp=yes."""
    out: list[str] = []
    joining: int | None = None  # quote depth of the paragraph that goes on
    for source in text.split("\n"):
        line = source.lstrip(">")
        depth = len(source) - len(line)
        if line.startswith(" "):
            line = line[1:]
        soft = line.endswith(" ") and line != "-- "
        content = line[:-1] if soft and delete_space else line
        if joining == depth and line != "-- ":
            out.append(content)
        else:
            out.append(
                ("\n" if joining is not None or out else "") + ">" * depth + (" " if depth else "") + content
            )
        joining = depth if soft else None
    return "".join(out)


def cut_signature(text: str) -> tuple[str, bool]:
    """The text before the line "-- ", and whether there was one ("--" counts: mail programs lose the space)."""
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if line in ("-- ", "--"):
            return "\n".join(lines[:number]), True
    return text, False


def cut_quotes(text: str) -> tuple[str, bool]:
    """The text without quoted lines, without the line that introduces them ("On … wrote:"), and without what follows
    an "Original Message" line; and whether anything was cut."""
    kept: list[str] = []
    cut = False
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if line.startswith(">"):
            if number and not lines[number - 1].startswith(">"):
                _drop_lead(kept)
            cut = True
        elif _ORIGINAL.match(line) or (_RULE.fullmatch(line) and _is_header_next(lines, number)):
            return "\n".join(kept), True
        else:
            kept.append(line)
    return "\n".join(kept), cut


def _is_header_next(lines: list[str], number: int) -> bool:
    return ":" in "".join(lines[number + 1 : number + 2])[:20]


def _drop_lead(kept: list[str]) -> None:
    """Remove "On …, … wrote:" from the end: up to three lines, the last ending in a colon, with a date or an address."""
    end = len(kept)
    while end and not kept[end - 1].strip():
        end -= 1
    if not end or not kept[end - 1].rstrip().endswith(":"):
        return
    start = end - 1
    while start > 0 and end - start < 3 and kept[start - 1].strip() and not _names_time(kept[start:end]):
        start -= 1
    if _names_time(kept[start:end]):
        del kept[start:]


def _names_time(lines: list[str]) -> bool:
    lead = " ".join(lines)
    return len(lead) < 400 and len(_DIGIT.findall(lead)) >= 3
