"""A message as rules see it, and what they made of it: the arguments and the results of `engine.judge`.

Outgoing messages show `to` as `number[@x][&param=value…]` (feature R4); incoming ones show `sender` as the gateway's pattern
made it (R6), and an empty `to` until somebody has decided who gets them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import NamedTuple, Union

from smsd.policy.rules.model import Action
from smsd.values.frozen import frozen
from smsd.values.message import Priority


@frozen
class Letter:
    """`sender` and `to` are the texts of From and To. `headers` are further fields in order (names in any case). `when` is
    local time as (weekday 0 = Monday, minute of the day, "2026-11-21", "13:05"). `phone` and `email` are the account's.
    `size` counts octets. `number` is the other party's phone number in its normal form, `own` the one of ours that it wrote to.
    `octets` and `elements` (of the user data header) are those of a binary message. `message` is the id of this one (where a
    rule sends it, of the one that it comes from), 0 when no rule shows it. `host` is what the client calls itself."""

    outgoing: bool
    sender: str
    to: str
    body: str
    number: str = ""
    subject: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    size: int = 0
    account: str = ""
    phone: str = ""
    email: str = ""
    door: str = ""
    gateway: str = ""
    ip: str = ""
    host: str = ""
    message: int = 0
    authenticated: bool = False
    local: bool = False
    attachment: bool = False
    binary: bool = False
    priority: Priority = Priority.NORMAL
    when: tuple[int, int, str, str] = (0, 0, "", "")
    octets: bytes = b""
    elements: bytes = b""
    own: str = ""


@frozen
class Question:
    """What a condition has to ask outside: an SQL statement with its bound values."""

    database: str
    statement: str
    values: tuple[str, ...]
    seconds: float = field(default=2.0, compare=False)


Answer = Union[str, None]
"""The first column of the first row as text; None: there is no row, or it is NULL. See `Facts.failed`."""


@frozen
class Facts:
    """What `judge` is told besides the letter: the lines of list files by path, answers to questions asked before, and the
    questions that could not be answered in time (their default counts). `number` is the id that an incoming message will have: it
    stays the same while questions are asked."""

    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    answers: Mapping[Question, Answer] = field(default_factory=dict)
    failed: frozenset[Question] = frozenset()
    number: int = 0


@frozen
class Ask:
    """`judge` has to know this first: ask, and call it again with the answer."""

    questions: tuple[Question, ...]


@frozen
class Effect:
    """Something that a rule does besides: an action with its templates filled in, and which rule and action it was. `user` is
    whose rule it is ("" for the administrator's): two users' rules may have the same title."""

    rule: str
    action: Action
    index: int = 0
    user: str = ""


class Trace(NamedTuple):
    """How it went. `decided`: for every rule that was looked at, in order, how many were passed over since the last one (switched
    off, or left out by the index because they cannot match), times two, plus one if it matched, as a LEB128 integer; then an
    octet, the number of the condition that decided, in the order they are written, depth first, from 0 (255: that or more).
    `trace.unpack` reads it. `steps`: a line for people for each rule that matched and each change. `stopped`: the title of the
    rule that ended it, or ""."""

    decided: bytes = b""
    steps: tuple[str, ...] = ()
    stopped: str = ""


class Verdict(NamedTuple):
    """What becomes of the message: `fate` is accept, reject (with `text` for the sender) or delete. `letter` is the message
    as the rules left it; `changed` names what they rewrote (to, from, subject, body, headers, priority)."""

    fate: str
    letter: Letter
    text: str = ""
    effects: tuple[Effect, ...] = ()
    changed: frozenset[str] = frozenset()
    trace: Trace = Trace()
