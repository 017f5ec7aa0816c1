"""Kannel's %-escapes: URLs as programs and configurations that were written for Kannel have them, filled in.

Two kinds of URL have them: the `dlr-url` of a message (what became of it), and the `get-url` of an sms-service (what a phone
wrote). Every value is percent-encoded, also that of `%S`, which Kannel inserts as it is. What is no escape stays as it is: `%20`
is itself, since no escape is a digit, but `%C3` is the charset and a 3: Kannel wants `%%C3`.

As in Kannel a report is seen from the phone: `%p` is the phone that the message went to, `%P` who sent it.

For who carries callbacks: `callback(url, report)` is the URL to request, or None when the sender's mask does not want this one.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from datetime import datetime, timezone
from urllib.parse import parse_qsl, urlencode
from urllib.parse import quote_plus as quote_all

from smsd.values.address import Address
from smsd.values.frozen import frozen
from smsd.values.message import Report, Ticket, Wants

SCHEME = "dlr"
"""Of addresses whose target is a URL with these escapes."""

DELIVERED, FAILED, BUFFERED, SENT, REFUSED = 1, 2, 4, 8, 16
MASK = DELIVERED | FAILED | BUFFERED | SENT | REFUSED
"""What a dlr-mask asks for, and what `%d` says. REFUSED: no network took it; FAILED: one took it, and then did not deliver it. Who
asks for FAILED is told of REFUSED too."""

# That a network which took it failed is only known from its report, which is asked for when somebody wants to hear of success.
_WANTS = {
    DELIVERED: Wants.SUCCESS, FAILED: Wants.FAILURE | Wants.SUCCESS, BUFFERED: Wants.BUFFERED, SENT: Wants.SENT,
    REFUSED: Wants.FAILURE,
}  # fmt: skip
_VALUES = {"delivered": DELIVERED, "buffered": BUFFERED, "sent": SENT}
_FAILURES = ("failed", "expired", "cancelled")

_ESCAPE = re.compile(r"%(?:#([^#]*)#([^#]*)#|(.))", re.DOTALL)
_BLANKS = re.compile(r"[ \t\n\v\f\r]+")
_BLANK_OCTETS = re.compile(rb"[ \t\n\v\f\r]+")


@frozen
class Facts:
    """What the escapes of one URL stand for; what is not known is empty. `text` is what the phone wrote, or what the network said
    of our message; `at` seconds UTC. `event` is `%d`, -1 stands for "none" where Kannel shows it so. `meta` is written as Kannel
    does: `?group?name=value&name=value?group?…`."""

    text: str | bytes = ""
    sender: str = ""
    receiver: str = ""
    at: int | None = None
    gateway: str = ""
    id: str = ""
    event: int = -1
    foreign: str = ""
    service: str = ""
    account: str = ""
    billing: str = ""
    coding: int = 0
    message_class: int = -1
    waiting: int = -1
    charset: str = "UTF-8"
    header: bytes = b""
    data_coding: int = 0
    center: str = ""
    report_url: str = ""
    box: str = ""
    meta: str = ""
    priority: int = 0
    validity: int | None = None
    deferred: int | None = None


def fill(template: str, facts: Facts) -> str:
    """The URL for these facts. Nothing is refused: unknown escapes, and a percent sign at the end, stay as they are."""
    words = _words(facts)
    following = iter(words[1:])
    return _ESCAPE.sub(lambda found: _value(found, facts, words, following), template)


def _value(found: re.Match[str], facts: Facts, words: list[bytes], following: Iterator[bytes]) -> str:
    letter = found[3]
    if letter is None:
        return _quoted(meta_value(facts.meta, found[1], found[2]))
    if letter in _PLAIN:
        value = getattr(facts, _PLAIN[letter])
        return "" if value is None else _quoted(value) if isinstance(value, (str, bytes)) else str(value)
    if letter in "pP":
        return _quoted(facts.sender if letter == "p" else facts.receiver)
    if letter in "qQ":
        number = facts.sender if letter == "q" else facts.receiver
        return _quoted("+" + number[2:] if number[:2] == "00" else number)
    if letter in "sS":
        word = next(following, b"")
        return _quoted(word.replace(b"*", b"~") if letter == "S" else word)
    if letter == "r":
        return _joined(following)
    if letter == "a":
        return _joined(iter(words))
    if letter == "k":
        return _quoted(words[0]) if words else ""
    if letter in "bA":
        return _quoted(octets(facts))
    if letter in "eU":
        return (octets(facts) if letter == "e" else facts.header).hex().upper()
    if letter == "C":
        return _quoted(_charset(facts))
    if letter == "t":
        when = datetime.fromtimestamp(facts.at or 0, timezone.utc)
        return f"{when:%Y-%m-%d+%H:%M:%S}"
    if letter == "O":
        return f"{facts.data_coding:02d}"
    return "%" if letter == "%" else found[0]


_PLAIN = {
    "B": "billing", "c": "coding", "d": "event", "D": "meta", "f": "center", "F": "foreign", "i": "gateway", "I": "id",
    "m": "message_class", "M": "waiting", "n": "service", "o": "account", "R": "report_url", "T": "at", "u": "header",
    "v": "validity", "V": "deferred", "x": "box", "y": "priority",
}  # fmt: skip


_NO_CHARSET = re.compile("punycode|idna|escape|undefined|mbcs|oem|palmos")


def is_charset(name: str) -> bool:
    """Whether texts can be written in it."""
    try:
        return not _NO_CHARSET.search(name.lower()) and getattr(
            codecs.lookup(name), "_is_text_encoding", True
        )
    except (LookupError, ValueError):
        return False


def _quoted(value: str | bytes) -> str:
    return quote_all(value, safe="*")


def octets(facts: Facts) -> bytes:
    """The message as `%b` shows it: its octets, or its text in the charset that was asked for; what that lacks is a "?"."""
    return facts.text if isinstance(facts.text, bytes) else facts.text.encode(facts.charset, "replace")


def _words(facts: Facts) -> list[bytes]:
    # Texts are cut before they are encoded: an octet of UTF-16 may look like a blank.
    if isinstance(facts.text, bytes):
        return [word for word in _BLANK_OCTETS.split(facts.text) if word]
    return [word.encode(facts.charset, "replace") for word in _BLANKS.split(facts.text) if word]


def _joined(words: Iterator[bytes]) -> str:
    return "+".join([_quoted(word) for word in words])


def _charset(facts: Facts) -> str:
    return "8-BIT" if isinstance(facts.text, bytes) else facts.charset


def meta_value(meta: str, group: str, name: str) -> str:
    """What stands in `?group?name=value&…` of metadata, "" when nothing does."""
    parts = meta.split("?")
    for found, pairs in zip(parts[1::2], parts[2::2], strict=False):
        if found == group:
            for key, value in parse_qsl(pairs, keep_blank_values=True):
                if key == name:
                    return value
    return ""


# -- delivery reports


def wants(mask: int) -> Wants:
    """What to tell a sender with this dlr-mask."""
    wanted = Wants.NOTHING
    for bit, wish in _WANTS.items():
        if mask & bit:
            wanted |= wish
    return wanted


def ticket(url: str, mask: int, facts: Facts) -> Ticket:
    """The way back to a dlr-url, with all that its escapes may need later and only the sender knows."""
    kept = {name: value for name in _KEPT if (value := getattr(facts, name))}
    return Ticket(Address(SCHEME, url), envelope_id=urlencode({"mask": mask & MASK, **kept}), full=False)


_KEPT = ("receiver", "service", "account", "billing", "meta")


def asked(report: Report) -> int:
    """The mask that the sender gave; all of it when the ticket has none."""
    mask = dict(parse_qsl(report.envelope_id)).get("mask", "")
    return int(mask) if mask.isascii() and mask.isdigit() else MASK


def value(report: Report) -> int:
    """The `%d` of a report; 0 for one that Kannel has no word for."""
    if report.event in _FAILURES:
        return FAILED if report.parts_sent else REFUSED
    return _VALUES.get(report.event, 0)


def callback(url: str, report: Report) -> str | None:
    """The URL to request for a report to `Address("dlr", url)`; None when the sender did not ask for this one."""
    event = value(report)
    if not (event | FAILED if event == REFUSED else event) & asked(report):
        return None
    return fill(url, from_report(report, url))


def from_report(report: Report, url: str = "") -> Facts:
    """What the escapes of a dlr-url say of a report."""
    kept = dict(parse_qsl(report.envelope_id))
    event = value(report)
    said = report.network or report.reason
    return Facts(
        text="ACK/" + report.network if event == SENT else "NACK/" + said if event == REFUSED else said,
        sender=report.recipient, at=report.at // 1000, gateway=report.gateway, id=str(report.delivery), event=event,
        foreign=report.reference, report_url=url, receiver=kept.get("receiver", ""), service=kept.get("service", ""),
        account=kept.get("account", ""), billing=kept.get("billing", ""), meta=kept.get("meta", ""),
    )  # fmt: skip
