"""What the server asked the kernel for, in order: a trace by strace, and the proof that every yes came after an fsync.

A kill leaves the page cache alive, a power cut does not. So for every message: its octets came in, were written to the
store's log (WAL), an fdatasync or fsync of that log began after this write and returned 0, and only then the yes went out:
`250` or `200` to a client, `+CNMA` to a modem.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

CALLS = "fdatasync,fsync,pwrite64,pwritev,read,recvfrom,recvmsg,write,writev,sendto,sendmsg"
STRACE = ("strace", "-f", "-qq", "-y", "-s", "6000", "-e", f"trace={CALLS}", "-e", "signal=none")

READING = ("read", "recvfrom", "recvmsg")
WRITING = ("write", "writev", "sendto", "sendmsg")

_LINE = re.compile(r"^(?P<pid>\d+) +(?P<rest>.*)$")
_WHOLE = re.compile(r"^(?P<call>\w+)\((?P<fd>\d+)<(?P<path>[^>]*)>(?P<arguments>.*)\) += (?P<result>-?\d+)")
_BEGIN = re.compile(r"^(?P<call>\w+)\((?P<fd>\d+)<(?P<path>[^>]*)>(?P<arguments>.*) <unfinished \.\.\.>$")
_END = re.compile(r"^<\.\.\. (?P<call>\w+) resumed>(?P<arguments>.*)\) += (?P<result>-?\d+)")


@dataclass(frozen=True, slots=True)
class Call:
    """One system call; `began` and `ended` are its places in the trace."""

    name: str
    path: str
    data: str
    result: int
    began: int
    ended: int


def read_trace(lines: Iterable[str]) -> list[Call]:
    """The calls in the order of their ends. Calls that never ended are left out."""
    calls: list[Call] = []
    open_: dict[str, tuple[int, re.Match[str]]] = {}
    for at, text in enumerate(lines):
        line = _LINE.match(text.rstrip("\n"))
        if line is None:
            continue
        pid, rest = line["pid"], line["rest"]
        if whole := _WHOLE.match(rest):
            calls.append(Call(whole["call"], whole["path"], whole["arguments"], int(whole["result"]), at, at))
        elif begin := _BEGIN.match(rest):
            open_[pid] = (at, begin)
        elif (end := _END.match(rest)) and pid in open_:
            began, begin = open_.pop(pid)
            data = begin["arguments"] + end["arguments"]
            calls.append(Call(begin["call"], begin["path"], data, int(end["result"]), began, at))
    return calls


def unproven(calls: list[Call], ids: dict[str, str], yes: str) -> list[str]:
    """The ids without proof. `ids` maps each to what stands in the call that brought it in; `yes` is a pattern of the answer.

    On one connection the next id comes in after the yes to the one before; there may be many connections.
    """
    found = []
    answer = re.compile(yes)
    for name, mark in ids.items():
        came = next((c for c in calls if c.name in READING and mark in c.data), None)
        if came is None:
            found.append(f"{name}: never read")
            continue
        said = next(
            (
                c for c in calls
                if c.began > came.ended and c.path == came.path and c.name in WRITING and answer.search(c.data)
            ),
            None,
        )  # fmt: skip
        if said is None:
            found.append(f"{name}: never answered")
            continue
        written = [
            c for c in calls if c.name.startswith("pwrite") and c.path.endswith("-wal") and name in c.data
        ]
        if not written:
            found.append(f"{name}: never written to the log")
            continue
        if not any(
            c.name in ("fdatasync", "fsync") and c.path.endswith("-wal") and c.result == 0
            and c.began > written[0].ended and c.ended < said.began
            for c in calls
        ):  # fmt: skip
            found.append(f"{name}: answered before an fsync of the log returned")
    return found


def load(path: Path) -> list[Call]:
    """The calls of a trace file."""
    with open(path, encoding="utf-8", errors="replace") as lines:
        return read_trace(lines)
