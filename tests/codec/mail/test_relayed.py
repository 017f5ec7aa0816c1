"""Mail of a list as the standard library reads it."""

from __future__ import annotations

import email
import email.policy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec.mail import to_text
from smsd.codec.mail.relayed import relayed


def raw(text: str = "Hello", **changes: Any) -> bytes:
    values: dict[str, Any] = {
        "box": "ops@sms.example.org",
        "writer": "ann@example.org",
        "name": "Ann Smith",
        "subject": "disk full",
        "message_id": "<1.2@mx.example.org>",
        "date": 1704103200000,
        **changes,
    }
    return relayed(text, **values)


def parsed(text: str = "Hello", **changes: Any) -> Any:
    return email.message_from_bytes(raw(text, **changes), policy=email.policy.default)


class Relayed(SynchronousTestCase):
    def test_from_the_list_and_answered_to_the_writer(self) -> None:
        mail = parsed()
        self.assertEqual(mail["From"], "Ann Smith via ops <ops@sms.example.org>")
        self.assertEqual((mail["To"], mail["Reply-To"]), ("ops@sms.example.org", "ann@example.org"))
        self.assertEqual(mail["Subject"], "disk full")
        self.assertEqual(mail["List-Id"], "<ops.sms.example.org>")
        self.assertEqual(mail["X-Loop"], "ops@sms.example.org")
        self.assertEqual(mail.get_content().strip(), "Hello")
        self.assertEqual(mail.defects, [])

    def test_a_reply_to_of_its_own(self) -> None:
        self.assertEqual(parsed(reply_to="chat@example.org")["Reply-To"], "chat@example.org")

    def test_loops_are_carried_on(self) -> None:
        mail = parsed(loops=("a@x", "ops@sms.example.org", "b@x"))
        self.assertEqual(mail.get_all("X-Loop"), ["a@x", "ops@sms.example.org", "b@x"])

    def test_it_is_no_answer_of_a_robot(self) -> None:
        self.assertFalse(to_text(raw()).automatic)

    @given(st.text(), st.text(), st.text(), st.text())
    def test_nobody_adds_a_field(self, name: str, writer: str, subject: str, loop: str) -> None:
        plain = raw(name="x", writer="x@x", subject="x", loops=("x",))
        made = raw(
            name=f"{name}\r\nBcc: {name}",
            writer=f"{writer}\nBcc: x",
            subject=f"{subject}\r\n\r\nx",
            loops=(loop,),
        )
        fields = {name.lower() for name in email.message_from_bytes(plain).keys()}  # noqa: SIM118
        self.assertLessEqual({name.lower() for name in email.message_from_bytes(made).keys()}, fields)  # noqa: SIM118
