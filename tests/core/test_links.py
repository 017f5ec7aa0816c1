"""Links: what goes back to a chat leaves by the link that it came from, and says how the phone was written to."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsd.interfaces import Abilities, MessageIn
from smsd.policy.reply import Replying
from smsd.values.address import Address
from smsd.values.delivery import Accepted, Failure, Kind
from smsd.values.message import Parameters, Recipient, Report, Submission, Text, Ticket, Wants
from tests.house import House

ANN = Address("xmpp", "ann@example.org")
CHAT = Abilities(frozenset({"xmpp"}))
TYPED = "15551234567@sms.example.org"


class WayBack(SynchronousTestCase):
    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(self.house.close)
        self.chats = [self.house.gateway(name, CHAT) for name in ("chat1", "chat2")]
        self.house.open()
        for name in ("chat1", "chat2"):
            self.house.outlet(name).opened(4)
        self.house.inbound.use(Replying(keep=3_600_000))

    def write(self, link: str) -> None:
        self.house.wait(
            self.house.dispatcher.submit(
                Submission(
                    door="chat2",
                    origin=ANN,
                    recipients=(Recipient(Address("sms", "+15551234567"), TYPED),),
                    content=Text("Hello"),
                    ticket=Ticket(ANN, message_id="stanza-1", link=link),
                    wants=Wants.FAILURE | Wants.SUCCESS | Wants.SENT,
                )
            )
        )
        self.house.settle()

    def test_reports_leave_by_the_link_and_name_the_recipient_as_it_was_written(self) -> None:
        self.write("chat2")
        self.assertEqual(self.chats[0].pieces, [])
        (piece,) = self.chats[1].pieces
        assert isinstance(piece.content, Report)
        self.assertEqual((piece.content.event, piece.content.recipient), ("sent", TYPED))
        self.assertEqual((piece.content.message_id, str(piece.target)), ("stanza-1", str(ANN)))

    def test_answers_leave_by_the_link_and_say_how_the_phone_was_written_to(self) -> None:
        self.write("chat2")
        self.house.wait(self.house.inbound.message(MessageIn("gsm1", "+15551234567", Text("Hi Ann"))))
        self.house.settle()
        self.assertEqual(self.chats[0].pieces, [])
        answer = self.chats[1].pieces[-1]
        self.assertEqual(answer.content, Text("Hi Ann"))
        self.assertEqual((str(answer.target), dict(answer.headers)["typed"]), (str(ANN), TYPED))

    def test_without_a_link_any_that_carries_such_addresses_will_do(self) -> None:
        self.write("")
        self.assertEqual(sum(len(chat.pieces) for chat in self.chats), 1)


class Back(SynchronousTestCase):
    """Who was away is there again."""

    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(self.house.close)
        self.phones = self.house.gateway("sip1", Abilities(frozenset({"sip"}), apart=True))
        self.house.open()
        self.house.outlet("sip1").opened(4)
        self.phones.answer = lambda piece: Failure(Kind.TEMPORARY, "no phone has registered")

    def write(self, name: str, **parameters: Any) -> None:
        address = Address("sip", f"{name}@example.org")
        recipient = Recipient(address, parameters=Parameters(gateway="sip1", **parameters))
        self.house.wait(
            self.house.dispatcher.submit(
                Submission("http", Address("account", "demo"), (recipient,), Text(f"to {name}"))
            )
        )
        self.house.settle()

    def back(self, name: str) -> list[str]:
        """Who is tried when this one is back."""
        self.phones.pieces.clear()
        self.house.wait(self.house.outlet("sip1").back(Address("sip", f"{name}@example.org")))
        self.house.settle()
        return [piece.target.target for piece in self.phones.pieces]

    def test_what_waits_for_him_is_tried_at_once_and_nothing_else(self) -> None:
        for name in ("ann", "bob", "ann"):
            self.write(name)
        self.assertEqual(self.back("ann"), ["ann@example.org"] * 2)
        self.assertEqual(self.back("carl"), [])
        self.phones.answer = lambda piece: Accepted()
        self.assertEqual(self.back("bob"), ["bob@example.org"])
        self.assertEqual(self.house.states(), ["ready", "sent", "ready"])

    def test_silence_of_many_is_no_trouble_of_the_gateway(self) -> None:
        self.phones.answer = lambda piece: Failure(Kind.TEMPORARY, "silence", maybe_sent=True)
        for name in ("ann", "bob", "carl", "dora"):
            self.write(name)
        self.assertEqual(self.house.outlet("sip1").told(self.house.queue.now()), "")
        self.assertEqual([row["maybe_twice"] for row in self.house.rows()], [True] * 4)
