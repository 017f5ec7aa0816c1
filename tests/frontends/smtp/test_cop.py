"""COP's dialect (S12): plain RFC 821 for programs that can send mail, no login, a counter."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase, TestCase

from smsd.config.load import load_text
from smsd.config.positions import ConfigError
from smsd.core.accounts import Accounts, AccountSettings
from smsd.core.control import Control
from smsd.frontends.smtp import Settings, make
from smsd.store import operating
from smsd.values.address import Address
from smsd.values.message import Text, Wants
from tests.frontends import fakes
from tests.frontends.smtp.dialogue import MAIL, Dialogue, codes
from tests.frontends.smtp.typist import connect
from tests.house import House

HERE = ["127.0.0.0/8"]


def talk(**changes: Any) -> Dialogue:
    """A session up to HELO."""
    session = Dialogue(dialect="cop", **{"networks": HERE, **changes})
    session.send("HELO monitor")
    return session


def sent(session: Dialogue, *lines: str | bytes, to: tuple[str, ...] = ("+15551234567@x.y",)) -> str:
    """One message; the last answer."""
    session.send("MAIL FROM:<monitor@example.org>", *(f"RCPT TO:<{number}>" for number in to), "DATA")
    return session.send(*lines, ".")


class Greeting(SynchronousTestCase):
    def test_who_does_not_greet_is_told_how(self) -> None:
        told = Dialogue(dialect="cop", networks=HERE).send("MAIL FROM:<a@x.example>")
        self.assertEqual(told, "503 say HELO first\r\n")


class Typed(TestCase):
    """The dialogue of RFC 821 section 4.1.1, typed by hand into a socket."""

    timeout = 300

    SESSION = (
        ("HELO monitor.example.org", ["250 sms.example"]),
        ("MAIL FROM:<alarm@monitor.example.org>", ["250 Ok"]),
        ("RCPT TO:<+15551234567@x.y>", ["250 Ok"]),
        ("RCPT TO:<+15557654321>", ["250 Ok"]),
        ("RCPT TO:+15550000001", ["250 Ok"]),
        ("DATA", ["354 end with <CRLF>.<CRLF>"]),
        ("Disk full on server1", None),
        (".", ["250 Ok: queued as 1"]),
        ("NOOP", ["250 Ok"]),
        ("RSET", ["250 Ok"]),
        ("QUIT", ["221 bye"]),
    )

    async def test_every_line(self) -> None:
        settings = {"id": "cop", "type": "smtp", "dialect": "cop", "listen": ["tcp:0:interface=127.0.0.1"]}
        door = make(Settings(**settings, networks=HERE), fakes.context(reactor=reactor))
        await door.startService()
        self.addCleanup(door.stopService)
        client = await connect(door)
        self.assertEqual(await client.answer(), ["220 sms.example SMTP smsd"])
        for line, answer in self.SESSION:
            if answer is None:
                client.enter(line)
            else:
                self.assertEqual(await client.type(line), answer)
        await client.gone
        dispatcher: Any = door.context.dispatcher
        (submission,) = dispatcher.submissions
        self.assertEqual(submission.content, Text("Disk full on server1"))
        self.assertEqual(
            [recipient.typed for recipient in submission.recipients],
            ["+15551234567", "+15557654321", "+15550000001"],
        )
        self.assertEqual(submission.ticket.address, Address("mailto", "alarm@monitor.example.org"))
        self.assertEqual((submission.account, submission.wants), (None, Wants.FAILURE | Wants.DELAY))


class Networks(SynchronousTestCase):
    """Who may send at all."""

    def test_strangers_are_sent_away_when_they_connect(self) -> None:
        session = Dialogue(dialect="cop", networks=["192.0.2.0/24"])
        self.assertEqual(
            session.greeting, "554 no service for 127.0.0.1: this listener is for other networks\r\n"
        )
        self.assertTrue(session.closed)
        self.assertEqual(session.send("HELO x", "MAIL FROM:<a@x>"), "")

    def test_behind_a_proxy_when_they_speak(self) -> None:
        for hello in ("HELO x", "EHLO x"):
            session = Dialogue(dialect="cop", networks=["192.0.2.0/24"], listen=["haproxy:tcp:0"])
            self.assertEqual(codes(session.greeting), ["220"])
            self.assertEqual(codes(session.send("MAIL FROM:<a@x>")), ["503"])
            self.assertEqual(codes(session.send(hello, "MAIL FROM:<a@x>")), ["554"])
            self.assertTrue(session.closed)

    def test_ipv4_in_ipv6_and_unix_sockets(self) -> None:
        self.assertEqual(codes(talk(peer="::ffff:127.0.0.1").send("NOOP")), ["250"])

    def test_other_dialects_may_have_networks_too(self) -> None:
        self.assertEqual(codes(Dialogue(networks=["192.0.2.0/24"]).greeting), ["554"])
        self.assertEqual(codes(Dialogue(networks=HERE).greeting), ["220"])


class Commands(SynchronousTestCase):
    """RFC 821, and what came later."""

    def test_there_is_no_login(self) -> None:
        self.assertEqual(talk().send("AUTH LOGIN"), "502 there is no login here\r\n")

    def test_ehlo_is_answered_like_helo(self) -> None:
        session = talk()
        self.assertEqual(session.send("EHLO x"), "250 sms.example\r\n")
        self.assertEqual(codes(session.send("MAIL FROM:<a@x> SIZE=10")), ["555"])
        self.assertEqual(codes(session.send("MAIL FROM:<a@x>")), ["250"])

    def test_order(self) -> None:
        session = Dialogue(dialect="cop", networks=HERE)
        self.assertEqual(
            codes(session.send("MAIL FROM:<a@x>", "HELO x", "RCPT TO:<+1555>", "DATA")),
            ["503", "250", "503", "503"],
        )

    def test_senders(self) -> None:
        for sender in ("<alarm@x>", "alarm@x", "<alarm>", "<@a,@b:alarm@x>"):
            self.assertEqual(talk().send(f"MAIL FROM:{sender}"), "250 Ok\r\n")

    def test_what_comes_from_nobody_is_no_message(self) -> None:
        session = talk()
        session.send("MAIL FROM:<>", "RCPT TO:<+15551234567>", "DATA")
        self.assertEqual(session.send("returned", "."), "250 discarded: automatic answer\r\n")
        self.assertEqual(session.dispatcher.submissions, [])


class Recipients(SynchronousTestCase):
    """A number, alone or in front of any domain."""

    def rcpt(self, recipient: str) -> str:
        self.session = talk()
        self.session.send("MAIL FROM:<a@x>")
        return self.session.send(f"RCPT TO:{recipient}")

    def test_numbers(self) -> None:
        for written, typed in (
            ("<+15551234567>", "+15551234567"),
            ("+15551234567", "+15551234567"),
            ("<+15551234567@x.y>", "+15551234567"),
            ("<0015551234567@gw1>", "0015551234567"),
            ('<"+1 (555) 123-4567"@x.y>', "+1 (555) 123-4567"),
            ("<@relay1,@relay2:+15551234567@x.y>", "+15551234567"),
            ("< @relay1,@relay2:+15551234567@x.y>", None),
            ("<3331234567@anything>", "3331234567"),
            ("<112>", "112"),
        ):
            answer = self.rcpt(written)
            if typed is None:
                self.assertEqual(codes(answer), ["501"])
                continue
            self.assertEqual(answer, "250 Ok\r\n", written)
            ((_, recipient),) = self.session.dispatcher.vetted
            self.assertEqual(recipient.typed, typed)
            self.assertIsNone(recipient.parameters.gateway)

    def test_lists_are_refused(self) -> None:
        for written in (
            "<+15551234567,+15557654321@x.y>",
            "<+15551234567;+15557654321@x.y>",
            "<+15551234567@x.y,+15557654321@x.y>",
            "<+15551234567@x.y>,<+15557654321@x.y>",
            "<+15551234567@x.y>; <+15557654321@x.y>",
            "+15551234567,+15557654321",
            "+15551234567;",
            "<@relay1,@relay2:+15551234567,+15557654321@x.y>",
            '<"+15551234567,+15557654321"@x.y>',
        ):
            self.assertEqual(
                self.rcpt(written),
                "501 one number per RCPT: lists with commas or semicolons are not taken, send a RCPT for each\r\n",
                written,
            )
            self.assertEqual(self.session.dispatcher.vetted, [])

    def test_others_are_refused(self) -> None:
        for written in (
            "<ann@example.org>",
            "<sms:+15551234567@x.y>",
            "<postmaster>",
            "<+1555?user=john&pass=johnpw@x.y>",
        ):
            self.assertEqual(codes(self.rcpt(written)), ["550"], written)


class Messages(SynchronousTestCase):
    """What becomes of a mail."""

    def text(self, *lines: str | bytes) -> str:
        session = talk()
        self.assertEqual(sent(session, *lines), "250 Ok: queued as 1\r\n")
        content: Text = session.dispatcher.submissions[0].content
        return content.text

    def test_mails_and_texts(self) -> None:
        for lines, text in (
            (["Subject: not used", "", "Disk full"], "Disk full"),
            (["Disk full"], "Disk full"),
            (["Disk: full", "", "on server1"], "Disk: full\n\non server1"),
            (["From: a@x", "Content-Type: text/plain; charset=iso-8859-1", "", b"Perch\xe9"], "Perché"),
        ):
            self.assertEqual(self.text(*lines), text)

    def test_long_texts_are_not_cut(self) -> None:
        session = talk()
        self.assertEqual(codes(sent(session, "a" * 900)), ["250"])
        (submission,) = session.dispatcher.submissions
        self.assertEqual(submission.content, Text("a" * 900))
        self.assertIsNone(submission.recipients[0].parameters.max_parts)

    def test_what_the_listener_limits(self) -> None:
        session = talk(max_parts=2, max_characters=300)
        self.assertEqual(codes(sent(session, "a" * 301)), ["552"])
        self.assertEqual(codes(sent(session, "a" * 300)), ["250"])
        self.assertEqual(session.dispatcher.submissions[0].recipients[0].parameters.max_parts, 2)

    def test_a_mail_that_comes_again(self) -> None:
        session = talk()
        sent(session, MAIL.rstrip())
        self.assertEqual(session.dispatcher.submissions[0].key.scope, "smtp:127.0.0.1")


class AtHome(SynchronousTestCase):
    """With the real core: parts, the account that pays, the counter."""

    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(lambda: self.house.close())
        self.house.open()
        self.house.store.accepting.doors = frozenset({"smtp"})

    def talk(self, **changes: Any) -> Dialogue:
        settings = AccountSettings(
            user="monitoring", networks=["127.0.0.1"], monthly_limit=2, active=changes.pop("active", True)
        )
        self.accounts = Accounts([settings], self.house.clock)
        self.addCleanup(self.accounts.stop)
        self.house.accounts["monitoring"] = self.accounts.find("monitoring")
        return talk(
            dispatcher=self.house.dispatcher, reactor=self.house.clock, portal=self.accounts.portal, **changes
        )

    def sent(self, session: Dialogue, *lines: str, to: tuple[str, ...] = ("+15551234567@x.y",)) -> str:
        answer = sent(session, *lines, to=to)
        self.house.settle()
        return answer + session.output()

    def counted(self) -> Any:
        return self.house.wait(self.house.store.ask(operating.taken))

    def test_a_long_body_is_several_sms(self) -> None:
        self.assertEqual(codes(self.sent(self.talk(), "a" * 400)), ["250"])
        self.assertEqual([piece.total for piece in self.house.gsm.pieces], [3, 3, 3])

    def test_the_counter_goes_on_after_a_restart(self) -> None:
        self.assertEqual(self.counted(), {})
        session = self.talk()
        self.sent(session, "one")
        self.sent(session, "two", to=("+15551234567", "+15557654321"))
        self.assertEqual(self.counted()["smtp"]["messages"], 3)
        self.house = self.house.crash()
        self.house.open()
        self.assertEqual(self.counted()["smtp"]["messages"], 3)
        self.house.store.accepting.doors = frozenset({"smtp"})
        self.sent(self.talk(), "three")
        self.assertEqual(self.counted(), {"smtp": {"messages": 4, "last": self.house.store.now()}})

    def test_a_mail_that_comes_again_is_not_counted_twice(self) -> None:
        session = self.talk()
        for _ in range(2):
            self.assertEqual(codes(self.sent(session, *MAIL.decode().split("\r\n"))), ["250"])
        self.assertEqual(self.counted()["smtp"]["messages"], 1)

    def test_status_shows_it(self) -> None:
        doors = [
            {"id": "smtp", "counted": True},
            {"id": "other", "counted": True},
            {"id": "http", "counted": False},
        ]
        control = Control(
            explainer=None, store=self.house.store, dispatcher=self.house.dispatcher, queue=self.house.queue,
            overrides=Any, status=lambda: {"doors": [dict(door) for door in doors]}, reload=Any,
        )  # type: ignore[arg-type]  # fmt: skip
        self.sent(self.talk(), "one", to=("+15551234567", "+15557654321"))
        told = self.house.wait(Deferred.fromCoroutine(control.call("status", {})))
        self.assertEqual(
            told["doors"],
            [
                {"id": "smtp", "counted": True, "messages": 2, "last": self.house.store.now()},
                {"id": "other", "counted": True, "messages": 0, "last": 0},
                {"id": "http", "counted": False},
            ],
        )

    def test_other_doors_are_not_counted(self) -> None:
        self.house.store.accepting.doors = frozenset()
        self.sent(self.talk(), "one")
        self.assertEqual(self.counted(), {})

    def test_the_account_pays(self) -> None:
        session = self.talk(account="monitoring")
        for expected in ("250", "250", "452"):
            self.assertEqual(codes(self.sent(session, "alarm")), [expected])
        self.assertEqual([row["account"] for row in self.house.rows()], ["monitoring"] * 2)
        self.assertEqual(self.counted()["smtp"]["messages"], 2)

    def test_an_account_that_cannot_be_used(self) -> None:
        for changes in ({"active": False}, {"account": "nobody"}, {"peer": "127.0.0.9"}):
            session = self.talk(**{"account": "monitoring", **changes})
            self.assertEqual(
                session.send("MAIL FROM:<a@x>"),
                "550 the account that pays for this listener cannot be used: ask the administrator\r\n",
            )
            self.assertEqual(codes(session.send("RCPT TO:<+15551234567>")), ["503"])


FILE = """
server: {name: sms.example.org, postmaster: ann@example.org}
listeners:
  - id: cop
    type: smtp
    dialect: cop
    listen: ["tcp:2525:interface=127.0.0.1"]
"""
GATEWAY = "gateways: [{id: gsm1, type: gsm, device: /dev/ttyUSB0}]\n"


class Configured(SynchronousTestCase):
    """What the configuration may say."""

    def load(self, *lines: str) -> Any:
        text = FILE + "".join(f"    {line}\n" for line in lines) + GATEWAY
        return load_text(text, "/etc/smsd/smsd.yaml", {})

    def test_networks_are_needed(self) -> None:
        for lines in ((), ("networks: []",)):
            with self.assertRaises(ConfigError) as caught:
                self.load(*lines)
            self.assertIn("smsd.yaml:4:", str(caught.exception))
            self.assertIn("for example networks: [192.168.1.0/24]", str(caught.exception))

    def test_warnings(self) -> None:
        self.assertEqual(self.load("networks: [192.168.1.0/24, '::1']").warnings, ())
        (warning,) = self.load("networks: [0.0.0.0/0]").warnings
        self.assertIn("listener cop: networks: whoever is in a public network (0.0.0.0/0)", warning)
        (warning,) = self.load("networks: [10.0.0.0/8]", "account: ann").warnings
        self.assertIn("account 'ann' is not in this file", warning)
        (warning,) = self.load("networks: [0.0.0.0/0]", "active: no").warnings
        self.assertEqual(warning, "no listener is active: nobody can hand in a message")

    def test_doors_that_count(self) -> None:
        (door,) = self.load("networks: [10.0.0.0/8]").listeners
        self.assertTrue(door.counted)

    def test_refused(self) -> None:
        with self.assertRaises(ValidationError):
            Settings(id="cop", type="smtp", dialect="cop", listen=["tcp:0"], networks=HERE, require_auth=True)
        Settings(id="cop", type="smtp", dialect="cop", listen=["tcp:0"], networks=HERE)
