"""What is remembered of a wish to be told, and what a notification says (RFC 5438)."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from smsd.codec.sip import Cpim, read_cpim, read_imdn
from smsd.links.sip.receipts import asked_for, report_body
from smsd.values.message import Report, Wants

WISH = frozenset({"positive-delivery", "negative-delivery"})
SENT = "2026-11-21T12:16:49-05:00"
REPORT = Report("delivered", 1, 2, "sip:+1555@example.org", "", 1_795_292_000_000, 1_795_293_000_000, "Hello")


class Receipts(SynchronousTestCase):
    def told(self, envelope: str) -> tuple[Cpim, str, str]:
        """The wrapper, and whose message and which time the notification gives back."""
        headers, octets = report_body(
            replace(REPORT, envelope_id=envelope),
            "sip:+1555@example.org",
            "sip:ann@example.org",
            "d834jied93rf",
        )
        self.assertEqual(headers, (("Content-Type", "message/cpim"),))
        cpim = read_cpim(octets)
        notification = read_imdn(cpim.content)
        return cpim, notification.message_id, notification.at

    def test_as_the_rfc_has_it(self) -> None:
        """A message id of its own, and the id and time of the message that it is about; nobody is told of it in turn."""
        envelope, wants = asked_for(Cpim(message_id="34jk324j", date=SENT, wants=WISH))
        self.assertEqual(wants, Wants.SUCCESS)
        cpim, message_id, at = self.told(envelope)
        self.assertEqual((message_id, at), ("34jk324j", SENT))
        self.assertEqual(
            (cpim.message_id, cpim.date, cpim.wants), ("d834jied93rf", "2026-11-21T20:30:00Z", frozenset())
        )
        self.assertEqual((cpim.sender, cpim.to), ("sip:+1555@example.org", "sip:ann@example.org"))
        self.assertEqual(dict(cpim.content_headers)["content-disposition"], "notification")

    def test_a_message_that_says_no_time_was_sent_when_it_came(self) -> None:
        for said in ("", "yesterday", f"{SENT} {SENT}"):
            envelope, _ = asked_for(Cpim(message_id="34jk324j", date=said, wants=WISH))
            self.assertEqual(self.told(envelope)[1:], ("34jk324j", "2026-11-21T20:13:20Z"))

    def test_ids_are_what_they_are(self) -> None:
        for name in ("a:b", "a b", f"x {SENT}"):
            envelope, _ = asked_for(Cpim(message_id=name, date=SENT, wants=WISH))
            self.assertEqual(self.told(envelope)[1:], (name, SENT))

    def test_without_an_id_or_a_wish_there_is_nothing_to_tell(self) -> None:
        for cpim in (None, Cpim(wants=WISH), Cpim(message_id="x" * 301, wants=WISH), Cpim(message_id="x")):
            self.assertEqual(asked_for(cpim), ("", Wants.NOTHING))
