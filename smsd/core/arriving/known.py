"""An incoming message as it can be seen at once: whose it is, what it names, how rules read its sender."""

from __future__ import annotations

import re

from smsd.codec.mail import reply_address
from smsd.codec.number import normalise
from smsd.policy import reply
from smsd.policy.rules.sendto import CHATS, read_chat, subscriber
from smsd.store.receiving import Arrival
from smsd.values.address import Address
from smsd.values.errors import InvalidValue
from smsd.values.frozen import frozen
from smsd.values.message import Content, Recipient, Submission, Text


class Arrivals:
    """Where a gateway's incoming messages go: its mailbox (or `hook:` and a subscriber, `spool:` and a spool folder, `xmpp:`
    or `sip:` and somebody's address), and the From: pattern of the mail."""

    def __init__(self, deliver_to: str, mail_from: str, country: str | None) -> None:
        self.deliver_to = deliver_to
        self.mail_from = mail_from
        self.country = country

    def receiver(self, otherwise: str) -> Address:
        """Who gets them when nobody says anything else."""
        scheme, _, rest = self.deliver_to.partition(":")
        if scheme == "spool":
            return Address("spool", rest)
        if scheme in CHATS:
            return read_chat(scheme, rest)
        named = subscriber(self.deliver_to)
        return Address("hook", named) if named else Address("mailto", self.deliver_to or otherwise)


@frozen
class Known:
    """`peer` is the phone in its normal form, and only to a `phone` a text can be sent back (no short code, no name). `own`
    is the number that was written to. `text` is the body without the `address` that it names between hashes. `answers` is the
    message that it answers, when it is known. `number` is the id that the message will have, 0 when nobody asks for it."""

    arrival: Arrival
    arrivals: Arrivals
    peer: str
    phone: bool
    own: str
    text: str
    address: str = ""
    answers: reply.Sent | None = None
    number: int = 0

    @property
    def content(self) -> Content:
        """The content as it is delivered, when no rule changes it."""
        return Text(self.text) if self.address else self.arrival.content

    @property
    def blank(self) -> bool:
        """Whether there is nothing in it (feature I5)."""
        return isinstance(self.arrival.content, Text) and not self.text

    def submission(self, recipient: Recipient) -> Submission:
        """The message as it came, for this recipient; its headers are what `smsd.gateways.smtp.letters` reads."""
        arrival = self.arrival
        named = [
            ("gateway", arrival.gateway),
            ("mail_from", self.arrivals.mail_from),
            *arrival.headers,
            ("own", arrival.own),
        ]
        if self.answers is not None:
            named += [
                ("in_reply_to", self.answers.message_id),
                ("references", self.answers.references),
                ("subject", reply.answered(self.answers.subject)),
                ("answers", str(self.answers.delivery or "")),
                ("typed", self.answers.typed),
            ]
        return Submission(
            door=arrival.gateway,
            origin=Address("sms", self.peer or "unknown"),
            recipients=(recipient,),
            content=arrival.content,
            headers=tuple(pair for pair in named if pair[1]),
            key=arrival.key,
            number=self.number,
            hops=arrival.hops,
        )

    def sender(self, server_name: str) -> str:
        """What the gateway's From: pattern makes of the number, as rules read it: `sms:+1555…@domain` (feature R6)."""
        try:
            envelope = reply_address(self.arrivals.mail_from, self.peer, server_name).envelope
        except InvalidValue:
            envelope = reply_address("%s", self.peer, server_name).envelope
        local, _, where = envelope.rpartition("@")
        if local.startswith('"'):
            local = re.sub(r"\\(.)", r"\1", local[1:-1])
        return f"{local}@{where}"


_NOBODY = Arrivals("", "%s", None)


def know(arrival: Arrival, arrivals: Arrivals | None, replying: reply.Replying) -> Known:
    """What can be known of it at once."""
    arrivals = arrivals or _NOBODY
    peer, kind = _number(arrival.sender, arrivals.country)
    phone = kind in ("international", "national")
    own = _number(arrival.own, arrivals.country)[0] if arrival.own else ""
    text = arrival.content.text if isinstance(arrival.content, Text) else ""
    tagged = reply.tag(text, replying)
    if tagged is not None:
        return Known(arrival, arrivals, peer, phone, own, tagged.text, tagged.address)
    return Known(arrival, arrivals, peer, phone, own, text if text.strip() else "")


def _number(typed: str, country: str | None) -> tuple[str, str]:
    """Its normal form and its kind; networks let many things be a sender, which are kept as they came."""
    try:
        number = normalise(typed, country)
    except InvalidValue:
        return typed, ""
    return number.value, number.kind
