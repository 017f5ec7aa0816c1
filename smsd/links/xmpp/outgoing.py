"""What goes to people, as stanzas: texts of phones, receipts, failures, and what rules forward.

A piece makes the same stanzas whenever it is sent, with the same ids, so that archives and clients know a repeat. No sockets.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone

from twisted.words.xish.domish import Element

from smsd.codec.jid import Jid, escape, node_of
from smsd.links.xmpp.domains import Domain
from smsd.links.xmpp.incoming import NORMAL
from smsd.links.xmpp.reading import DELAY, STANZA_IDS
from smsd.links.xmpp.stanzas import HINTS, received, refuse, stanza
from smsd.values.address import Address
from smsd.values.delivery import Failure, Kind, Piece
from smsd.values.errors import InvalidValue
from smsd.values.message import Binary, Report, Text

OLD = 60_000
"""Milliseconds after which a text shows when the phone sent it (XEP-0203)."""
FORGOTTEN = 120_000
"""Milliseconds after which the writer may have gone offline: servers drop an error then, so a message says it too."""
LONGEST_QUOTE = 60
SHOWN_OCTETS = 70


def identity(piece: Piece) -> str:
    """The id of the stanza for a piece."""
    again = f"-{piece.again}" if piece.again else ""
    return f"smsd-{piece.message}-{piece.delivery}{again}"


def delivery_of(identity: str) -> int:
    """The delivery whose stanza has this id; 0 for none of ours."""
    found = re.fullmatch(r"smsd-[0-9]{1,19}-([0-9]{1,19})(-[0-9]{1,9})?", identity)
    number = int(found[1]) if found else 0
    return number if number < 1 << 63 else 0


def made(
    piece: Piece, domains: list[Domain], now: int, subjects: bool = False
) -> tuple[Domain, list[Element]]:
    """The stanzas for a piece, and the domain whose stream carries them; Failure when it cannot be one. `subjects`: a text
    that has a subject keeps it."""
    try:
        to = Jid.parse(piece.target.target)
    except InvalidValue as error:
        raise Failure(Kind.PERMANENT, str(error), status="5.1.3") from None
    if any(domain.name == to.domain for domain in domains):
        reason = f"{to.bare} is an address of this gateway itself: send to the phone, as in sms:+15551234567"
        raise Failure(Kind.PERMANENT, reason, status="5.1.2")
    if isinstance(piece.content, Report):
        return _report(piece, piece.content, to, domains, now)
    if not isinstance(piece.content, (Text, Binary)):
        raise Failure(Kind.PERMANENT, "what a rule does outside is no chat message", status="5.6.0")
    about = dict(piece.headers)
    domain, sender = _sender(piece.origin, about.get("typed", ""), domains)
    message = stanza("message", sender=sender, to=to.full, kind="chat", id=identity(piece))
    subject = about.get("subject", "")
    if subject and subjects:
        message.addElement("subject", content=subject)
    message.addElement("body", content=_text(piece, about))
    message.addElement((STANZA_IDS, "origin-id"))["id"] = identity(piece)
    message.addElement((HINTS, "store"))
    date = about.get("date", "")
    sent = int(date) if date.isascii() and date.isdigit() and len(date) < 15 else piece.arrived
    if now - sent > OLD:
        stamp = message.addElement((DELAY, "delay"))
        stamp["from"], stamp["stamp"] = domain.name, _stamp(sent)
    return domain, [message]


def _text(piece: Piece, about: dict[str, str]) -> str:
    if isinstance(piece.content, Binary):
        data = piece.content.data
        more = "…" if len(data) > SHOWN_OCTETS else ""
        return f"(binary message of {len(data)} octets: {data[:SHOWN_OCTETS].hex(' ')}{more})"
    assert isinstance(piece.content, Text)
    text = piece.content.text
    if piece.origin.scheme == "mailto" and about.get("subject"):
        text = f"{about['subject']}\n\n{text}"
    missing = about.get("missing-parts", "")
    return f"{text}\n\n[Not all of this message arrived: missing part {missing}]" if missing else text


def _sender(origin: Address, typed: str, domains: list[Domain]) -> tuple[Domain, str]:
    """Who it comes from: exactly who had been written to; else the phone's number, or the mail address, on our first domain for
    such."""
    if typed:
        try:
            written = Jid.parse(typed)
        except InvalidValue:
            written = Jid("", "")
        domain = next((one for one in domains if one.name == written.domain), None)
        if domain is not None:
            return domain, written.bare
    if origin.scheme == "mailto":
        domain = _first(domains, "email")
        return domain, f"{node_of(origin.target)}@{domain}"
    domain = _first(domains, "fax" if origin.scheme == "fax" else "sms")
    node = escape(origin.target) if origin.scheme in ("sms", "fax", "tel") else ""
    return domain, f"{node}@{domain}" if node else domain.name


def _first(domains: list[Domain], kind: str) -> Domain:
    return next((domain for domain in domains if domain.kind == kind), domains[0])


# -- reports


def _report(
    piece: Piece, report: Report, to: Jid, domains: list[Domain], now: int
) -> tuple[Domain, list[Element]]:
    scheme = "mailto" if "@" in report.recipient else "sms"
    domain, sender = _sender(Address(scheme, report.recipient), report.recipient, domains)
    wrote, kind = report.envelope_id, "chat"
    if wrote.startswith(NORMAL):
        wrote, kind = wrote[len(NORMAL) :], "normal"
    try:
        device = Jid.parse(wrote) if wrote else to
    except InvalidValue:
        device = to
    if device.bare != to.bare:
        device = to
    if report.event == "delivered":
        receipt = received(sender, device.full, kind, report.message_id, identity(piece))
        return domain, [receipt] if report.message_id else []
    if report.event in ("failed", "expired", "cancelled"):
        failed = []
        if report.message_id:
            bounce = stanza("message", sender=sender, to=device.full, kind="error", id=report.message_id)
            failed.append(refuse(bounce, *_condition(report), report.reason))
        if not failed or now - report.arrived > FORGOTTEN:
            failed.append(_told(piece, report, sender, to))
        return domain, failed
    return domain, []  # on its way is no news in a chat


def _condition(report: Report) -> tuple[str, str]:
    """Condition and type for a message that has failed for good."""
    if report.event == "expired":
        return "recipient-unavailable", "wait"
    if report.status in ("5.1.1", "5.1.2", "5.1.3"):
        return "item-not-found", "cancel"
    if report.status == "5.7.1":
        return "forbidden", "auth"
    return ("undefined-condition" if report.event == "cancelled" else "service-unavailable"), "cancel"


def _told(piece: Piece, report: Report, sender: str, to: Jid) -> Element:
    text = " ".join(report.text.split())
    quote = f" “{text[:LONGEST_QUOTE]}{'…' if len(text) > LONGEST_QUOTE else ''}”" if text else ""
    message = stanza("message", sender=sender, to=to.bare, kind="chat", id=identity(piece))
    message.addElement("body", content=f"Not delivered:{quote} ({report.reason})")
    message.addElement((HINTS, "store"))
    return message


def _stamp(milliseconds: int) -> str:
    at = datetime.fromtimestamp(milliseconds / 1000, timezone.utc)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
