"""The door and the post office: who is asked what, and the one answer for everything in a mail."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from smsd.interfaces import IPostbox, IPostOffice, MailIn, Posted, Session
from smsd.values.address import Address
from smsd.values.errors import Reason, Refused
from tests.frontends.smtp.dialogue import MAIL, Dialogue, codes


@implementer(IPostbox)
class Box:
    """Takes everything, unless `refusal` (at RCPT) or `failure` (after the dot) say no; with `holding` the answer waits."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.admitted: list[tuple[Session, str, bool]] = []
        self.mails: list[MailIn] = []
        self.refusal: Refused | None = None
        self.failure: Exception | None = None
        self.holding: list[Deferred[Posted]] | None = None

    def admit(self, session: Session, sender: str, anonymous: bool) -> Deferred[None]:
        self.admitted.append((session, sender, anonymous))
        return succeed(None) if self.refusal is None else fail(self.refusal)

    def deliver(self, mail: MailIn) -> Deferred[Posted]:
        self.mails.append(mail)
        if self.holding is not None:
            answer: Deferred[Posted] = Deferred()
            self.holding.append(answer)
            return answer
        return succeed(Posted((70, 71), 9, 9)) if self.failure is None else fail(self.failure)


@implementer(IPostOffice)
class Office:
    """Knows `ops` at our domains and `night@lists.example`."""

    def __init__(self) -> None:
        self.ops = Box("ops@sms.example")
        self.night = Box("night@lists.example")
        self.asked: list[tuple[str, str, bool]] = []

    def find(self, local: str, domain: str, ours: bool) -> Box | None:
        self.asked.append((local, domain, ours))
        if local.lower() == "ops" and ours:
            return self.ops
        return self.night if (local, domain) == ("night", "lists.example") else None


class Boxes(SynchronousTestCase):
    def setUp(self) -> None:
        self.office = Office()
        verifyObject(IPostOffice, self.office)
        verifyObject(IPostbox, self.office.ops)

    def dialogue(self, **changes: Any) -> Dialogue:
        return Dialogue(post_office=self.office, **changes)

    def test_a_mail_to_a_box(self) -> None:
        talk = self.dialogue()
        self.assertEqual(talk.begin("<OPS@sms.example>"), "250 2.1.5 Ok\r\n")
        self.assertEqual(talk.deliver(), "250 2.0.0 Ok: queued as 70\r\n")
        self.assertEqual(talk.dispatcher.submissions, [])
        [(session, sender, anonymous)] = self.office.ops.admitted
        self.assertEqual(
            (session.account, session.peer, sender, anonymous),
            ("john", "127.0.0.1", "ann@example.org", False),
        )
        [mail] = self.office.ops.mails
        self.assertEqual((mail.session, mail.sender), (session, sender))
        self.assertEqual(
            (mail.text, mail.sms, mail.subject, mail.message_id), ("Hello", "Hello", "hi", "<1@x>")
        )
        self.assertEqual(
            (mail.from_, mail.size, mail.scope), ("ann@example.org", len(MAIL), "smtp:127.0.0.1")
        )
        self.assertTrue(mail.head.startswith(b"Message-ID: <1@x>"))
        self.assertFalse(mail.titled)

    def test_domains(self) -> None:
        for address, code in (
            ("<ops>", "250"), ("<ops@[127.0.0.1]>", "250"), ("<ops@sms.sms.example>", "250"), ("<ops@gw1>", "550"),
            ("<ops@elsewhere.example>", "550"), ("<night@lists.example>", "250"), ("<night@sms.example>", "550"),
            ('<"ops"@sms.example>', "250"), ("<ops?x=1@sms.example>", "550"),
        ):  # fmt: skip
            with self.subTest(address=address):
                self.assertEqual(codes(self.dialogue().begin(address)), [code])

    def test_without_a_post_office(self) -> None:
        self.assertEqual(codes(Dialogue().begin("<ops@sms.example>")), ["550"])

    def test_the_same_box_twice_gets_one_mail(self) -> None:
        talk = self.dialogue()
        talk.begin("<ops@sms.example>", "<OPS>")
        talk.deliver()
        self.assertEqual(len(self.office.ops.mails), 1)

    def test_the_subject_belongs_to_the_sms_only(self) -> None:
        for option, sms in (("prefix", "hi\nHello"), ("only", "hi")):
            with self.subTest(option=option):
                self.setUp()
                talk = self.dialogue(subject=option)
                talk.begin("<ops>")
                talk.deliver()
                [mail] = self.office.ops.mails
                self.assertEqual((mail.text, mail.sms, mail.titled), ("Hello", sms, True))

    def test_strangers_are_for_the_box_to_judge(self) -> None:
        talk = self.dialogue()
        talk.send("EHLO x", "MAIL FROM:<eve@example.net>")
        self.assertEqual(talk.send("RCPT TO:<ops>"), "250 2.1.5 Ok\r\n")
        self.office.ops.refusal = Refused(Reason.NOT_ALLOWED, "eve may not write to ops@sms.example")
        self.assertEqual(talk.send("RCPT TO:<ops>"), "550 5.7.1 eve may not write to ops@sms.example\r\n")
        talk = self.dialogue(require_auth=False)
        talk.send("EHLO x", "MAIL FROM:<eve>", "RCPT TO:<ops>")
        self.assertEqual(self.office.ops.admitted[-1][1:], ("eve@sms.example", True))

    def test_the_answer_waits_for_all_commits(self) -> None:
        talk = self.dialogue()
        talk.begin("<ops>", "<night@lists.example>", "<+15551234567@sms.example>")
        self.office.ops.holding = []
        talk.dispatcher.holding = True
        self.assertEqual(talk.deliver(), "")
        talk.dispatcher.release()
        self.assertEqual(talk.output(), "")
        self.office.ops.holding.pop().callback(Posted((80,), 1, 2))
        self.assertEqual(talk.output(), "250 2.0.0 Ok: queued as 1, 80, 70\r\n")

    def test_nobody_but_a_box_that_fails(self) -> None:
        for reason, code in ((Reason.UNAVAILABLE, "451"), (Reason.NOT_ALLOWED, "550"), (Reason.EMPTY, "550")):
            with self.subTest(reason=reason):
                talk = self.dialogue()
                talk.begin("<ops>")
                self.office.ops.failure = Refused(reason, "no")
                self.assertEqual(codes(talk.deliver()), [code])
                self.assertEqual(talk.dispatcher.bounced, [])

    def test_a_box_that_fails_beside_others(self) -> None:
        """The mail is taken, and its sender told; unless it may come again, which is better."""
        talk = self.dialogue()
        talk.begin("<ops>", "<+15551234567@sms.example>")
        self.office.ops.failure = Refused(Reason.NOT_ALLOWED, "nobody can be reached")
        self.assertIn("ops@sms.example was NOT taken: nobody can be reached", talk.deliver())
        self.assertEqual(talk.dispatcher.bounced, [(1, "ops@sms.example")])

        self.office.ops.failure = Refused(Reason.UNAVAILABLE, "later")
        talk = self.dialogue()
        talk.begin("<ops>", "<night@lists.example>", "<+15551234567@sms.example>")
        self.assertEqual(talk.deliver(), "451 4.3.0 later\r\n")
        talk.send("MAIL FROM:<ann@example.org>", "RCPT TO:<ops>", "RCPT TO:<night@lists.example>")
        self.assertEqual(codes(talk.deliver(b"\r\nno Message-ID\r\n")), ["250"])

    def test_a_bug_in_a_box_is_no_secret_and_no_loss(self) -> None:
        talk = self.dialogue()
        talk.begin("<ops>")
        self.office.ops.failure = ZeroDivisionError("secret")
        self.assertEqual(talk.deliver(), "451 4.3.0 local error, try again later\r\n")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_not_idempotent_where_the_door_is_not(self) -> None:
        talk = self.dialogue(idempotent=False)
        talk.begin("<ops>")
        talk.deliver()
        self.assertEqual(self.office.ops.mails[0].scope, "")

    def test_answers_of_robots_reach_no_box(self) -> None:
        talk = self.dialogue()
        talk.begin("<ops>", "<+15551234567@sms.example>")
        self.assertIn("discarded", talk.deliver(b"Auto-Submitted: auto-replied\r\n\r\nI am away\r\n"))
        self.assertEqual(self.office.ops.mails, [])
        [(record, _)] = talk.dispatcher.recorded
        self.assertEqual(
            [str(one.address) for one in record.recipients], ["sms:+15551234567", "mailto:ops@sms.example"]
        )

    def test_postmaster_may_be_a_box(self) -> None:
        box = self.office.ops
        self.office.find = lambda local, domain, ours: box if local == "postmaster" else None  # type: ignore[method-assign]
        self.assertEqual(codes(self.dialogue().begin("<postmaster>")), ["250"])

    def test_origin_of_a_report_is_the_sender(self) -> None:
        talk = self.dialogue()
        talk.begin("<ops>", "<+15551234567@sms.example>")
        self.office.ops.failure = Refused(Reason.OVER_LIMIT, "the limit is reached")
        told = []
        talk.dispatcher.bounce = lambda submission, message, declined: (
            told.append(submission) or succeed(None)
        )
        talk.deliver()
        self.assertEqual(told[-1].ticket.address, Address("mailto", "ann@example.org"))
