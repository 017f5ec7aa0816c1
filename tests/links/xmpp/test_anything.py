"""Whatever comes in: nothing raises, every question gets exactly one answer, and nothing else gets any."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.words.xish.domish import Element

from smsd.codec.jid import Jid
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


NODES = ("register", "balance", "messages", "gateway", "sender", "addresses", "unregister", "nothing")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(("ann@example.org/phone", "ann@example.org/phone", "bob@elsewhere.example/x")),
        st.sampled_from(("last", "last", "last", *NODES)),
        st.sampled_from(("", "execute", "next", "next", "prev", "complete", "complete", "cancel", "dance")),
        st.sampled_from(("old", "old", "old", "old", "new", "other", "wait", "overdue")),
        st.dictionaries(
            st.sampled_from(("username", "password", "gateway", "sender", "which", "to", "sure", "unlink")),
            st.sampled_from(
                (
                    "office",
                    "annpw",
                    "gsm1",
                    "ACME",
                    "all",
                    "failed",
                    "1",
                    "0",
                    "",
                    "bob@elsewhere.example",
                    "x",
                )
            ),
            max_size=4,
        ),
    ),
    min_size=10,
    max_size=40,
)


class Conversations(Room):
    @settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
    @given(st.booleans(), STEPS)
    def test_any_walk_through_commands(self, linked: bool, steps: list[Any]) -> None:
        """With the right name and password at hand, in any order, also of somebody else: there is one answer to each, none of them
        is an accident, and what is kept stays within its bounds."""
        commands = self.services._of_domain["http://jabber.org/protocol/commands", "command"].__self__  # type: ignore[union-attr]
        sessions: dict[tuple[str, str], str] = {}
        for sender in ("ann@example.org/phone", "bob@elsewhere.example/x"):
            jid = Jid.parse(sender)
            self.house.wait(self.people.link(jid, "office") if linked else self.people.unlink(jid))
        last = "register"
        for sender, node, action, which, fields in steps:
            node = last = last if node == "last" else node
            session = sessions.get((sender, node), "")
            if which == "new":
                session = ""
            elif which == "other":
                session = next(iter(sessions.values()), "nothing")
            elif which in ("wait", "overdue"):
                self.house.clock.advance(60.0 if which == "wait" else 601.0)
            if node == "register" and action in ("next", "complete"):
                fields = {**fields, "username": "office", "password": "annpw"}
            inside = [
                element(("jabber:x:data", "field"), {"var": var}, [_value(value)])
                for var, value in fields.items()
            ]
            form = element(("jabber:x:data", "x"), {"type": "submit"}, inside)
            about = {"node": node, "action": action, "sessionid": session}
            asked = element(
                ("http://jabber.org/protocol/commands", "command"),
                {key: said for key, said in about.items() if said},
                [form],
            )
            self.link.sent.clear()
            came = element((ACCEPT, "iq"), {"type": "set", "from": sender, "to": SMS, "id": "q"}, [asked])
            self.services.iq(self.link.domains[0], came)
            if self.services._waiting:
                self.house.settle()
            (answer,) = [one for one in self.link.sent if one.name == "iq"]
            self.assertNotIn("internal-server-error", answer.toXml())
            if answer["type"] == "result":
                sessions[sender, node] = answer.firstChildElement()["sessionid"]
            per_person = Counter(talk.jid.bare for talk in commands._talks.values())
            self.assertLessEqual(max(per_person.values(), default=0), 5)
            self.assertEqual([talk for talk in commands._talks.values() if talk.busy], [])
            self.assertNotIn("annpw", str(commands._talks))
        self.assertEqual(self.flushLoggedErrors(), [])


def _value(text: str) -> Element:
    return element(("jabber:x:data", "value"), {}, [text])


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
