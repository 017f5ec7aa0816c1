"""Whole sessions: the way of a mail that is taken, and what the core is told of it."""

from __future__ import annotations

import hashlib

from twisted.trial.unittest import SynchronousTestCase

from smsd.values.address import Address
from smsd.values.errors import Reason, Refused
from smsd.values.message import Binary, Parameters, Text, Wants
from tests.frontends.smtp.dialogue import Dialogue, codes


class Taken(SynchronousTestCase):
    """A mail from MAIL to 250."""

    def test_happy_path(self) -> None:
        talk = Dialogue()
        self.assertEqual(talk.greeting, "220 sms.example ESMTP smsd\r\n")
        self.assertEqual(talk.begin(), "250 2.1.5 Ok\r\n")
        self.assertEqual(talk.deliver(), "250 2.0.0 Ok: queued as 1\r\n")
        (submission,) = talk.dispatcher.submissions
        self.assertEqual(submission.door, "smtp")
        self.assertEqual(submission.account, "john")
        self.assertEqual(submission.origin, Address("mailto", "ann@example.org"))
        self.assertEqual(submission.content, Text("Hello"))
        self.assertEqual(
            submission.headers, (("subject", "hi"), ("message-id", "<1@x>"), ("from", "ann@example.org"))
        )
        self.assertEqual(submission.wants, Wants.FAILURE | Wants.DELAY)
        (recipient,) = submission.recipients
        self.assertEqual(recipient.address, Address("sms", "+15551234567"))
        self.assertEqual(recipient.typed, "+15551234567")
        ticket = submission.ticket
        self.assertEqual(ticket.address, Address("mailto", "ann@example.org"))
        self.assertEqual((ticket.message_id, ticket.subject, ticket.full), ("<1@x>", "hi", True))
        self.assertEqual(talk.send("QUIT"), "221 2.0.0 bye\r\n")
        self.assertTrue(talk.closed)

    def test_rules_are_told_what_the_client_calls_itself(self) -> None:
        talk = Dialogue()
        talk.begin()
        talk.deliver()
        talk.send(
            "EHLO mail.example.org and more", "MAIL FROM:<ann@example.org>", "RCPT TO:<+1555@sms.example>"
        )
        talk.deliver()
        self.assertEqual(
            [(one.host, one.peer) for one in talk.dispatcher.submissions],
            [("client.example", "127.0.0.1"), ("mail.example.org", "127.0.0.1")],
        )

    def test_answer_waits_for_the_commit(self) -> None:
        talk = Dialogue()
        talk.begin()
        talk.dispatcher.holding = True
        self.assertEqual(talk.deliver(), "")
        self.assertEqual(talk.send("NOOP", "QUIT"), "")
        talk.dispatcher.release()
        self.assertEqual(codes(talk.output()), ["250", "250", "221"])

    def test_key(self) -> None:
        talk = Dialogue()
        talk.begin("<+1555@sms.example>", "<+1444@gw1>")
        talk.deliver()
        key = talk.dispatcher.submissions[0].key
        self.assertEqual(key.scope, "smtp:127.0.0.1")
        self.assertEqual(key.key, "<1@x>|ann@example.org|john|+1444@gw1|+1555@")
        self.assertEqual(key.fingerprint, hashlib.sha256(b"Hello\r\n").digest())

    def test_no_key_without_message_id_or_when_off(self) -> None:
        talk = Dialogue()
        talk.begin()
        talk.deliver(b"\r\nHello\r\n")
        self.assertIsNone(talk.dispatcher.submissions[0].key)
        talk = Dialogue(idempotent=False)
        talk.begin()
        talk.deliver()
        self.assertIsNone(talk.dispatcher.submissions[0].key)

    def test_a_mail_that_rules_here_send_again_and_again_is_a_loop(self) -> None:
        for been, answer in ((4, "250 2.0.0 Ok: queued as 1"), (5, "554 5.4.6 mail loop:")):
            talk = Dialogue()
            talk.begin()
            lines = b"X-Loop: Rules@sms.example\r\n" * been + b"X-Loop: rules@other.example\r\n"
            self.assertTrue(talk.deliver(lines + b"\r\nHello\r\n").startswith(answer))
            for submission in talk.dispatcher.submissions:
                been_at = dict(submission.headers)["loop"].split()
                self.assertEqual(been_at, ["rules@sms.example"] * 4 + ["rules@other.example"])

    def test_dsn_parameters(self) -> None:
        talk = Dialogue()
        talk.log_in()
        talk.send("MAIL FROM:<ann@example.org> RET=HDRS ENVID=a+2Bb SIZE=100 BODY=8BITMIME")
        talk.send("RCPT TO:<+1@sms.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;bob+40x@example.org")
        talk.send("RCPT TO:<+2@sms.example> NOTIFY=NEVER")
        talk.deliver()
        (submission,) = talk.dispatcher.submissions
        self.assertEqual((submission.ticket.envelope_id, submission.ticket.full), ("a+b", False))
        one, two = submission.recipients
        self.assertEqual((one.wants, one.original), (Wants.SUCCESS | Wants.DELAY, "rfc822;bob@x@example.org"))
        self.assertEqual((two.wants, two.original), (Wants.NOTHING, ""))

    def test_a_password_in_the_original_recipient_is_not_kept(self) -> None:
        talk = Dialogue()
        talk.log_in()
        talk.send("MAIL FROM:<ann@example.org>")
        for spelt in ("+2B1?user+3Dann&pass+3Ds3cret", '"sms:+2B1?PASS+3Ds3@cret&user+3Dann"'):
            talk.send(f"RCPT TO:<+1@sms.example> ORCPT=rfc822;{spelt}@sms.example")
        talk.send("RCPT TO:<+1@sms.example> ORCPT=rfc822;ann+2Bpassword+3D@example.org")
        talk.deliver()
        (submission,) = talk.dispatcher.submissions
        self.assertEqual(
            [one.original for one in submission.recipients],
            [
                "rfc822;+1?user=ann&pass=***@sms.example",
                'rfc822;"sms:+1?PASS=***&user=ann"@sms.example',
                "rfc822;ann+password=@example.org",
            ],
        )

    def test_recipients_given_twice_get_one_message(self) -> None:
        talk = Dialogue()
        self.assertEqual(codes(talk.begin("<+1@sms.example>", "<+1@sms.example>")), ["250", "250"])
        talk.deliver()
        self.assertEqual(len(talk.dispatcher.submissions[0].recipients), 1)

    def test_two_mails_in_one_session(self) -> None:
        talk = Dialogue()
        talk.begin()
        talk.deliver()
        talk.send("MAIL FROM:<ann@example.org>", "RCPT TO:<+2@sms.example>")
        self.assertEqual(talk.deliver(), "250 2.0.0 Ok: queued as 2\r\n")

    def test_vetting_knows_who_asks(self) -> None:
        talk = Dialogue(trusted_networks=["127.0.0.0/8"])
        talk.begin("<+1@gw1>")
        session, recipient = talk.dispatcher.vetted[0]
        self.assertEqual(
            (session.door, session.account, session.peer, session.trusted),
            ("smtp", "john", "127.0.0.1", True),
        )
        self.assertEqual(recipient.parameters, Parameters(gateway="gw1"))

    def test_sender_without_domain_is_completed(self) -> None:
        talk = Dialogue()
        talk.log_in()
        talk.send("MAIL FROM:<ann>", "RCPT TO:<+1@sms.example>")
        talk.deliver()
        self.assertEqual(talk.dispatcher.submissions[0].origin.target, "ann@sms.example")

    def test_dot_stuffing(self) -> None:
        talk = Dialogue()
        talk.begin()
        talk.deliver(b"\r\n..a\r\n.b\r\n...\r\n")
        self.assertEqual(talk.dispatcher.submissions[0].content, Text(".a\nb\n.."))

    def test_bare_line_feeds_do_not_end_the_data(self) -> None:
        talk = Dialogue()
        talk.begin()
        self.assertEqual(talk.send("DATA"), "354 end with <CRLF>.<CRLF>\r\n")
        for smuggled in (b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\n", b"\r\n.\r"):
            self.assertEqual(talk.raw(b"a" + smuggled + b"MAIL FROM:<x@x>\r\n"), "")
        self.assertEqual(codes(talk.raw(b".\r\n")), ["250"])
        self.assertEqual(len(talk.dispatcher.submissions), 1)

    def test_empty_data(self) -> None:
        talk = Dialogue()
        talk.begin()
        talk.dispatcher.failure = Refused(Reason.EMPTY, "the message is empty: write a text")
        self.assertEqual(talk.deliver(b""), "550 5.6.0 the message is empty: write a text\r\n")

    def test_subject_option(self) -> None:
        talk = Dialogue(subject="prefix")
        talk.begin()
        talk.deliver()
        self.assertEqual(talk.dispatcher.submissions[0].content, Text("hi\nHello"))

    def test_binary(self) -> None:
        talk = Dialogue()
        talk.begin('<"sms:+1?binary=1&udh=BQQLhCPw"@sms.example>')
        talk.deliver(b"\r\nAAEC\r\n")
        content = talk.dispatcher.submissions[0].content
        self.assertIsInstance(content, Binary)
        self.assertEqual((content.data, content.header), (b"\0\1\2", b"\5\4\x0b\x84\x23\xf0"))

    def test_binary_that_is_not_base64(self) -> None:
        talk = Dialogue()
        talk.begin('<"sms:+1?binary=1"@sms.example>')
        self.assertTrue(talk.deliver(b"\r\n???\r\n").startswith("554 5.6.0 "))

    def test_big_mail_is_read_in_a_thread(self) -> None:
        talk = Dialogue()
        talk.begin()
        calls = []

        def in_thread(function, *arguments):  # type: ignore[no-untyped-def]
            from twisted.internet.defer import Deferred

            answer: Deferred[object] = Deferred()
            calls.append(lambda: answer.callback(function(*arguments)))
            return answer

        talk.factory.in_thread = in_thread  # type: ignore[method-assign]
        self.assertEqual(talk.deliver(b"X: y\r\n\r\n" + (b"a" * 990 + b"\r\n") * 300), "")
        calls.pop()()
        self.assertEqual(codes(talk.output()), ["250"])
        self.assertEqual(len(talk.dispatcher.submissions[0].content.text), 990 * 300 + 299)


class NotTaken(SynchronousTestCase):
    """Refusals, at RCPT and after the data."""

    def test_vet_refuses(self) -> None:
        talk = Dialogue()
        talk.dispatcher.refusals["+1"] = Refused(Reason.NO_GATEWAY, "no gateway carries it")
        self.assertEqual(talk.begin("<+1@sms.example>"), "550 5.4.4 no gateway carries it\r\n")
        self.assertEqual(talk.send("DATA"), "554 5.5.1 no valid recipients\r\n")

    def test_every_reason_is_spelt(self) -> None:
        for reason in Reason:
            talk = Dialogue()
            talk.begin()
            talk.dispatcher.failure = Refused(reason, "because é\nof this")
            start = f"{reason.smtp}-{reason.enhanced} because ?"
            self.assertEqual(
                talk.deliver(), f"{start}\r\n{reason.smtp} {reason.enhanced} of this\r\n", reason
            )
            self.assertEqual(codes(talk.send("NOOP")), ["250"])

    def test_mixed_outcome_is_taken_and_named(self) -> None:
        talk = Dialogue()
        talk.begin("<+15550000001@sms.example>", "<+15550000002@sms.example>")
        talk.dispatcher.refusals["+15550000002"] = Refused(Reason.OVER_LIMIT, "monthly limit reached")
        self.assertEqual(
            talk.deliver(),
            "250-2.0.0 Ok: queued as 1\r\n250 2.0.0 +15550000002 was NOT taken: monthly limit reached\r\n",
        )
        self.assertEqual(talk.dispatcher.bounced, [(1, "+15550000002")])

    def test_all_declined_is_refused_temporarily_if_anybody_was(self) -> None:
        talk = Dialogue()
        talk.begin("<+1@sms.example>", "<+2@sms.example>")
        talk.dispatcher.refusals["+1"] = Refused(Reason.NO_GATEWAY, "none")
        talk.dispatcher.refusals["+2"] = Refused(Reason.OVER_LIMIT, "limit")
        self.assertEqual(talk.deliver(), "452 4.2.2 limit\r\n")

    def test_notes_about_characters_can_be_read(self) -> None:
        talk = Dialogue()
        talk.begin("<+1@sms.example>")
        talk.dispatcher.notes = ('tidied: \u201c \u2192 ", \ue000 \u2192 nothing',)
        told = '250 2.0.0 +1: tidied: left double quotation mark -> ", U+E000 -> nothing\r\n'
        self.assertEqual(talk.deliver(), "250-2.0.0 Ok: queued as 1\r\n" + told)

    def test_notes_are_told(self) -> None:
        talk = Dialogue()
        talk.begin("<+1@sms.example>")
        talk.dispatcher.notes = ("cut to 1 part",)
        self.assertEqual(talk.deliver(), "250-2.0.0 Ok: queued as 1\r\n250 2.0.0 +1: cut to 1 part\r\n")

    def test_unknown_error_is_451_and_logged(self) -> None:
        talk = Dialogue()
        talk.begin()
        talk.dispatcher.failure = ZeroDivisionError("oops")
        self.assertEqual(talk.deliver(), "451 4.3.0 local error, try again later\r\n")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(codes(talk.send("NOOP")), ["250"])

    def test_robots_never_become_an_sms(self) -> None:
        for head in (
            b"Auto-Submitted: auto-replied\r\n",
            b"Content-Type: multipart/report; boundary=x\r\n",
        ):
            talk = Dialogue()
            talk.begin()
            self.assertEqual(
                talk.deliver(head + b"\r\n--x\r\n\r\nI am away\r\n--x--\r\n"),
                "250 2.0.0 discarded: automatic answer\r\n",
            )
            self.assertEqual(talk.dispatcher.submissions, [])
            ((recorded, reason),) = talk.dispatcher.recorded
            self.assertIn("automatic", reason)
            self.assertEqual(recorded.recipients[0].address.scheme, "sms")

    def test_monitoring_does(self) -> None:
        talk = Dialogue()
        talk.begin()
        talk.deliver(b"Auto-Submitted: auto-generated\r\n\r\ndisk full\r\n")
        self.assertEqual(len(talk.dispatcher.submissions), 1)

    def test_null_sender_is_discarded(self) -> None:
        talk = Dialogue()
        talk.log_in()
        self.assertEqual(codes(talk.send("MAIL FROM:<>", "RCPT TO:<+1@sms.example>")), ["250", "250"])
        broken = b"Content-Type: multipart/report; boundary=x\r\n\r\nno boundary\r\n"
        self.assertEqual(talk.deliver(broken), "250 2.0.0 discarded: automatic answer\r\n")
        self.assertEqual(talk.dispatcher.submissions, [])

    def test_loop(self) -> None:
        talk = Dialogue()
        talk.begin()
        self.assertTrue(
            talk.deliver(b"Received: x\r\n" * 31 + b"\r\nHello\r\n").startswith("554 5.4.6 mail loop")
        )
        talk = Dialogue()
        talk.begin()
        self.assertEqual(
            codes(talk.deliver(b"Received: x\r\n" * 30 + b"\r\nHello\r\nReceived: y\r\n")), ["250"]
        )

    def test_nul_in_the_text(self) -> None:
        talk = Dialogue()
        talk.begin()
        self.assertTrue(talk.deliver(b"\r\na\0b\r\n").startswith("554 5.6.0 "))

    def test_postmaster_has_no_mailbox(self) -> None:
        self.assertTrue(Dialogue().begin("<postmaster>").startswith("550 5.1.1 "))

    def test_relaying(self) -> None:
        self.assertTrue(Dialogue().begin("<bob@elsewhere.example>").startswith("550 5.1.2 relaying denied"))

    def test_bad_number(self) -> None:
        self.assertTrue(Dialogue().begin("<bob@sms.example>").startswith("550 5.1.3 "))


class Groups(SynchronousTestCase):
    """Recipients with credentials or wishes of their own."""

    def send(self, talk: Dialogue, *recipients: str) -> str:
        talk.send("EHLO x", "MAIL FROM:<ann@example.org>")
        return "".join(talk.send(f"RCPT TO:{recipient}") for recipient in recipients)

    def test_credentials_in_the_address(self) -> None:
        talk = Dialogue()
        self.assertEqual(self.send(talk, '<"sms:+1?user=john&pass=johnpw"@sms.example>'), "250 2.1.5 Ok\r\n")
        talk.deliver()
        (submission,) = talk.dispatcher.submissions
        self.assertEqual(submission.account, "john")
        self.assertNotIn("johnpw", repr(submission))
        self.assertEqual(talk.accounts.logins, [("john", "johnpw", "127.0.0.1")])

    def test_each_account_has_its_own_submission(self) -> None:
        talk = Dialogue()
        talk.accounts.passwords["ann"] = "annpw"
        self.send(
            talk,
            "<sms:+1?user=john&pass=johnpw@sms.example>",
            "<sms:+2?user=ann&pass=annpw@sms.example>",
            "<sms:+3?user=john&pass=johnpw@sms.example>",
        )
        self.assertEqual(talk.deliver(), "250 2.0.0 Ok: queued as 1, 2\r\n")
        self.assertEqual(
            [(one.account, [r.typed for r in one.recipients]) for one in talk.dispatcher.submissions],
            [("john", ["+1", "+3"]), ("ann", ["+2"])],
        )

    def test_one_group_failing_does_not_hide_the_other(self) -> None:
        talk = Dialogue()
        talk.accounts.passwords["ann"] = "annpw"
        self.send(
            talk,
            "<sms:+15550000001?user=john&pass=johnpw@sms.example>",
            "<sms:+15550000002?user=ann&pass=annpw@sms.example>",
        )
        submit = talk.dispatcher.submit

        def failing(submission):  # type: ignore[no-untyped-def]
            talk.dispatcher.failure = (
                Refused(Reason.UNAVAILABLE, "store") if submission.account == "ann" else None
            )
            return submit(submission)

        talk.dispatcher.submit = failing
        self.assertEqual(
            talk.deliver(), "250-2.0.0 Ok: queued as 1\r\n250 2.0.0 +15550000002 was NOT taken: store\r\n"
        )

    def test_wrong_password(self) -> None:
        talk = Dialogue()
        output = self.send(talk, '<"sms:+1?user=john&pass=secret"@sms.example>')
        self.assertEqual(output, "535 5.7.8 user name or password is wrong\r\n")
        self.send(talk, '<"sms:+1?user=john&pass=secret"@sms.example>')
        output = self.send(talk, '<"sms:+1?user=john&pass=secret"@sms.example>')
        self.assertEqual(codes(output), ["421"])
        self.assertTrue(talk.closed)

    def test_percent_for_at(self) -> None:
        talk = Dialogue(percent_logins=True)
        talk.accounts.passwords["john@icewarp.com"] = "123"
        self.assertEqual(
            self.send(talk, '<"sms:+1?user=john%icewarp.com&pass=123"@sms.example>'), "250 2.1.5 Ok\r\n"
        )
        self.assertEqual(
            [login[0] for login in talk.accounts.logins], ["john%icewarp.com", "john@icewarp.com"]
        )

    def test_percent_encoded_at(self) -> None:
        talk = Dialogue()
        talk.accounts.passwords["john@x.org"] = "p@ss+word"
        self.assertEqual(
            self.send(talk, '<"sms:+1?user=john%40x.org&pass=p%40ss+word"@sms.example>'), "250 2.1.5 Ok\r\n"
        )

    def test_without_credentials_530(self) -> None:
        talk = Dialogue()
        self.assertTrue(self.send(talk, "<+1@sms.example>").startswith("530 5.7.0 "))

    def test_open_door(self) -> None:
        talk = Dialogue(require_auth=False)
        self.assertEqual(self.send(talk, "<+1@sms.example>"), "250 2.1.5 Ok\r\n")
        talk.deliver()
        self.assertIsNone(talk.dispatcher.submissions[0].account)

    def test_trusted_peers_may_vouch(self) -> None:
        address = '<"sms:+1?authenticated=1"@sms.example>'
        self.assertEqual(self.send(Dialogue(trusted_networks=["127.0.0.1"]), address), "250 2.1.5 Ok\r\n")
        self.assertEqual(codes(self.send(Dialogue(trusted_networks=["10.0.0.0/8"]), address)), ["530"])

    def test_session_goes_before_the_address(self) -> None:
        talk = Dialogue()
        talk.begin('<"sms:+1?user=other&pass=x"@sms.example>')
        talk.deliver()
        self.assertEqual(talk.dispatcher.submissions[0].account, "john")
        self.assertEqual(len(talk.accounts.logins), 1)

    def test_reply_address_gets_the_ticket(self) -> None:
        talk = Dialogue()
        talk.begin('<"sms:+1?reply=bob%40example.org"@sms.example>', "<+2@sms.example>")
        talk.deliver()
        first, second = talk.dispatcher.submissions
        self.assertEqual(first.ticket.address, Address("mailto", "bob@example.org"))
        self.assertEqual(first.content, Text("#bob@example.org# Hello"))
        self.assertEqual(second.ticket.address, Address("mailto", "ann@example.org"))

    def test_msgid_is_the_key(self) -> None:
        talk = Dialogue()
        talk.begin('<"sms:+1?msgid=abc"@sms.example>')
        talk.deliver()
        key = talk.dispatcher.submissions[0].key
        self.assertEqual((key.scope, key.key), ("account:john", "abc"))

    def test_unknown_parameter_is_told(self) -> None:
        talk = Dialogue()
        output = talk.begin('<"sms:+1?foo=1"@sms.example>')
        self.assertEqual(output, "250-2.1.5 Ok\r\n250 2.1.5 unknown parameter 'foo' is ignored\r\n")

    def test_one_part_by_default_for_sms_addresses(self) -> None:
        talk = Dialogue(max_parts=5)
        talk.begin("<sms:+1@sms.example>", '<"sms:+2?maxmsgs=3"@sms.example>', "<+3@sms.example>")
        talk.deliver()
        self.assertEqual(
            [r.parameters.max_parts for r in talk.dispatcher.submissions[0].recipients], [1, 3, 5]
        )
