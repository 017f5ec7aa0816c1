"""The whole link over a real store, dispatcher and queue: chats become SMS, answers, receipts and failures come back, the flow is
controlled, and nothing is lost where the chat server comes and goes."""

from __future__ import annotations

from typing import Any, ClassVar
from xml.etree.ElementTree import Element

from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec.jid import Jid
from smsd.core.memory import Memory
from smsd.interfaces import Abilities, FrontendContext, GatewayContext, MessageIn
from smsd.links.xmpp import incoming
from smsd.links.xmpp.component import LEAVE
from smsd.links.xmpp.gateway import XmppGateway
from smsd.links.xmpp.settings import ComponentSettings, Settings
from smsd.policy.reply import Replying
from smsd.values.account import Account
from smsd.values.address import Address
from smsd.values.delivery import Accepted, Failure, Kind, NetworkReport
from smsd.values.errors import Reason, Refused
from smsd.values.message import Binary, Recipient, Submission, Text
from tests.house import House
from tests.links.xmpp.chatserver import COMPONENT, ChatServer

ABILITIES = Abilities(frozenset({"xmpp"}), binary=True)
SMS, EMAIL = "sms.example.org", "email.example.org"
PHONE = "+15551234567"
ERRORS = "{urn:ietf:params:xml:ns:xmpp-stanzas}"
RECEIPTS = "{urn:xmpp:receipts}"


class Linked(SynchronousTestCase):
    """A link of two domains, connected; `bob@example.org` and `ann@example.org` have accounts."""

    options: ClassVar[dict[str, Any]] = {}

    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(lambda: self.house.close())
        self.server = ChatServer(self.house.clock, {SMS: "s", EMAIL: "e"})
        self.house.accounts |= {
            "ann": Account("ann", email="ann@mail.example"),
            "bob": Account("bob", monthly_limit=1),
            "carl": Account("carl"),
        }
        self.house.inbound.use(Replying(keep=3_600_000))
        self.house.open()
        self.link = self.make()

    def make(self) -> XmppGateway:
        """A link with `options`, started and connected."""
        house = self.house
        parts = [
            ComponentSettings(domain=SMS, secret="s", smsparams="maxmsgs=3&sender=Example"),
            ComponentSettings(domain=EMAIL, secret="e"),
        ]
        settings = Settings(id="chat", components=parts, user_domains=["example.org"], **self.options)
        jids = {"ann@example.org": "ann", "bob@example.org": "bob", "carl@away.example": "carl"}
        door = FrontendContext(house.clock, house.dispatcher, house.inbound, None)  # type: ignore[arg-type]
        outlet = house.queue.outlet("chat", ABILITIES, "resend")
        context = GatewayContext(
            reactor=house.clock, outlet=outlet, inbound=house.inbound, memory=Memory(house.store, "chat"),
            door=door, find_account=house.accounts.get, find_jid=jids.get,
        )  # fmt: skip
        link = XmppGateway(settings, context, self.server)
        outlet.gateway = link
        link.startService()
        self.settle()
        self.addCleanup(self.stop, link)
        return link

    def stop(self, link: XmppGateway) -> None:
        """With everything that waits."""
        if link.running:
            done = link.stopService()
            self.settle()
            self.house.clock.advance(LEAVE)  # where the server returns no pings
            self.settle()
            self.house.wait(done)

    def settle(self) -> None:
        """Until nothing is under way."""
        for _ in range(4):
            self.house.settle()
            self.house.clock.advance(0)

    def write(
        self,
        body: str = "Hello",
        to: str = f"{PHONE}@{SMS}",
        id: str = "message-1",
        more: str = "",
        sender: str = "ann@example.org/phone",
        kind: str = "chat",
        wait: bool = True,
    ) -> None:
        """Somebody writes a message."""
        domain = to.rpartition("@")[2].partition("/")[0]
        self.server.of(domain).say(
            f"<message from='{sender}' to='{to}' id='{id}' type='{kind}'><body>{body}</body>{more}</message>"
        )
        if wait:
            self.settle()

    def got(self, domain: str = SMS) -> list[Element]:
        """The messages that the server was sent since the last time, but those about presence."""
        wire = self.server.of(domain)
        found = [one for one in wire.got if one.tag == COMPONENT + "message"]
        wire.got.clear()
        return found

    def error(self, domain: str = SMS) -> tuple[str, str, str, str]:
        """The one error that came: from, id, condition, text."""
        (message,) = self.got(domain)
        self.assertEqual(message.get("type"), "error")
        inside = message[0]
        return (
            message.get("from", ""),
            message.get("id", ""),
            inside[0].tag.removeprefix(ERRORS),
            inside[1].text or "",
        )

    def incoming(self, text: str = "Hi Ann", number: str = PHONE) -> None:
        """A phone writes."""
        self.house.wait(self.house.inbound.message(MessageIn("gsm1", number, Text(text))))
        self.settle()

    def send(self, content: Any, to: str = "ann@example.org", **more: Any) -> None:
        """Something for a chat that nobody there has asked for."""
        origin = more.pop("origin", Address("sms", PHONE))
        self.house.wait(
            self.house.dispatcher.submit(
                Submission("rules", origin, (Recipient(Address("xmpp", to), to),), content, **more)
            )
        )
        self.settle()


class ToPhones(Linked):
    def test_a_chat_message_becomes_an_sms(self) -> None:
        self.write("Hello &amp; \U0001f600")
        (piece,) = self.house.gsm.pieces
        self.assertEqual((str(piece.target), piece.content), (f"sms:{PHONE}", Text("Hello & \U0001f600")))
        self.assertEqual((piece.account, str(piece.origin)), ("ann", "xmpp:ann@example.org"))
        self.assertEqual((piece.parameters.max_parts, piece.parameters.sender), (3, "Example"))
        self.assertEqual(self.got(), [])

    def test_the_same_message_once_more_makes_no_second_sms(self) -> None:
        for _ in range(2):
            self.write(id="unique-id-1")
        self.write("other", id="unique-id-1")
        self.write(id="1")
        self.write(id="1")
        self.assertEqual(len(self.house.gsm.pieces), 4)

    def test_who_has_no_account_sends_nothing(self) -> None:
        self.write(sender="eve@away.example/x")
        self.assertEqual(self.house.rows(), [])
        self.assertEqual(self.error()[:3], (f"{PHONE}@{SMS}", "message-1", "registration-required"))

    def test_what_is_no_number(self) -> None:
        self.write(to=f"alice@{SMS}")
        self.assertEqual(self.error()[2], "item-not-found")

    def test_a_limit(self) -> None:
        for number in (1, 2):
            self.write(sender="bob@example.org/x", id=f"long-id-{number}")
        self.assertEqual(self.error()[1:3], ("long-id-2", "resource-constraint"))

    def test_a_program_that_answers_a_phone_that_answers(self) -> None:
        self.house.inbound.use(Replying(keep=3_600_000, at_once=2))
        self.write()
        for number in range(3):
            self.assertEqual(len(self.house.gsm.pieces), 1 + number)
            self.got()
            self.incoming("I am away.")
            self.assertEqual(len(self.got()), 1)
            self.write("What can I do for you?", id=f"answer-{number}-of-it")
        error = self.error()
        self.assertEqual(error[:3], (f"{PHONE}@{SMS}", "answer-2-of-it", "not-acceptable"))
        self.assertIn("Wait 10 seconds and send it again", error[3])

    def test_no_gateway(self) -> None:
        self.write(to=f"{PHONE}@{EMAIL}", id="x" * 20)
        self.assertEqual(len(self.house.gsm.pieces), 1)
        self.house.wait(self.house.queue.remove("gsm1"))
        self.write()
        self.assertEqual(self.error()[2], "service-unavailable")

    def test_what_fails_after_it_was_taken_is_no_failure_of_the_message(self) -> None:
        def broken(*_: Any) -> None:
            raise ValueError

        self.link.incoming._tell = broken  # type: ignore[method-assign]
        self.write("x" * 1000)
        self.assertEqual(
            (len(self.flushLoggedErrors(ValueError)), self.got(), self.link.incoming.busy), (1, [], 0)
        )
        self.assertEqual(len(self.house.rows()), 1)

    def test_a_room_that_raises_leaves_nobody_waiting(self) -> None:
        def broken(jid: Any) -> Any:
            raise ValueError

        self.link.people.account = broken  # type: ignore[method-assign]
        self.write()
        self.assertEqual((self.error()[2], self.link.incoming.busy), ("internal-server-error", 0))
        self.flushLoggedErrors(ValueError)

    def test_the_house_fails(self) -> None:
        self.link.incoming._people.account = lambda jid: fail(ValueError())  # type: ignore[method-assign]
        self.write()
        self.assertEqual(self.error()[2], "internal-server-error")
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_group_texts_say_who_does_not_get_them(self) -> None:
        addresses = "".join(
            f"<address type='to' jid='{node}@{SMS}'/>" for node in ("+15550000001", "alice", "+15550000002")
        )
        self.write(
            to=SMS, more=f"<addresses xmlns='http://jabber.org/protocol/address'>{addresses}</addresses>"
        )
        self.assertEqual(len(self.house.gsm.pieces), 2)
        sender, _, condition, text = self.error()
        self.assertEqual((sender, condition), (SMS, "item-not-found"))
        self.assertIn("1 of 3 do not get it, 2 do", text)
        self.assertIn(f"alice@{SMS}", text)

    def test_what_is_cut_is_told(self) -> None:
        self.write("x" * 1000)
        (note,) = self.got()
        self.assertEqual((note.get("from"), note.get("to")), (SMS, "ann@example.org/phone"))
        self.assertEqual(note.findtext(COMPONENT + "body"), "Your message was cut to the first 3 SMS.")

    def test_how_many_a_long_one_makes(self) -> None:
        self.write("\u0416" * 200, to=f"{PHONE}@{EMAIL}")
        self.assertEqual(self.got(EMAIL), [])
        self.write("\u0416" * 260, to=f"{PHONE}@{EMAIL}")
        (note,) = self.got(EMAIL)
        self.assertIn("as 4 SMS (it has letters", note.findtext(COMPONENT + "body") or "")

    def test_the_gateway_itself_answers_people_only(self) -> None:
        self.write("help", to=SMS)
        (said,) = self.got()
        self.assertEqual((said.get("from"), said.get("type")), (SMS, "chat"))
        self.write("help", to=SMS, sender="sms.other.example")
        self.assertEqual(self.got(), [])

    def test_a_program_that_answers_everything_is_told_once(self) -> None:
        for _ in range(3):
            self.write("I am away", to=SMS)
        self.assertEqual(len(self.got()), 1)
        self.write("and I?", to=SMS, sender="bob@example.org/desk")
        self.assertEqual(len(self.got()), 1)
        self.house.clock.advance(incoming.HELP_EVERY)
        self.write("help", to=SMS)
        self.assertEqual(len(self.got()), 1)

    def test_too_many_elements_are_refused_and_others_heard(self) -> None:
        self.write("x", more="<a/>" * 25_000)
        self.assertEqual(self.error()[2], "policy-violation")
        self.write("Hello")
        self.assertEqual(self.got(), [])
        self.assertEqual(len(self.house.rows()), 1)

    def test_a_stanza_of_ours_that_comes_on_another_stream(self) -> None:
        self.server.of(EMAIL).say(
            f"<message from='ann@example.org/x' to='{PHONE}@{SMS}' id='x' type='groupchat'><body>x</body></message>"
        )
        self.settle()
        self.assertEqual(self.error(SMS)[2], "service-unavailable")

    def test_what_nobody_understands_ends_nothing(self) -> None:
        for xml in (
            "<message/>", "<message from='a@@b' to='x'/>", f"<message from='a@b' to='x@{SMS}'/>", "<message from='a@b' to='x@y'/>",
            f"<x from='a@b' to='{SMS}'/>", f"<message from='a@b' to='a/b@{SMS}'><body>x</body></message>",
            f"<iq from='a@b' to='{SMS}' type='get' id='q'/>", f"<presence from='a@b' to='{SMS}' type='strange'/>",
        ):  # fmt: skip
            self.server.of(SMS).say(xml)
        self.settle()
        self.assertEqual(self.server.tries, 2)
        self.assertFalse(self.server.of(SMS).ended)


class Mail(Linked):
    def test_a_mailbox_gets_mail(self) -> None:
        self.write(to=f"john%doe.com@{EMAIL}", more="<subject>Greetings</subject>")
        (piece,) = self.house.mail.pieces
        self.assertEqual((str(piece.target), piece.content), ("mailto:john@doe.com", Text("Hello")))
        self.assertEqual(dict(piece.headers), {"subject": "Greetings", "chat_from": "ann@mail.example"})

    def test_mail_has_a_subject_of_its_own(self) -> None:
        for subject in ("prefix", "only"):
            self.stop(self.link)
            self.house.wait(self.house.queue.remove("chat"))
            self.options = {"subject": subject}  # type: ignore[misc]
            self.link = self.make()
            self.write(to=f"john%doe.com@{EMAIL}", more="<subject>S</subject>", id=f"with-{subject}")
            self.write(to=f"{PHONE}@{SMS}", more="<subject>S</subject>", id=f"sms-{subject}")
        self.assertEqual([piece.content for piece in self.house.mail.pieces], [Text("Hello"), Text("Hello")])
        self.assertEqual([piece.content for piece in self.house.gsm.pieces], [Text("S: Hello"), Text("S")])

    def test_who_has_no_mailbox(self) -> None:
        self.write(to=f"john%doe.com@{EMAIL}", sender="bob@example.org/x")
        self.write(to=f"john%doe.com@{EMAIL}", sender="carl@away.example/x", id="other-id")
        self.assertEqual(
            [dict(piece.headers)["chat_from"] for piece in self.house.mail.pieces], ["bob@example.org", "-"]
        )


class ToPeople(Linked):
    def test_an_answer_comes_from_who_was_written_to(self) -> None:
        for node in ("15551234567", PHONE):
            self.write(to=f"{node}@{SMS}/x", id=f"id-of-{node}")
            self.incoming()
            (answer,) = self.got()
            self.assertEqual(
                (answer.get("from"), answer.get("to"), answer.get("type")),
                (f"{node}@{SMS}", "ann@example.org", "chat"),
            )
            self.assertEqual(answer.findtext(COMPONENT + "body"), "Hi Ann")

    def test_who_wrote_as_an_account_hears_the_answer_in_his_chat(self) -> None:
        self.house.inbound.arriving.chat_of = lambda account: Address("xmpp", f"{account}@example.org")
        self.write()  # a second way to write to that phone, and not a second person
        self.house.send(PHONE, account="ann", origin=Address("account", "ann"), ticket=None)
        self.house.send("+15550000009", account="ann", origin=Address("account", "ann"), ticket=None)
        self.incoming("one")
        self.incoming("two", "+15550000009")
        one, two = self.got()
        self.assertEqual([said.findtext(COMPONENT + "body") for said in (one, two)], ["one", "two"])
        self.assertEqual({said.get("to") for said in (one, two)}, {"ann@example.org"})
        self.assertEqual(two.get("from"), f"+15550000009@{SMS}")

    def test_where_somebody_chats(self) -> None:
        self.assertEqual(str(self.link.chat_of("ann", ["ann@example.org", "x@y"])), "xmpp:ann@example.org")
        self.assertEqual(str(self.link.chat_of("Carl@example.org", [])), "xmpp:carl@example.org")
        self.assertIsNone(self.link.chat_of("ann", []))
        self.assertIsNone(self.link.chat_of("ann@away.example", []))

    def test_others_come_from_their_number(self) -> None:
        self.house.inbound.arriving.arrivals["gsm1"].deliver_to = "xmpp:bob@example.org"
        self.incoming("stranger", "+15550000009")
        (message,) = self.got()
        self.assertEqual((message.get("from"), message.get("to")), (f"+15550000009@{SMS}", "bob@example.org"))

    def test_what_xml_forbids_does_not_end_the_stream(self) -> None:
        self.send(Text("a\x0bb\x01\uffff"))
        self.send(Text("next"))
        self.assertEqual(
            [one.findtext(COMPONENT + "body") for one in self.got()], ["a\u240bb\u2401\ufffd", "next"]
        )

    def test_octets_and_mail_can_be_read(self) -> None:
        self.send(Binary(bytes(range(100))))
        self.send(Text("Dear Ann"), origin=Address("mailto", "john@doe.com"), headers=(("subject", "Offer"),))
        (octets,) = self.got()
        (mail,) = self.got(EMAIL)
        self.assertIn("binary message of 100 octets: 00 01", octets.findtext(COMPONENT + "body") or "")
        self.assertEqual(mail.get("from"), f"john%doe.com@{EMAIL}")
        self.assertEqual(mail.findtext(COMPONENT + "body"), "Offer\n\nDear Ann")

    def test_no_chat_address(self) -> None:
        self.send(Text("x"), to="nobody@")
        self.send(Text("x"), to=f"{PHONE}@{SMS}")
        self.assertEqual(self.house.states(), ["failed", "failed"])
        self.assertEqual(self.got(), [])

    def test_an_old_one_shows_when_it_was_written(self) -> None:
        at = int(self.house.clock.seconds() * 1000) - 3_600_000
        self.send(Text("x"), headers=(("date", str(at)),))
        (message,) = self.got()
        delay = message.find("{urn:xmpp:delay}delay")
        assert delay is not None
        self.assertEqual(delay.get("stamp"), "2027-01-15T07:00:00Z")


class Fates(Linked):
    REQUEST = "<request xmlns='urn:xmpp:receipts'/>"

    def report(self, status: str, reference: str = "1") -> None:
        """The network tells."""
        self.house.wait(self.house.outlet("gsm1").reported(NetworkReport(reference, PHONE, status)))
        self.settle()

    def test_a_receipt_when_the_phone_has_it(self) -> None:
        self.write(to=f"15551234567@{SMS}", more=self.REQUEST, kind="normal")
        self.assertEqual(self.got(), [])
        self.house.wait(self.house.outlet("gsm1").reported(NetworkReport("1", "15551234567", "delivered")))
        self.settle()
        (receipt,) = self.got()
        received = receipt.find(RECEIPTS + "received")
        assert received is not None
        self.assertEqual(
            (receipt.get("from"), receipt.get("to"), receipt.get("type"), received.get("id")),
            (f"15551234567@{SMS}", "ann@example.org/phone", "normal", "message-1"),
        )

    def test_none_where_none_was_asked_for(self) -> None:
        self.write()
        self.report("delivered")
        self.assertEqual(self.got(), [])

    def test_a_failure_at_once_is_an_error(self) -> None:
        self.house.gsm.answer = lambda piece: Failure(Kind.PERMANENT, "no such phone", status="5.1.1")
        self.write()
        self.assertEqual(self.error(), (f"{PHONE}@{SMS}", "message-1", "item-not-found", "no such phone"))

    def test_one_that_comes_late_can_be_read_offline(self) -> None:
        self.write("A long  text " + "x" * 100, more=self.REQUEST)
        self.house.advance(600)
        self.settle()
        self.report("failed")
        error, told = self.got()
        self.assertEqual(
            (error.get("type"), error.get("id"), error.get("to")),
            ("error", "message-1", "ann@example.org/phone"),
        )
        self.assertEqual((told.get("type"), told.get("to")), ("chat", "ann@example.org"))
        self.assertRegex(
            told.findtext(COMPONENT + "body") or "",
            "^Not delivered: \u201cA long text x+…\u201d \\(the network",
        )


class Stored(Linked):
    """Receipts at once."""

    options: ClassVar[dict[str, Any]] = {"receipts": "accepted"}

    def receipts(self) -> list[tuple[str, str, str, str]]:
        """From, to, type, and of which message."""
        found = []
        for one in self.got():
            received = one.find(RECEIPTS + "received")
            assert received is not None, one.attrib
            found.append(
                (one.get("from", ""), one.get("to", ""), one.get("type", ""), received.get("id", ""))
            )
        return found

    def test_a_receipt_when_it_is_stored_and_none_when_the_phone_has_it(self) -> None:
        self.write(more=Fates.REQUEST)
        told = [(f"{PHONE}@{SMS}", "ann@example.org/phone", "chat", "message-1")]
        self.assertEqual(self.receipts(), told)
        self.assertEqual(len(self.house.rows()), 1)
        self.house.wait(self.house.outlet("gsm1").reported(NetworkReport("1", PHONE, "delivered")))
        self.settle()
        self.assertEqual(self.got(), [])
        # Whoever did not hear it writes it again.
        self.write(more=Fates.REQUEST)
        self.assertEqual(self.receipts(), told)
        self.assertEqual(len(self.house.rows()), 1)

    def test_none_for_what_is_refused_or_wants_none(self) -> None:
        self.write()
        self.write(to=f"nobody@{SMS}", id="message-2", more=Fates.REQUEST)
        self.assertEqual(self.error()[1:3], ("message-2", "item-not-found"))


class Certainty(Linked):
    def test_sent_is_what_the_server_has_confirmed(self) -> None:
        self.server.echoes = False
        self.send(Text("x"))
        self.assertEqual(self.house.states(), ["sending"])
        self.assertEqual(len(self.got()), 1)
        component = self.link.link.components[SMS]
        component.pinged(component._ping)
        self.settle()
        self.assertEqual(self.house.states(), ["sent"])

    def test_what_was_on_its_way_is_sent_again_with_its_id(self) -> None:
        self.server.echoes = False
        self.send(Text("x"))
        (first,) = self.got()
        self.server.of(SMS).end()
        self.settle()
        row = self.house.rows()[0]
        self.assertEqual((row["state"], row["maybe_twice"]), ("ready", 1))
        self.server.echoes = True
        for _ in range(10):
            self.house.advance(30)
            self.settle()
        (again,) = self.got()
        self.assertEqual(again.get("id"), first.get("id"))
        self.assertEqual(self.house.states(), ["sent"])

    def test_what_the_server_sends_back_has_failed(self) -> None:
        self.server.echoes = False
        for kind, condition, state in (
            ("cancel", "service-unavailable", "failed"),
            ("wait", "recipient-unavailable", "ready"),
        ):
            self.send(Text("x"))
            (message,) = self.got()
            self.server.of(SMS).say(
                f"<message type='error' from='ann@example.org' to='{message.get('from')}' id='{message.get('id')}'>"
                f"<error type='{kind}'><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
            )
            component = self.link.link.components[SMS]
            component.pinged(component._ping)
            self.settle()
            row = self.house.rows()[-1]
            self.assertEqual((row["state"], condition in row["reason"]), (state, True))

    def test_nobody_bounces_what_others_were_sent(self) -> None:
        self.server.echoes = False
        self.send(Text("x"))
        (message,) = self.got()
        self.server.of(SMS).say(
            f"<message type='error' from='eve@example.org' to='{message.get('from')}' id='{message.get('id')}'/>"
        )
        component = self.link.link.components[SMS]
        component.pinged(component._ping)
        self.settle()
        self.assertEqual(self.house.states(), ["sent"])

    def bounce(self, id: str, sender: str = "ann@example.org") -> None:
        self.server.of(SMS).say(
            f"<message type='error' from='{sender}' to='{PHONE}@{SMS}' id='{id}'><error type='cancel'>"
            "<remote-server-timeout xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
        )
        self.settle()

    def test_a_late_bounce_stands_on_record_and_is_answered_to_nobody(self) -> None:
        """It counted as sent: what became of it can be seen, and sent again."""
        self.send(Text("x"))
        (message,) = self.got()
        with capturedLogs() as events:
            self.bounce(message.get("id", ""), "ann@example.org/phone")
        self.assertIn("has not arrived", " ".join(str(formatEvent(event)) for event in events))
        self.assertEqual((self.house.states(), self.got()), (["failed"], []))
        (row,) = self.house.rows()
        self.assertEqual(row["reason"], "the network reports: the chat server says remote-server-timeout")
        self.bounce(message.get("id", ""))
        self.assertEqual(self.house.states(), ["failed"])

    def test_nobody_bounces_late_what_others_were_sent_or_what_is_not_ours(self) -> None:
        self.send(Text("x"))
        (message,) = self.got()
        name = message.get("id", "")
        with capturedLogs() as events:
            self.bounce(name, "eve@example.org")
            self.bounce("smsd-x")
        self.assertNotIn("has not arrived", " ".join(str(formatEvent(event)) for event in events))
        for other in (
            name + "-1",
            name[:-1],
            "smsd-1-2",
            f"smsd-1-{1 << 63}",
            "smsd-",
            "smsd-x",
            name + "\u0663",
        ):
            self.bounce(other)
        self.assertEqual((self.house.states(), self.got()), (["sent"], []))
        self.assertEqual(self.link._returning, 0)

    def test_a_flood_of_late_bounces_is_not_read_on(self) -> None:
        self.patch(self.link, "_most", 3)
        waiting: list[Deferred[bool]] = []

        def reported(report: NetworkReport) -> Deferred[bool]:
            waiting.append(Deferred())
            return waiting[-1]

        self.patch(self.link._context.outlet, "reported", reported)
        for number in range(3):
            self.bounce(f"smsd-1-{number + 1}")
        self.assertTrue(self.link.link.components[SMS]._paused)
        waiting[0].callback(False)
        waiting[1].errback(ValueError("broken"))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertFalse(self.link.link.components[SMS]._paused)
        waiting[2].callback(True)

    def test_one_domain_down_does_not_stop_the_other(self) -> None:
        self.server.down = True
        self.server.of(SMS).end()
        self.send(Text("x"))
        self.send(Text("y"), origin=Address("mailto", "john@doe.com"))
        self.assertEqual([row["state"] for row in self.house.rows()], ["ready", "sent"])
        self.assertIn("sms.example.org: ", self.link.status)
        self.server.down = False
        for _ in range(5):
            self.house.advance(30)
            self.settle()
        self.assertEqual(self.house.states(), ["sent", "sent"])

    def test_nothing_connected(self) -> None:
        self.server.down = True
        for domain in (SMS, EMAIL):
            self.server.of(domain).end()
        self.assertEqual(self.house.outlet("chat").slots, 0)
        self.send(Text("x"))
        self.assertEqual(self.house.states(), ["ready"])


class Flow(Linked):
    options: ClassVar[dict[str, Any]] = {"most_waiting": 10}

    def test_a_burst_is_taken_and_no_more_is_read_than_can_be_worked_on(self) -> None:
        wire = self.server.of(SMS)
        sent = 0
        while wire.producerState != "paused":
            sent += 1
            self.write(id=f"burst-{sent}", wait=False)
        self.assertEqual(sent, 10)
        self.assertEqual(self.server.of(EMAIL).producerState, "paused")
        for _ in range(40):  # what was on its way already
            sent += 1
            self.write(id=f"burst-{sent}", wait=False)
        self.settle()
        self.assertEqual((wire.producerState, self.link.incoming.busy), ("producing", 0))
        self.assertEqual(len(self.house.rows(limit=100)), 50)

    def test_leaving_waits_for_what_was_read(self) -> None:
        waiting: Deferred[Any] = Deferred()
        self.link.people.account = lambda jid: waiting  # type: ignore[method-assign]
        self.write(wait=False)
        done = self.link.stopService()
        self.settle()
        self.assertNoResult(done)
        waiting.callback(self.house.accounts["ann"])
        self.house.wait(done)
        self.settle()
        self.assertEqual(self.house.states(), ["sent"])

    def test_who_has_written_is_answered_before_the_stream_ends(self) -> None:
        waiting: list[Deferred[Any]] = []

        def account(jid: Any) -> Deferred[Any]:
            waiting.append(Deferred())
            return waiting[-1]

        self.link.people.account = account  # type: ignore[method-assign]
        self.write(wait=False)
        self.write(id="message-2", sender="bob@example.org/x", wait=False)
        wire = self.server.of(SMS)
        wire.got.clear()
        done = self.link.stopService()
        self.settle()
        waiting[0].errback(Refused(Reason.NOT_ALLOWED, "it is enough"))
        self.settle()
        (message,) = [one for one in wire.got if one.tag == COMPONENT + "message"]
        self.assertEqual((message.get("type"), message.get("id")), ("error", "message-1"))
        # But not for ever.
        self.house.clock.advance(LEAVE)
        self.settle()
        self.assertEqual(self.link.link.components[SMS].trouble, "stopped")
        self.assertNoResult(done)
        waiting[1].callback(self.house.accounts["bob"])
        self.house.wait(done)

    def test_one_person_s_messages_keep_their_order_while_the_account_is_looked_for(self) -> None:
        waiting: list[Deferred[Any]] = []

        def account(jid: Any) -> Deferred[Any]:
            if len(waiting) < 2:
                waiting.append(Deferred())
                return waiting[-1]
            return succeed(self.house.accounts["ann"])

        self.link.people.account = account  # type: ignore[method-assign]
        for number in range(5):
            self.write(f"text {number}", id=f"ordered-{number}", wait=False)
        self.assertEqual(len(waiting), 1)
        waiting[0].callback(self.house.accounts["ann"])
        self.settle()
        waiting[1].errback(Refused(Reason.UNAVAILABLE, "not now"))
        self.settle()
        texts = [piece.content for piece in self.house.gsm.pieces]
        self.house.gsm.answer = lambda piece: Accepted("1")
        self.assertEqual(texts, [Text(f"text {number}") for number in (0, 2, 3, 4)])
        self.assertEqual(self.error()[1], "ordered-1")


class Unlinked(Linked):
    """The operator looks who has registered, and ends it."""

    def test_he_is_told_so(self) -> None:
        guest = Jid.parse("guest@elsewhere.example")
        self.house.wait(self.link.people.link(guest, "ann"))
        self.assertEqual(self.link.linked("ann"), [("guest@elsewhere.example", None)])
        self.server.of(SMS).got.clear()
        for account, address in (
            ("bob", guest.bare),
            ("ann", "nobody@elsewhere.example"),
            ("ann", "no@@address"),
        ):
            self.assertFalse(self.house.wait(self.link.unlink(account, address)), address)
        self.assertTrue(self.house.wait(self.link.unlink("ann", "Guest@Elsewhere.example")))
        self.assertEqual(self.link.linked("ann"), [])
        told = [(one.get("to"), one.get("type")) for one in self.server.of(SMS).got]
        self.assertEqual(
            told, [(guest.bare, kind) for kind in ("unsubscribe", "unsubscribed", "unavailable")]
        )
        self.write(sender=guest.bare)
        self.assertEqual(self.error()[2], "registration-required")
