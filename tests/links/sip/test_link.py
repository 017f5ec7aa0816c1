"""The link as the server sees it: how it starts, waits for its ports, stops; and pieces that nobody has written to a phone for."""

from __future__ import annotations

from typing import Any

from twisted.internet.error import CannotListenError
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec.sip import Request, read_cpim, write
from smsd.links.sip.link import AGAIN
from smsd.store.operating import Verb
from smsd.values.address import Address
from smsd.values.message import Binary, Content, Recipient, Submission, Text, Ticket, Wants
from tests.links.sip.rig import PBX, REALM, Rig, ok, register, request

HI = Text("Hi")


class Starts(SynchronousTestCase):
    def test_a_port_that_somebody_has_is_tried_again(self) -> None:
        rig = Rig()
        self.addCleanup(rig.close)
        rig.house.wait(rig.link.stopService())
        rig.make()
        listen, troubles = rig.wires.open, [CannotListenError("", 5060, OSError("in use"))]

        async def open_later() -> None:
            if troubles:
                raise troubles.pop()
            await listen()

        rig.wires.open = open_later  # type: ignore[method-assign]
        rig.start()
        self.assertIn("cannot listen", rig.link.status)
        self.assertEqual(rig.house.outlet("sip1").slots, 0)
        rig.house.advance(AGAIN)
        self.assertTrue(rig.wires.is_open)
        self.assertEqual(rig.house.outlet("sip1").slots, 64)
        self.assertIn("listening on udp:5060, tcp:5060, phones of 0 people", rig.link.status)

    def test_who_waits_for_a_commit_is_answered_before_it_stops(self) -> None:
        rig = Rig(trusted_networks=["10.0.0.0/8"])
        self.addCleanup(rig.house.close)
        rig.wires.heard(write(request(peer=PBX)), PBX)
        stopping = rig.link.stopService()
        self.assertTrue(rig.wires.is_open)
        rig.house.wait(stopping)
        ((_, answer),) = rig.wires.take()
        self.assertEqual(answer.status, 202)  # type: ignore[union-attr]
        self.assertFalse(rig.wires.is_open)

    def test_what_is_on_the_wire_when_it_stops_is_in_doubt(self) -> None:
        rig = Rig()
        self.addCleanup(rig.house.close)
        rig.asked(rig.logged_in(register()))
        _send(rig, "ann@sip.example.org")
        self.assertEqual(len(rig.wires.take()), 1)
        rig.house.wait(rig.link.stopService())
        self.assertEqual(rig.house.states(), ["ready"])
        self.assertTrue(rig.house.rows()[0]["maybe_twice"])


def _send(rig: Rig, to: str, content: Content = HI, **options: Any) -> None:
    submission = Submission(
        "gsm1", options.pop("origin", Address("sms", "+393331234567")), (Recipient(Address("sip", to)),), content, **options
    )  # fmt: skip
    rig.house.wait(rig.house.dispatcher.submit(submission))
    rig.house.settle()


class Pieces(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig(trusted_networks=["10.9.8.7"])
        self.addCleanup(self.rig.close)
        self.assertEqual(self.rig.asked(self.rig.logged_in(register())).status, 200)

    def asked(self) -> Request:
        ((_, asked),) = self.rig.wires.take()
        assert isinstance(asked, Request)
        return asked

    def test_what_answers_nothing_comes_from_the_number_at_our_domain(self) -> None:
        _send(self.rig, f"ann@{REALM}")
        self.assertEqual(self.asked().sender.uri, f"sip:+393331234567@{REALM}")

    def test_names_of_senders_become_addresses_that_a_phone_can_show(self) -> None:
        for sender, shown in (("ACME Ltd.", "ACMELtd."), ("*100#", "*100%23"), ("\u0391", "unknown")):
            _send(self.rig, f"ann@{REALM}", origin=Address("sms", sender))
            asked = self.asked()
            self.assertEqual(asked.sender.uri, f"sip:{shown}@{REALM}")
            self.rig.hear(ok(asked))
        _send(self.rig, f"ann@{REALM}", origin=Address("mailto", "bob@example.org"))
        asked = self.asked()
        self.assertEqual((asked.sender.uri, asked.sender.name), (f"sip:smsd@{REALM}", "bob@example.org"))

    def test_octets_are_shown_as_such(self) -> None:
        _send(self.rig, f"ann@{REALM}", Binary(b"\1\2"))
        self.assertEqual(self.asked().body, b"(binary message of 2 octets: 0102)")

    def test_an_address_of_nobody_ends_it(self) -> None:
        self.rig.names["example.net"] = ["192.0.2.99"]
        _send(self.rig, "ann@example.net")
        self.rig.house.settle()
        self.assertEqual(self.rig.house.states(), ["failed"])

    def test_straight_to_a_host_that_is_trusted(self) -> None:
        _send(self.rig, "200@10.9.8.7")
        ((to, asked),) = self.rig.wires.take()
        self.assertEqual((to.host, to.port, asked.uri), ("10.9.8.7", 5060, "sip:200@10.9.8.7"))  # type: ignore[union-attr]

    def test_and_to_its_name(self) -> None:
        self.rig.names["pbx.example.net"] = ["2001:db8::1", "10.9.8.7"]
        _send(self.rig, "200@pbx.example.net")
        ((to, asked),) = self.rig.wires.take()
        self.assertEqual((to.host, asked.uri), ("10.9.8.7", "sip:200@pbx.example.net"))  # type: ignore[union-attr]

    def test_a_text_that_no_datagram_holds_ends_it(self) -> None:
        _send(self.rig, f"ann@{REALM}", Text("x" * 60_001))
        self.assertEqual(self.rig.house.states(), ["failed"])

    def test_a_report_tells_in_words_unless_a_notification_was_asked_for(self) -> None:
        for envelope, kind in (
            ("", "text/plain"),
            ("imdn:+-:m-1", "message/cpim"),
            ("imdn:+:m-1", "text/plain"),
        ):
            submission = Submission(
                "sip1", Address("sip", f"ann@{REALM}"),
                (Recipient(Address("sms", "+15550000001"), f"sip:+15550000001@{REALM}"),), Text("Hello " * 20),
                ticket=Ticket(Address("sip", f"ann@{REALM}"), envelope_id=envelope, link="sip1"), wants=Wants.FAILURE,
            )  # fmt: skip
            self.rig.house.outlet("gsm1").closed("away")
            receipt = self.rig.house.wait(self.rig.house.dispatcher.submit(submission))
            delivery = receipt.recipients[0].delivery
            house = self.rig.house
            for lane in house.wait(house.store.control(Verb("cancel", delivery, house.store.now(), 0))):
                house.queue.wake(lane)
            self.rig.house.settle()
            asked = self.asked()
            self.assertEqual(asked.content_type, kind)
            self.assertEqual(asked.sender.uri, f"sip:+15550000001@{REALM}")
            if kind == "text/plain":
                begun = ("Hello " * 20)[:40]
                self.assertTrue(
                    asked.body.startswith(f"Your message ({begun}…) was cancelled: ".encode()), asked.body
                )
            else:
                self.assertIn(b"<failed", read_cpim(asked.body).content)
            self.rig.hear(ok(asked))
