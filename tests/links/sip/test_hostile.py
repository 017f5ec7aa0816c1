"""Whatever a peer sends, even one that is trusted: at most one answer each, none of them 500, and the link goes on."""

from __future__ import annotations

import sqlite3
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec.sip import Malformed, Peer, parse, write
from smsd.core.accounts import Accounts
from smsd.core.accounts.digests import Digests
from smsd.interfaces import FrontendContext, GatewayContext
from smsd.links.sip.building import build
from smsd.links.sip.link import SipLink
from smsd.links.sip.settings import Settings
from smsd.store.group import StoreClosed
from smsd.values.message import Queued, Receipt, Submission
from tests.links.sip.rig import NUMBER, PBX, PHONE, REALM, FakeWires, register, request


class Memory:
    """Remembers in a dict."""

    def __init__(self) -> None:
        self.facts: dict[str, str] = {}

    def everything(self, prefix: str = "") -> Deferred[dict[str, str]]:
        return succeed(dict(self.facts))

    def remember(self, key: str, value: str | None) -> Deferred[None]:
        if value is None:
            self.facts.pop(key, None)
        else:
            self.facts[key] = value
        return succeed(None)


class Outlet:
    def opened(self, slots: int) -> None:
        pass

    def closed(self, reason: str) -> None:
        pass

    def back(self, target: object) -> Deferred[None]:
        return succeed(None)


class Dispatcher:
    """Takes everything that a store could hold."""

    def __init__(self) -> None:
        self.taken: list[Submission] = []

    def submit(self, submission: Submission) -> Deferred[Receipt]:
        self.taken.append(submission)
        return succeed(Receipt(len(self.taken), (Queued(1, "sms:x"),)))


def link(folder: str) -> tuple[Any, Any, Dispatcher]:
    """A link, its wires, and what takes its messages."""
    clock = Clock()
    accounts = Accounts((), clock)
    chosen = Settings(
        id="sip1", domains=[REALM], trusted_networks=["10.0.0.0/8"],
        rules=[{"number": "^[+0-9ü]", "sms": "1", "method": "MESSAGE"}],
    )  # fmt: skip
    dispatcher = Dispatcher()
    door = FrontendContext(
        reactor=clock, dispatcher=dispatcher, inbound=None, portal=accounts.portal, digests=Digests(accounts)
    )
    context = GatewayContext(
        reactor=clock, outlet=Outlet(), inbound=None, memory=Memory(), spool=lambda name: folder, door=door
    )
    made = SipLink(chosen, build(chosen).rules, context, FakeWires)
    made.startService()
    return made, made.wires, dispatcher


WORDS = [
    b"\r\n", b";", b",", b"<", b">", b'"', b"\0", b"\xff", "ü".encode(), b"%00", b"%", b"sip:", b"tel:", b"@", b"*", b"tag=",
    b"Contact: ", b"Expires: ", b"expires=", b"99999999999999999999", b"-1", b"Via: ", b"branch=z9hG4bK", b"rport",
    b"Require: x\r\n",
    b"P-Asserted-Identity: ", b"Authorization: Digest ", b"nonce=", b"Content-Type: message/cpim\r\n", b"charset=utf-7",
    b"+sip.instance=", b"\r\n\r\n", b"[::1]", b"x" * 300, b"multipart/mixed;boundary=x",
]  # fmt: skip
BASES = [
    write(request(peer=PBX)),
    write(request(peer=PBX, text="ü" * 30, to="tel:+393331234567")),
    write(register(peer=PBX)),
    write(register(peer=PBX, contact='<sip:a@10.1.1.1>;expires=60;+sip.instance="<urn:uuid:1>"')),
    write(request("OPTIONS", text="", peer=PBX)),
    write(request(peer=PBX, headers=(("Authorization", 'Digest username="ann", realm="sip.example.org"'),))),
    write(
        request(
            peer=PBX,
            text="From: <sip:a@b>\r\nTo: <sip:c@d>\r\n\r\nContent-Type: text/plain\r\n\r\nHi",
            kind="message/cpim",
        )
    ),
]


@st.composite
def mutated(draw: Any) -> bytes:
    """A request in which something was put, cut or changed in a few places."""
    octets = draw(st.sampled_from(BASES))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(octets)))
        cut = draw(st.sampled_from([0, 0, 1, 5, 40]))
        octets = octets[:at] + draw(st.sampled_from(WORDS) | st.binary(max_size=8)) + octets[at + cut :]
    return bytes(octets)


class Hostile(SynchronousTestCase):
    def setUp(self) -> None:
        self.link, self.wires, self.dispatcher = link(self.mktemp())

    def answers(self, octets: bytes, peer: Peer) -> list[int]:
        """The status of each. (What answers a broken header repeats it, and could not be read.)"""
        self.wires.heard(octets, peer)
        sent, self.wires.sent = self.wires.sent, []
        return [int(answer.removeprefix(b"SIP/2.0 ")[:3]) for _, answer in sent]

    @settings(max_examples=400, suppress_health_check=list(HealthCheck), deadline=None)
    @given(mutated(), st.booleans())
    @example(BASES[2].replace(b"<sip:ann@192.0.2.7:5062>", b"*"), True)
    @example(BASES[0].replace(b"sip:+39", b"sip:%00%ff"), True)
    def test_one_answer_and_never_500(self, octets: bytes, trusted: bool) -> None:
        # None is a retransmission of another, nor an old REGISTER.
        self.link.registrar._of.clear()
        self.link.stack.transactions = type(self.link.stack.transactions)(b"x" * 32)
        found = self.answers(octets, PBX if trusted else PHONE)
        self.assertLessEqual(len(found), 1)
        for status in found:
            self.assertNotEqual(status, 500, octets)
            if not trusted:
                self.assertNotIn(status, (202, 423))
        self.assertEqual(self.link.server.working, 0)

    def test_what_it_has_taken_is_what_was_written(self) -> None:
        for octets in BASES:
            self.answers(octets, PBX)
        self.assertEqual(
            [one.content.text for one in self.dispatcher.taken], ["Hello", "ü" * 30, "Hello", "Hi"]
        )  # type: ignore[union-attr]
        self.assertEqual({one.recipients[0].address.target for one in self.dispatcher.taken}, {NUMBER})

    def test_a_name_that_no_store_holds_is_refused_in_words(self) -> None:
        self.assertEqual(self.answers(BASES[0].replace(b"sip:+39", b"sip:+39%00"), PBX), [400])
        self.assertEqual(self.dispatcher.taken, [])

    def test_more_than_can_be_worked_on_are_told_to_come_again(self) -> None:
        waiting: list[Deferred[Receipt]] = []

        def submit(submission: Submission) -> Deferred[Receipt]:
            waiting.append(Deferred())
            return waiting[-1]

        self.dispatcher.submit = submit  # type: ignore[method-assign]
        statuses = []
        for _ in range(2001):
            statuses += self.answers(write(request(peer=PBX)), PBX)
        self.assertEqual((len(waiting), statuses), (2000, [503]))
        for done in waiting:
            done.callback(Receipt(1, (Queued(1, "sms:x"),)))
        self.assertEqual({answer.status for _, answer in self.wires.take()}, {202})

    def test_a_register_that_comes_late_changes_nothing(self) -> None:
        asked = register(peer=PBX)
        late = write(asked).replace(b"branch=z9hG4bK", b"branch=z9hG4bKlate").replace(b":5062", b":5099")
        other = late.replace(b"192.0.2.7:5099", b"192.0.2.9:5062").replace(b"late", b"later")
        self.assertEqual(self.answers(write(asked), PBX), [200])
        self.link.stack.transactions = type(self.link.stack.transactions)(b"x" * 32)  # much later
        self.assertEqual(self.answers(write(asked).replace(b"z9hG4bK", b"z9hG4bKlate"), PBX), [500])
        self.link.stack.transactions = type(self.link.stack.transactions)(b"x" * 32)
        self.assertEqual(self.answers(other, PBX), [200])  # another phone
        self.assertEqual(len(self.link.registrar.contacts(f"ann@{REALM}")), 2)

    def test_a_registration_that_cannot_be_kept_is_not_said_to_be(self) -> None:
        for error in (sqlite3.OperationalError("database or disk is full"), StoreClosed()):
            self.link.registrar._memory.remember = lambda key, value, error=error: fail(error)
            self.assertEqual(self.answers(write(register(peer=PBX)), PBX), [503])

    def test_what_nobody_has_thought_of_is_answered_and_told(self) -> None:
        self.link.registrar._memory.remember = lambda key, value: fail(LookupError("a mistake"))
        self.assertEqual(self.answers(write(register(peer=PBX)), PBX), [500])
        self.link.server._incoming.message = lambda *_: 1 // 0
        self.assertEqual(self.answers(write(request(peer=PBX)), PBX), [500])
        self.assertEqual(len(self.flushLoggedErrors(LookupError, ZeroDivisionError)), 2)
        self.assertEqual(self.link.server.working, 0)

    def test_a_broken_connection_is_answered_if_it_can_be(self) -> None:
        try:
            parse(b"MESSAGE sip:x SIP/9.0\r\n\r\n")
        except Malformed as error:
            self.wires.broken(error, Peer("TCP", "192.0.2.1", 5000, 3))
        self.assertLessEqual(len(self.wires.take()), 1)
