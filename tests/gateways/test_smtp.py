"""The mail relay on real sockets: what the relay says, and what comes of it."""

from __future__ import annotations

import email
from typing import Any, ClassVar

from twisted.internet import defer, reactor
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from smsd.gateways.smtp import Settings, make
from smsd.gateways.smtp.gateway import MailRelay
from smsd.interfaces import IGateway
from smsd.values.address import Address
from smsd.values.delivery import Accepted, Failure, Kind, Scope
from smsd.values.message import Report, Text
from tests.gateways.helpers import context, piece
from tests.gateways.relays import CLOSE, SILENT, Relay, challenge


class RelayCase(TestCase):
    """Starts a scripted relay and a gateway for it; stops both and waits for their sockets."""

    timeout = 300

    def relay(self, tls: Any = None, **script: list[str]) -> Relay:
        self.server = Relay(tls, **script)
        self.port = self.server.listen(reactor)
        self.addCleanup(self.port.stopListening)
        return self.server

    def gateway(self, **settings: Any) -> MailRelay:
        values = {
            "id": "relay",
            **({} if "socket" in settings else {"host": "127.0.0.1", "port": self.port.getHost().port}),
            "security": "none",
            **settings,
        }
        gateway = make(Settings.model_validate(values), context(reactor))
        gateway.startService()
        self.addCleanup(self.shut, gateway, self.server)
        return gateway

    async def _drained(self, server: Relay) -> None:
        while server.gone < len(server.connections):
            await deferLater(reactor, 0.005, lambda: None)

    @defer.inlineCallbacks
    def shut(self, gateway: MailRelay, server: Relay) -> Any:
        if gateway.running:
            yield gateway.stopService()
        yield defer.Deferred.fromCoroutine(self._drained(server))

    async def failure(self, gateway: MailRelay, **changes: Any) -> Failure:
        try:
            await gateway.send(piece(**changes))
        except Failure as failure:
            return failure
        raise AssertionError("the mail was accepted")


class DeliveryTests(RelayCase):
    """Mails that arrive."""

    async def test_provides_the_interface(self) -> None:
        self.relay()
        self.assertTrue(verifyObject(IGateway, self.gateway()))

    async def test_a_text_arrives(self) -> None:
        relay = self.relay()
        gateway = self.gateway()
        self.assertEqual(await gateway.send(piece()), Accepted())
        ((commands, octets),) = relay.mails
        self.assertEqual(commands, ("MAIL FROM:<admin@example.org>", "RCPT TO:<ann@example.org>"))
        mail = email.message_from_bytes(octets)
        self.assertEqual(mail["From"], '+15551234567 <"sms:+15551234567"@sms.example.org>')
        self.assertEqual(mail["To"], "ann@example.org")
        self.assertEqual(mail["Date"], "Mon, 01 Jan 2024 10:00:00 +0000")
        self.assertEqual(mail["Message-ID"], "<77.42@sms.example.org>")
        self.assertEqual(mail["X-SMS-Gateway"], "modem1")
        self.assertIsNone(mail["Auto-Submitted"])
        self.assertEqual(mail.get_payload(), "Hello from the phone\r\n")
        self.assertEqual(gateway.context.outlet.told, [("opened", 4)])

    async def test_a_retry_is_the_same_mail(self) -> None:
        relay = self.relay()
        gateway = self.gateway()
        await gateway.send(piece())
        await gateway.send(piece(tries=3, maybe_twice=True))
        self.assertEqual(relay.mails[0][1], relay.mails[1][1])

    async def test_a_report_comes_from_nobody(self) -> None:
        relay = self.relay(EHLO=["250-relay\n250-PIPELINING\n250-SIZE 1000000\n250 DSN"])
        notice = Report("failed", 1, 2, "sms:+4917012345678", "no such number", 0, 1704103200000, "Hi")
        await self.gateway().send(piece(content=notice, origin=Address("account", "smsd")))
        ((commands, octets),) = relay.mails
        self.assertEqual(commands[0], f"MAIL FROM:<> SIZE={len(octets)}")
        self.assertEqual(commands[1], "RCPT TO:<ann@example.org> NOTIFY=NEVER")
        mail = email.message_from_bytes(octets)
        self.assertEqual(mail.get_content_type(), "multipart/report")
        self.assertEqual(mail["Auto-Submitted"], "auto-replied")

    async def test_dots_arrive(self) -> None:
        relay = self.relay()
        await self.gateway().send(piece(content=Text(".\n..x\n.")))
        self.assertTrue(relay.mails[0][1].endswith(b"\r\n\r\n.\r\n..x\r\n.\r\n"))

    async def test_one_connection_carries_a_burst(self) -> None:
        relay = self.relay()
        gateway = self.gateway()
        for number in range(5):
            await gateway.send(piece(delivery=number))
        self.assertEqual((len(relay.connections), len(relay.mails)), (1, 5))

    async def test_slots_are_connections(self) -> None:
        relay = self.relay()
        gateway = self.gateway(slots=3)
        await defer.gatherResults([gateway.send(piece(delivery=n)) for n in range(3)])
        self.assertEqual((len(relay.connections), len(relay.mails)), (3, 3))

    async def test_without_pipelining_one_command_at_a_time(self) -> None:
        relay = self.relay(EHLO=["250 relay"])
        await self.gateway().send(piece())
        self.assertEqual(len(relay.mails), 1)

    async def test_helo_where_ehlo_is_unknown(self) -> None:
        relay = self.relay(EHLO=["500 what?"])
        await self.gateway(hello="me.example.org").send(piece())
        self.assertEqual(relay.commands[:2], ["EHLO me.example.org", "HELO me.example.org"])
        self.assertEqual(len(relay.mails), 1)

    async def test_an_idle_connection_is_left(self) -> None:
        relay = self.relay()
        gateway = self.gateway(idle=0.01)
        await gateway.send(piece())
        await self._drained(relay)
        self.assertEqual(relay.commands[-1], "QUIT")
        self.assertIn("0 connections", gateway.status)

    async def test_a_connection_that_died_idle_costs_nothing(self) -> None:
        relay = self.relay(MAIL=["250 ok", CLOSE, "250 ok"])
        gateway = self.gateway()
        await gateway.send(piece())
        await gateway.send(piece(delivery=78))
        self.assertEqual((len(relay.connections), len(relay.mails)), (2, 2))
        self.assertEqual(gateway.context.outlet.told, [("opened", 4)])

    async def test_421_on_an_idle_connection_costs_nothing(self) -> None:
        relay = self.relay()
        gateway = self.gateway()
        await gateway.send(piece())
        relay.connections[0].transport.write(b"421 4.4.2 idle for too long\r\n")
        while "0 connections" not in gateway.status:
            await deferLater(reactor, 0.005, lambda: None)
        await gateway.send(piece(delivery=78))
        self.assertEqual((len(relay.connections), len(relay.mails)), (2, 2))

    async def test_stop_waits_for_the_mail_on_its_way(self) -> None:
        relay = self.relay(END=[SILENT])
        gateway = self.gateway()
        sent = gateway.send(piece())
        while not relay.ends:
            await deferLater(reactor, 0.005, lambda: None)
        stopped = gateway.stopService()
        self.assertNoResult(stopped)
        relay.connections[0].transport.write(b"250 done\r\n")
        self.assertEqual(await sent, Accepted())
        await stopped


class RefusalTests(RelayCase):
    """What the relay refuses: whose trouble it is."""

    async def refused(self, **script: list[str]) -> tuple[Failure, MailRelay]:
        self.relay(**script)
        gateway = self.gateway()
        return await self.failure(gateway), gateway

    async def check_message(self, kind: Kind, status: str, **script: list[str]) -> None:
        """A refusal of this mail: the outlet stays open and the next mail goes out on the same connection."""
        failure, gateway = await self.refused(**script)
        self.assertEqual((failure.kind, failure.scope, failure.status), (kind, Scope.MESSAGE, status))
        self.assertFalse(failure.maybe_sent)
        self.assertEqual(gateway.context.outlet.told, [("opened", 4)])
        self.assertEqual(await gateway.send(piece(delivery=78)), Accepted())
        self.assertEqual((len(self.server.connections), len(self.server.mails)), (1, 1))

    async def test_unknown_user(self) -> None:
        await self.check_message(
            Kind.PERMANENT, "5.1.1", RCPT=["550 5.1.1 unknown user", "250 ok"], DATA=["554 no", "354 ok"]
        )

    async def test_unknown_user_but_data_is_wanted(self) -> None:
        await self.check_message(
            Kind.PERMANENT, "5.0.0", RCPT=["550 unknown", "250 ok"], END=["554 nobody", "250 ok"]
        )

    async def test_unknown_user_without_pipelining(self) -> None:
        await self.check_message(
            Kind.PERMANENT, "5.1.1", EHLO=["250 relay"], RCPT=["550 5.1.1 unknown user", "250 ok"]
        )

    async def test_grey_listed(self) -> None:
        await self.check_message(
            Kind.TEMPORARY, "4.2.1", RCPT=["450 4.2.1 later", "250 ok"], DATA=["554 no", "354 ok"]
        )

    async def test_sender_refused(self) -> None:
        await self.check_message(
            Kind.PERMANENT,
            "5.1.8",
            MAIL=["550 5.1.8 bad", "250 ok"],
            RCPT=["503 no", "250 ok"],
            DATA=["503 no", "354 ok"],
        )

    async def test_content_refused(self) -> None:
        await self.check_message(Kind.PERMANENT, "5.6.0", END=["554 5.6.0 no", "250 ok"])

    async def test_content_put_off(self) -> None:
        await self.check_message(Kind.TEMPORARY, "4.3.1", END=["452 4.3.1 disk full", "250 ok"])

    async def test_status_of_another_class_is_not_believed(self) -> None:
        await self.check_message(Kind.PERMANENT, "5.0.0", END=["554 2.0.0 odd", "250 ok"])

    async def test_too_large(self) -> None:
        failure, _ = await self.refused(EHLO=["250-relay\n250 SIZE 100"])
        self.assertEqual((failure.kind, failure.status), (Kind.PERMANENT, "5.3.4"))
        self.assertFalse([c for c in self.server.commands if c.startswith("MAIL")])

    async def test_no_smtputf8(self) -> None:
        self.relay()
        failure = await self.failure(self.gateway(), target=Address("mailto", "jürgen@example.org"))
        self.assertEqual((failure.kind, failure.status), (Kind.PERMANENT, "5.6.7"))

    async def test_smtputf8(self) -> None:
        relay = self.relay(EHLO=["250-relay\n250-8BITMIME\n250 SMTPUTF8"])
        await self.gateway().send(piece(target=Address("mailto", "jürgen@bücher.example")))
        commands, octets = relay.mails[0]
        self.assertTrue(commands[0].endswith(" BODY=8BITMIME SMTPUTF8"))
        self.assertEqual(commands[1], "RCPT TO:<jürgen@xn--bcher-kva.example>")
        self.assertIn("\r\nTo: jürgen@xn--bcher-kva.example\r\n".encode(), octets)

    async def test_recipients_that_are_none(self) -> None:
        self.relay()
        gateway = self.gateway()
        for target in (
            "ann",
            "@example.org",
            "ann@",
            "a\r\nRCPT TO:<x@y>@example.org",
            "a b@example.org",
            "a@b>c",
        ):
            failure = await self.failure(gateway, target=Address("mailto", target))
            self.assertEqual((failure.kind, failure.status), (Kind.PERMANENT, "5.1.3"))
        self.assertEqual(self.server.connections, [])


class TroubleTests(RelayCase):
    """Trouble with the relay itself: the outlet closes, the mail keeps its try."""

    async def trouble(
        self, words: str, settings: dict[str, Any] | None = None, **script: list[str]
    ) -> MailRelay:
        self.relay(**script)
        gateway = self.gateway(**(settings or {}))
        failure = await self.failure(gateway)
        self.assertEqual((failure.kind, failure.scope), (Kind.TEMPORARY, Scope.GATEWAY))
        self.assertFalse(failure.maybe_sent)
        self.assertIn(words, failure.reason)
        self.assertEqual(gateway.context.outlet.told, [("opened", 4), ("closed", failure.reason)])
        self.assertIn(words, gateway.status)
        return gateway

    async def test_greeting_refused(self) -> None:
        await self.trouble("554 go away", greeting=["554 go away"])

    async def test_greeting_is_nonsense(self) -> None:
        await self.trouble("does not speak SMTP", greeting=["HTTP/1.1 400 Bad Request"])

    async def test_long_line(self) -> None:
        await self.trouble("does not speak SMTP", greeting=["220 " + "x" * 9000])

    async def test_no_greeting(self) -> None:
        await self.trouble("does not answer", {"timeout": 0.05}, greeting=[SILENT])

    async def test_name_refused(self) -> None:
        await self.trouble("our name", EHLO=["450 no"])

    async def test_closing(self) -> None:
        await self.trouble("421", MAIL=["421 4.3.2 shutting down"])

    async def test_login_wanted(self) -> None:
        await self.trouble("wants a login", MAIL=["530 5.7.0 authenticate first"])

    async def test_lost_before_the_dot(self) -> None:
        await self.trouble("closed the connection", DATA=[CLOSE])

    async def test_no_starttls(self) -> None:
        await self.trouble("no STARTTLS", {"security": "starttls-required"})

    async def test_no_password_in_clear_by_chance(self) -> None:
        await self.trouble("no STARTTLS", {"security": "starttls", "user": "me", "password": "secret"})

    async def test_login_refused(self) -> None:
        await self.trouble(
            "refuses our login: 535",
            {"user": "me", "password": "secret"},
            EHLO=["250-relay\n250 AUTH PLAIN"],
            AUTH=["535 5.7.8 wrong"],
        )

    async def test_no_login_offered(self) -> None:
        await self.trouble(
            "no login", {"user": "me", "password": "secret"}, EHLO=["250-relay\n250 AUTH CRAM-MD5"]
        )

    async def test_nobody_listens(self) -> None:
        self.relay()
        gateway = self.gateway()
        await self.port.stopListening()
        failure = await self.failure(gateway)
        self.assertEqual((failure.kind, failure.scope), (Kind.TEMPORARY, Scope.GATEWAY))
        self.assertIn("cannot be reached", failure.reason)

    async def test_a_mail_that_the_relay_cannot_bear_stops_no_other(self) -> None:
        gateway = await self.trouble("closed the connection", RCPT=[CLOSE, CLOSE, "250 ok"])
        failure = await self.failure(gateway)
        self.assertEqual((failure.kind, failure.scope), (Kind.TEMPORARY, Scope.MESSAGE))
        self.assertEqual(await gateway.send(piece(delivery=78)), Accepted())

    async def test_lost_after_the_dot_is_in_doubt(self) -> None:
        self.relay(END=[CLOSE])
        gateway = self.gateway()
        failure = await self.failure(gateway)
        self.assertEqual((failure.kind, failure.scope), (Kind.UNKNOWN, Scope.MESSAGE))
        self.assertTrue(failure.maybe_sent)
        self.assertEqual(gateway.context.outlet.told, [("opened", 4)])

    async def test_silence_after_the_dot_is_in_doubt(self) -> None:
        self.relay(END=[SILENT])
        failure = await self.failure(self.gateway(deadline=0.05))
        self.assertEqual((failure.kind, failure.maybe_sent), (Kind.UNKNOWN, True))

    async def test_in_doubt_on_a_used_connection_is_not_sent_again(self) -> None:
        relay = self.relay(END=["250 ok", CLOSE])
        gateway = self.gateway()
        await gateway.send(piece())
        failure = await self.failure(gateway, delivery=78)
        self.assertEqual((failure.kind, len(relay.connections)), (Kind.UNKNOWN, 1))


class LoginTests(RelayCase):
    """AUTH PLAIN and LOGIN (RFC 4954)."""

    SETTINGS: ClassVar = {"user": "me@example.org", "password": "pässword"}

    async def test_plain(self) -> None:
        relay = self.relay(EHLO=["250-relay\n250-AUTH LOGIN PLAIN\n250 AUTH=LOGIN"])
        await self.gateway(**self.SETTINGS).send(piece())
        self.assertIn("AUTH PLAIN AG1lQGV4YW1wbGUub3JnAHDDpHNzd29yZA==", relay.commands)

    async def test_login(self) -> None:
        relay = self.relay(
            EHLO=["250-relay\n250 AUTH=LOGIN"],
            AUTH=[challenge("Username:")],
            LOGIN=[challenge("Password:"), "235 2.7.0 ok"],
        )
        await self.gateway(**self.SETTINGS).send(piece())
        self.assertEqual(relay.commands[1:4], ["AUTH LOGIN", "bWVAZXhhbXBsZS5vcmc=", "cMOkc3N3b3Jk"])
        self.assertEqual(len(relay.mails), 1)
