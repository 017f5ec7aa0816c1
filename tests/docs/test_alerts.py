"""The manual page of alerts tells the truth; and the whole way once: mails that come in by SMTP leave as a digest."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smsd.frontends.smtp import DoorFactory
from smsd.values.message import Text
from tests.docs.page import Example, read
from tests.docs.playing import every_example
from tests.docs.stage import Stage
from tests.frontends import fakes
from tests.frontends.smtp.dialogue import Dialogue
from tests.house import submission

PAGE = read("alerts.rst")
PHONE = "+15551234567"


def example(section: str) -> Example:
    """The example of a section."""
    return next(one for one in PAGE.examples if one.section.startswith(section) and one.yaml)


Examples = every_example(PAGE, __name__)


class Sections(SynchronousTestCase):
    def test_after_an_outage(self) -> None:
        stage = Stage(PAGE, example("After"))
        self.addCleanup(stage.close)
        house = stage.house
        house.backlog.minutes = stage.configuration.queue.digest_after_minutes
        house.outlet("gsm1").closed("pulled out")
        for text in ("web1 DOWN", *["web2 DOWN"] * 10, "all UP"):
            house.wait(house.dispatcher.submit(submission(PHONE, text)))
        house.advance(61 * 60)
        house.outlet("gsm1").opened(1)
        house.settle()
        (piece,) = stage.gateways["gsm1"].pieces
        assert isinstance(piece.content, Text)
        self.assertIn(f'"{piece.content.text}"', PAGE.text)

    def test_storms_by_smtp(self) -> None:
        stage = Stage(PAGE, example("Storms"))
        self.addCleanup(stage.close)
        context = fakes.context(
            dispatcher=stage.house.dispatcher, domains=frozenset(stage.configuration.server.domains)
        )
        (door,) = (one for one in stage.configuration.listeners if one.id == "smtp")
        client = Dialogue(factory=DoorFactory(door, context))
        client.send("EHLO nagios.example.org")
        for number in range(1, 41):
            client.send("MAIL FROM:<nagios@example.org>", f"RCPT TO:<{PHONE}@sms.example.org>", "DATA")
            client.raw(
                f"From: Nagios <nagios@example.org>\r\nMessage-ID: <{number}@nagios>\r\nSubject: PROBLEM\r\n\r\n"
                f"web{number} DOWN\r\n.\r\n".encode()
            )
            stage.house.settle()
            self.assertEqual(client.output()[:4], "250 ")
        stage.house.advance(600)
        stage.house.advance(1)
        self.assertEqual(
            [
                piece.content.text
                for piece in stage.gateways["gsm1"].pieces
                if isinstance(piece.content, Text)
            ],
            ["web1 DOWN", "web2 DOWN", "web3 DOWN", "37 more: web4 DOWN ... web40 DOWN"],
        )
