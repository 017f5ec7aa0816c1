"""Whatever comes in: nothing raises, every question gets exactly one answer, and nothing else gets any."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.words.xish.domish import Element

from smsd.links.xmpp.stanzas import ACCEPT
from tests.links.xmpp.room import EMAIL, ONLY, PHONE, SMS, Room

QUESTIONS = (
    ("http://jabber.org/protocol/disco#info", "query"), ("http://jabber.org/protocol/disco#items", "query"),
    ("jabber:iq:register", "query"), ("jabber:iq:gateway", "query"), ("http://jabber.org/protocol/commands", "command"),
    ("jabber:iq:version", "query"), ("urn:xmpp:ping", "ping"), ("urn:xmpp:time", "time"), ("vcard-temp", "vCard"),
    ("jabber:iq:last", "query"), ("urn:ietf:params:xml:ns:vcard-4.0", "vcard"), ("urn:xmpp:mam:2", "query"),
)  # fmt: skip
INSIDE = (
    "username", "password", "remove", "prompt", "x", "field", "value", "item", "set", "children", "attributes", "__await__",
)  # fmt: skip
SPACES = (
    "jabber:x:data",
    "jabber:iq:register",
    "jabber:iq:gateway",
    "http://jabber.org/protocol/muc",
    "",
    ACCEPT,
    "a'\"<&",
)
VALUES = st.one_of(
    st.sampled_from(
        ("ann", "annpw", "office", "submit", "cancel", "execute", "next", "prev", "complete", "register", "balance", "gateway",
         "messages", "http://jabber.org/protocol/commands", "+15551234567", "(555) 123-4567", "a@b.example", "1", "x" * 5000)
    ),
    st.text(max_size=20),
)  # fmt: skip
ATTRIBUTES = st.dictionaries(
    st.sampled_from(("node", "action", "sessionid", "type", "var", "id", "xmlns", "jid")), VALUES, max_size=4
)
KINDS = st.sampled_from(
    (
        "get",
        "set",
        "result",
        "error",
        "",
        "subscribe",
        "probe",
        "unavailable",
        "unsubscribe",
        "subscribed",
        "unsubscribed",
        "?",
    )
)
SENDERS = st.sampled_from(
    ("ann@example.org/phone", "bob@elsewhere.example", "carl@example.net/x", "example.net", f"+1555@{SMS}", "", "@", "a@b@c/d",
     "\u00e9@\u00fc.example/\u2603")
)  # fmt: skip
TO = st.sampled_from(
    (SMS, EMAIL, PHONE, f"{SMS}/res", f"john%doe.com@{EMAIL}", f"john\\40doe.com@{ONLY}", f"no-number-at-all@{SMS}",
     f"a@b@{SMS}", "", f"{'9' * 900}@{SMS}")
)  # fmt: skip


def element(name: tuple[str, str], attributes: dict[str, str], inside: list[Any]) -> Element:
    """One with these attributes and children."""
    made = Element(name)
    made.attributes.update(attributes)
    for one in inside:
        made.addChild(one)
    return made


LEAVES = st.one_of(
    VALUES,
    st.builds(element, st.tuples(st.sampled_from(SPACES), st.sampled_from(INSIDE)), ATTRIBUTES, st.just([])),
)
TREES = st.recursive(
    LEAVES,
    lambda inside: st.builds(
        element,
        st.tuples(st.sampled_from(SPACES), st.sampled_from(INSIDE)),
        ATTRIBUTES,
        st.lists(inside, max_size=4),
    ),
    max_leaves=12,
)
PAYLOADS = st.builds(element, st.sampled_from(QUESTIONS), ATTRIBUTES, st.lists(TREES, max_size=4))
SETTINGS = settings(
    deadline=None, max_examples=250, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


class Anything(Room):
    @SETTINGS
    @given(
        KINDS, SENDERS, TO, st.sampled_from(("q1", "", "\x0b", "x" * 3000)),
        st.lists(st.one_of(PAYLOADS, PAYLOADS, PAYLOADS, TREES), max_size=2),
    )  # fmt: skip
    def test_iq(self, kind: str, sender: str, to: str, id: str, inside: list[Any]) -> None:
        came = element((ACCEPT, "iq"), {"type": kind, "from": sender, "to": to, "id": id}, inside)
        self.link.sent.clear()
        self.services.iq(self.link.domains[0], came)
        if self.services._waiting:
            self.house.settle()
        self.house.clock.advance(1)
        self.assertEqual(self.services._waiting, {})
        self.assertEqual(
            len([one for one in self.link.sent if one.name == "iq"]),
            1 if sender and kind not in ("result", "error") else 0,
        )
        self.assertEqual(self.flushLoggedErrors(), [])

    @SETTINGS
    @given(KINDS, SENDERS, TO, st.lists(st.one_of(PAYLOADS, TREES), max_size=3))
    def test_presence(self, kind: str, sender: str, to: str, inside: list[Any]) -> None:
        self.link.sent.clear()
        came = element((ACCEPT, "presence"), {"type": kind, "from": sender, "to": to}, inside)
        for missing in ("", "from", "to"):
            came.attributes.pop(missing, None)
            self.services.presence(self.link.domains[0], came)
        self.house.clock.advance(1)
        self.assertLessEqual(len(self.link.sent), 9)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_without_anything(self) -> None:
        for name in ("iq", "presence"):
            getattr(self.services, name)(self.link.domains[0], Element((ACCEPT, name)))
        self.assertEqual(self.link.sent, [])

    def test_deep_and_wide(self) -> None:
        """A stanza as big as the stream takes it, in every question there is."""
        for uri, name in QUESTIONS:
            deep = Element((uri, name))
            at = deep
            for number in range(20_000):
                at = at.addElement(("jabber:x:data", "x") if number % 2 else (uri, "field"))
            wide = Element((uri, name))
            for number in range(20_000):
                wide.addElement(("jabber:x:data", "x") if number % 2 else (uri, "username"), content="y" * 50)
            for payload in (deep, wide):
                about = {"type": "set", "from": "ann@example.org/x", "to": SMS, "id": "1"}
                came = element((ACCEPT, "iq"), about, [payload])
                self.services.iq(self.domain(SMS), came)
                self.house.settle()
                (answer,) = [one for one in self.link.sent if one.name == "iq"]
                self.assertLess(len(answer.toXml()), 5_000)
                self.link.sent.clear()
