"""The language of rules as values (features R1 to R7): conditions, actions, rules and their two lists.

Made by `smsd.config.rules` from YAML and by `smsd.policy.rules.xml` from XML, run by `engine`. Nothing here is checked or
compiled: what a reader lets through can be run. Templates (`smsd.codec.template`) are kept as they were written.
"""

from __future__ import annotations

import enum
from dataclasses import field
from typing import Union

from smsd.values.errors import InvalidValue
from smsd.values.frozen import frozen
from smsd.values.message import Priority

# -- what a text is compared with


class How(enum.Enum):
    """A comparison of a text. ITEM: it contains one of the items; IN: it is one of them; EMPTY: it is missing or blank."""

    CONTAINS = "contains"
    STARTS = "starts"
    ENDS = "ends"
    EQUALS = "equals"
    REGEX = "regex"
    ITEM = "item"
    IN = "in"
    EMPTY = "empty"


class Each(enum.Enum):
    """How a header that occurs several times, or lists several addresses, is tested: any item, all items, or as one
    string."""

    ANY = "any"
    ALL = "all"
    JOINED = "joined"


@frozen
class TextTest:
    """A comparison. `items` are those of ITEM and IN as written; `file` names a list whose lines are further items (facts
    have them). `case`: capitals matter. `compare` "number" compares phone numbers in their normal form."""

    how: How
    value: str = ""
    items: tuple[str, ...] = ()
    file: str = ""
    case: bool = False
    each: Each = Each.ANY
    compare: str = "text"


# -- conditions


@frozen
class All:
    """Every message."""


@frozen
class And:
    """All of these; true when there is none."""

    parts: tuple[Condition, ...]


@frozen
class Or:
    """At least one of these."""

    parts: tuple[Condition, ...]


@frozen
class Not:
    """Not this one."""

    part: Condition


@frozen
class Field:
    """A text of the message: `name` is from, to, subject, cc, reply-to, date, body, sender (the bare address or number of
    From), number (of To, without gateway and parameters), host, account, gateway, door, keyword (the first word of the
    body), or `header:NAME` for any header."""

    name: str
    test: TextTest


@frozen
class Size:
    """Octets of the message, as UTF-8 text or as data: more than `above`, less than `below` (None: no limit)."""

    above: int | None = None
    below: int | None = None


@frozen
class Flag:
    """`name` is authenticated, local (the sender's domain is ours), attachment, or binary."""

    name: str
    value: bool = True


@frozen
class Network:
    """The client's IP address is in one of these networks: 10.0.0.0/8, 2001:db8::/32, 192.0.2.7."""

    networks: tuple[str, ...]


@frozen
class Clock:
    """Local time: from minute `start` of the day up to and without `end` (past midnight when it is smaller), on these
    `days` (0 is Monday; for a span past midnight the day on which it began)."""

    start: int = 0
    end: int = 24 * 60
    days: frozenset[int] = frozenset(range(7))


@frozen
class HasPriority:
    """The message's priority."""

    priority: Priority


@frozen
class SqlCondition:
    """The first column of the first row of `statement`, run on the named database with `values` bound in order (templates).
    Without a `test`: true when there is a row whose first column is neither NULL, 0, "" nor false. `default` is the result
    when it cannot be had within `seconds`."""

    database: str
    statement: str
    values: tuple[str, ...] = ()
    test: TextTest | None = None
    seconds: float = 2.0
    default: bool = False


Condition = Union[All, And, Or, Not, Field, Size, Flag, Network, Clock, HasPriority, SqlCondition]


# -- actions


@frozen
class Accept:
    """Take the message and ask no more rules."""


@frozen
class Reject:
    """Refuse it; the sender hears `text` (a template)."""

    text: str = "this message was refused by a rule of the administrator"


@frozen
class Delete:
    """Take it and send it nowhere; it stays on record."""


@frozen
class Stop:
    """Ask no more rules."""


@frozen
class Forward:
    """Send it to another address as well (a template: `mailto:`, `sms:`, `account:` … or a bare mail address or number).
    Incoming messages count as delivered then; with `copy` they do not."""

    to: str
    copy: bool = False


@frozen
class Send:
    """Send a new message (templates)."""

    to: str
    text: str
    subject: str = ""


@frozen
class Respond:
    """Answer the sender (a template), by SMS or mail, whichever way the message came; never a robot, never twice within an
    hour the same text to the same address."""

    text: str
    subject: str = ""


@frozen
class AddHeader:
    """One more header (R3); `value` is a template."""

    name: str
    value: str


@frozen
class SetHeader:
    """Write a header: From, To, Subject, any other, or `Body`. Without `regex` the value is the template; with it, what the
    expression matches is replaced by `value`, in which `$1` … are its groups, and nothing happens where it does not match."""

    name: str
    value: str
    regex: str = ""


@frozen
class DeleteHeader:
    """Take all headers of this name away."""

    name: str


@frozen
class Frame:
    """Text before or after the body (templates)."""

    before: str = ""
    after: str = ""


@frozen
class SetPriority:
    """Change the priority."""

    priority: Priority


@frozen
class Program:
    """Run a program with these arguments (templates, each one argument; no shell). It gets the text on stdin and the
    message in its environment. `reply`: what it prints goes back to the sender."""

    command: tuple[str, ...]
    reply: bool = False


@frozen
class Url:
    """Request a URL (a template). `method` GET or POST; `body` is a template, sent as it is with `content_type`. `reply`:
    the answer's text goes back to the sender. `escapes` "kannel": the URL has Kannel's escapes instead of variables
    (`smsd.codec.kannel`), whose text is in `charset`."""

    url: str
    method: str = "GET"
    body: str = ""
    content_type: str = "text/plain; charset=utf-8"
    reply: bool = False
    escapes: str = ""
    charset: str = "UTF-8"


@frozen
class Sql:
    """Run a statement on a named database of the configuration, with `values` (templates) bound in order. `reply`: its
    first row, columns joined by blanks, goes back to the sender."""

    database: str
    statement: str
    values: tuple[str, ...] = ()
    reply: bool = False


@frozen
class Folder:
    """Put it into a mail folder (a template: `ann@example.org/SMS`). A move counts as delivered, a `copy` does not."""

    name: str
    copy: bool = False


@frozen
class Cap:
    """At most `most` messages in `minutes` to one recipient: what comes above waits for the digest that ends the window.
    `text` is the digest's template: %count%, %first%, %last%."""

    most: int
    minutes: int
    text: str = "%count% more: %first%"


@frozen
class Gather:
    """What comes within `minutes` of the first for one recipient leaves as one digest."""

    minutes: int
    text: str = "%count% more: %first%"


@frozen
class Hold:
    """Keep it until the local minute `until` of the day, when it comes at a time between minute `start` and `until`."""

    start: int
    until: int


@frozen
class Escalate:
    """Ask one number after the other, `minutes` apart, until one answers with a word of `answers`."""

    to: tuple[str, ...]
    minutes: int
    answers: tuple[str, ...] = ("OK",)


Action = Union[
    Accept, Reject, Delete, Stop, Forward, Send, Respond, AddHeader, SetHeader, DeleteHeader, Frame, SetPriority,
    Program, Url, Sql, Folder, Cap, Gather, Hold, Escalate,
]  # fmt: skip


# -- rules


class WrongPart(InvalidValue):
    """A rule that cannot be run; `where` leads to the part that is to blame, in the words of the language: ("do", 2)."""

    def __init__(self, told: str, where: tuple[str | int, ...]) -> None:
        super().__init__(told)
        self.where = where


@frozen
class Rule:
    """One rule. `user` names whose rule it is ("" for the administrator's); `source` is where it stands, for people:
    `/etc/smsd/smsd.yaml:120`."""

    title: str
    condition: Condition
    actions: tuple[Action, ...]
    active: bool = True
    description: str = ""
    user: str = ""
    source: str = field(default="", compare=False)


@frozen
class Rules:
    """The two ordered lists (feature R1), users' own rules behind the administrator's."""

    outgoing: tuple[Rule, ...] = ()
    incoming: tuple[Rule, ...] = ()
