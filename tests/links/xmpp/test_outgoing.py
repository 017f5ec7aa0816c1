"""Pieces as stanzas: whatever a phone or a rule wrote, what goes out is well-formed, says it, and is the same each time."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec.jid import Jid
from smsd.codec.xmltext import clean
from smsd.links.xmpp.domains import Domain
from smsd.links.xmpp.outgoing import made
from smsd.links.xmpp.stanzas import write
from smsd.values.address import Address
from smsd.values.delivery import Failure, Piece
from smsd.values.message import Binary, Call, Content, Report, Text

NOW = 1_800_000_000_000
DOMAINS = [Domain("sms.example.org"), Domain("email.example.org", "email")]
STORABLE = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)


def piece(content: Content, **changes: Any) -> Piece:
    """For ann."""
    facts: dict[str, Any] = {
        "delivery": 2, "message": 1, "lane": 1, "gateway": "chat", "target": Address("xmpp", "ann@example.org"),
        "content": content, "origin": Address("sms", "+15551234567"), "arrived": NOW,
    }  # fmt: skip
    return Piece(**{**facts, **changes})


def report(event: str, **changes: Any) -> Report:
    facts: dict[str, Any] = {
        "event": event, "message": 1, "delivery": 1, "recipient": "+1@sms.example.org", "reason": "so", "arrived": NOW,
        "at": NOW, "text": "Hello", "message_id": "m1", "envelope_id": "ann@example.org/phone",
    }  # fmt: skip
    return Report(**{**facts, **changes})


def parsed(one: Piece, now: int = NOW) -> list[ElementTree.Element]:
    """As the chat server reads them."""
    _, stanzas = made(one, DOMAINS, now)
    inside = "".join(write(stanza) for stanza in stanzas)
    return list(ElementTree.fromstring(f"<s>{inside}</s>".encode()))


class Texts(SynchronousTestCase):
    @given(
        STORABLE, STORABLE, STORABLE, st.sampled_from(["sms", "mailto", "xmpp", "account", "fax"]), STORABLE
    )
    def test_anything_is_a_stanza_or_a_failure(
        self, text: str, typed: str, origin: str, scheme: str, target: str
    ) -> None:
        one = piece(
            Text(text),
            origin=Address(scheme, origin),
            headers=(("typed", typed), ("subject", typed), ("date", text), ("missing-parts", text)),
        )
        (message,) = parsed(one)
        self.assertIn(clean(text).replace("\r\n", "\n"), (message.findtext("body") or ""))
        domain = (message.get("from") or "").rpartition("@")[2]
        self.assertIn(domain, [str(known) for known in DOMAINS])
        try:
            parsed(piece(Text(text), target=Address("xmpp", target)))
        except Failure as failure:
            self.assertTrue(failure.reason)

    def test_the_same_each_time_and_another_when_an_operator_sends_it_again(self) -> None:
        ids = [one.get("id") for again in (0, 0, 1) for one in parsed(piece(Text("x"), again=again))]
        self.assertEqual(ids[0], ids[1])
        self.assertNotEqual(ids[0], ids[2])

    def test_who_it_comes_from(self) -> None:
        for origin, typed, sender in (
            (Address("sms", "+1555"), "", "+1555@sms.example.org"),
            (Address("sms", "+1555"), "1555@sms.example.org", "1555@sms.example.org"),
            (Address("sms", "+1555"), "1555@email.example.org/x", "1555@email.example.org"),
            (Address("sms", "+1555"), "+1555@gone.example.org", "+1555@sms.example.org"),
            (Address("sms", "+1555"), "+1555", "+1555@sms.example.org"),
            (Address("sms", "My Bank"), "", "My\\20Bank@sms.example.org"),
            (Address("mailto", "john@doe.com"), "", "john%doe.com@email.example.org"),
            (Address("account", "smsd"), "", "sms.example.org"),
        ):
            (message,) = parsed(piece(Text("x"), origin=origin, headers=(("typed", typed),)))
            self.assertEqual(message.get("from"), sender)

    def test_without_an_email_domain_mail_comes_from_the_first(self) -> None:
        _, (message,) = made(piece(Text("x"), origin=Address("mailto", "a@b")), DOMAINS[:1], NOW)
        self.assertEqual(message["from"], "a%b@sms.example.org")

    def test_what_is_missing_is_said(self) -> None:
        (message,) = parsed(piece(Text("x"), headers=(("missing-parts", "2,3"),)))
        self.assertEqual(message.findtext("body"), "x\n\n[Not all of this message arrived: missing part 2,3]")

    def test_octets(self) -> None:
        (message,) = parsed(piece(Binary(b"\x00\xff" * 100)))
        self.assertRegex(message.findtext("body") or "", r"^\(binary message of 200 octets: 00 ff .*ff…\)$")

    def test_what_cannot_be_one(self) -> None:
        for one in (
            piece(Call("url", "https://example.org")),
            piece(Text("x"), target=Address("xmpp", "@")),
            piece(Text("x"), target=Address("xmpp", "a@sms.example.org")),
        ):
            self.assertRaises(Failure, made, one, DOMAINS, NOW)


class Reports(SynchronousTestCase):
    def test_on_its_way_is_no_news(self) -> None:
        for event in ("sent", "buffered", "delayed"):
            self.assertEqual(parsed(piece(report(event))), [])

    def test_a_receipt_needs_an_id(self) -> None:
        self.assertEqual(len(parsed(piece(report("delivered")))), 1)
        self.assertEqual(parsed(piece(report("delivered", message_id=""))), [])

    def test_conditions(self) -> None:
        for event, status, condition, kind in (
            ("expired", "", "recipient-unavailable", "wait"),
            ("failed", "5.1.1", "item-not-found", "cancel"),
            ("failed", "5.7.1", "forbidden", "auth"),
            ("failed", "5.0.0", "service-unavailable", "cancel"),
            ("cancelled", "", "undefined-condition", "cancel"),
        ):
            (error,) = parsed(piece(report(event, status=status)))
            inside = error[0]
            self.assertEqual((inside.get("type"), inside[0].tag.rpartition("}")[2]), (kind, condition))

    def test_a_failure_without_an_id_is_told_in_words(self) -> None:
        (message,) = parsed(piece(report("failed", message_id="")))
        self.assertEqual(message.findtext("body"), "Not delivered: “Hello” (so)")

    def test_it_goes_to_the_device_and_to_nobody_else(self) -> None:
        for wrote, to in (
            ("ann@example.org/phone", "ann@example.org/phone"),
            ("eve@example.org/x", "ann@example.org"),
            ("", "ann@example.org"),
            ("@", "ann@example.org"),
        ):
            (receipt,) = parsed(piece(report("delivered", envelope_id=wrote)))
            self.assertEqual(receipt.get("to"), to)
            self.assertEqual(Jid.parse(to).bare, "ann@example.org")
