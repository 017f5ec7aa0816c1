"""Texts whose sender wrote a user data header: it reaches the gateway, survives a crash, and is never doubled."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smsd.codec.tpdu import decode_mo
from smsd.links.gsm.sending import pdu
from smsd.values.errors import Refused
from smsd.values.message import Binary, Declined, Parameters, Text
from tests.codec.provider import test_request as provider_requests
from tests.house import House, submission

PART = b"\x00\x03\x2a\x02\x01"  # the first of two


class HeaderTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(lambda: self.house.close())

    def sent(self, content: Text | Binary, **options: object) -> str:
        """The PDU that a modem would write for this content, after it has lain in the store."""
        self.house.wait(self.house.dispatcher.submit(submission(content=content, **options)))
        self.house = self.house.crash()
        self.house.open()
        self.house.settle()
        [piece] = self.house.gsm.pieces
        self.assertEqual(piece.content, content)
        return pdu(piece, self.house.clock.seconds(), False)[0]

    def test_seven_bits(self) -> None:
        text = "a" * 153
        line = self.sent(Text(text, PART))
        submit = decode_mo(bytes.fromhex(line)[1:])
        self.assertEqual((submit.user_data.elements, submit.user_data.text), (PART, text))

    def test_unicode(self) -> None:
        line = self.sent(Text("Ж" * 67, PART), parameters=Parameters(coding=8))
        submit = decode_mo(bytes.fromhex(line)[1:])
        self.assertEqual((submit.user_data.elements, submit.user_data.text), (PART, "Ж" * 67))

    def test_a_part_that_is_too_long_is_refused(self) -> None:
        receipt = self.house.wait(self.house.dispatcher.submit(submission(content=Text("a" * 154, PART))))
        [declined] = receipt.recipients
        assert isinstance(declined, Declined)
        self.assertIsInstance(declined.refusal, Refused)
        self.assertIn("already says which part", declined.refusal.text)

    def test_a_provider_with_a_place_for_it(self) -> None:
        url = "http://x/?to=%number%&data=%data%&udh=%udh;len;hex%"
        asked = provider_requests.ask(url, Text("a" * 153, PART))
        self.assertIn("udh=0500032A0201", asked.url)

    def test_other_elements_are_in_every_part(self) -> None:
        ports = b"\x05\x04\x15\x8a\x00\x00"
        receipt = self.house.wait(self.house.dispatcher.submit(submission(content=Text("a" * 160, ports))))
        self.assertEqual(receipt.recipients[0].parts, 2)
        self.house.open()
        self.house.settle()
        for piece in self.house.gsm.pieces:
            submit = decode_mo(bytes.fromhex(pdu(piece, 0, False)[0])[1:])
            self.assertTrue((submit.user_data.elements or b"").endswith(ports))
