"""Notifications, lists and programs over a real store: who may write, who gets it, who pays, what comes again."""

from __future__ import annotations

import os
from typing import Any

from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from smsd.core.credentials import Login
from smsd.core.passwords import REMEMBER
from smsd.core.postoffice import members
from smsd.core.postoffice.sending import BATCH
from smsd.interfaces import IAccount, IPostbox, IPostOffice, Posted
from smsd.values.address import Address
from smsd.values.delivery import Accepted
from smsd.values.errors import Reason, Refused
from smsd.values.message import Call, Recipient, Report, Submission, Text
from tests.core.postoffice.post import ANN, Post

EXAMPLE = "sms:+15551234567?user=smsalerts&pass=alertpwd@sms.example.org"
"""The member as document 001 has it, chapter "SMS Mailing Lists"."""


class PostCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.post = Post()
        self.addCleanup(self.post.close)

    def notify(self, **more: Any) -> None:
        """A notification `alarm` for one number, paid by smsalerts."""
        self.post.use(
            notifications=[{"address": "alarm", "to": "+15551230001", "account": "smsalerts", **more}]
        )

    def list(self, *those: str, **more: Any) -> None:
        """A list `ops`, open to everybody who has logged in."""
        self.post.use(lists=[{"address": "ops", "members": list(those), "owner": "boss@example.org", **more}])

    def refused(self, reason: Reason, function: Any, *arguments: Any, **options: Any) -> str:
        error = self.assertRaises(Refused, function, *arguments, **options)
        self.assertEqual(error.reason, reason, error.text)
        return error.text


class Finding(PostCase):
    def test_interfaces(self) -> None:
        self.notify()
        verifyObject(IPostOffice, self.post.office)
        verifyObject(IPostbox, self.post.box("alarm"))

    def test_by_local_part_at_our_domains_and_by_whole_address(self) -> None:
        self.post.use(
            notifications=[
                {"address": "Alarm", "to": "+15551230001"},
                {"address": "night@lists.example.org", "to": "+15551230001"},
            ]
        )
        find = self.post.office.find
        self.assertEqual(find("ALARM", "sms.example.org", True).address, "Alarm@sms.example.org")
        self.assertIsNotNone(find("alarm", "", True))
        self.assertIsNone(find("alarm", "lists.example.org", False))
        self.assertIsNotNone(find("night", "Lists.Example.org.", False))
        self.assertIsNone(find("night", "sms.example.org", True))
        self.assertIsNone(find("+15551230001", "sms.example.org", True))

    def test_a_new_configuration_replaces_the_old_one(self) -> None:
        self.notify()
        self.list("+15551230001")
        self.assertIsNone(self.post.box("alarm"))
        self.assertIsNotNone(self.post.box("ops"))


class Notifications(PostCase):
    """S6."""

    def test_the_default_text(self) -> None:
        self.notify()
        self.assertEqual(self.post.deliver("alarm").queued, 1)
        self.assertEqual(self.post.sent, [("+15551230001", "Ann Smith: disk full", "smsalerts")])

    def test_every_variable(self) -> None:
        self.notify(
            text="%subject%|%from%|%sender%|%size%|%first_line%|%to%|%attachments%|%from_name%|%date%|%address%",
            maxmsgs=5,
        )
        self.post.deliver("alarm", text="\n  one \ntwo", attachments=2, sent=1_800_000_000_000)
        [(_, text, _)] = self.post.sent
        parts = text.split("|")
        self.assertEqual(
            parts[:8],
            [
                "disk full", "Ann Smith <ann@example.org>", ANN, "1 kB", "one", "alarm@sms.example.org", "2",
                "Ann Smith",
            ],
        )  # fmt: skip
        self.assertRegex(parts[8], r"^2027-01-1[45] \d\d:\d\d$")
        self.assertEqual(parts[9], "alarm@sms.example.org")

    def test_the_whole_text_is_cut_to_maxmsgs(self) -> None:
        self.notify(text="%text%")
        self.post.deliver("alarm", text="x" * 500)
        self.assertEqual([len(text) for _, text, _ in self.post.sent], [500])
        self.assertEqual([piece.total for piece in self.post.house.gsm.pieces], [1])

    def test_to_many_and_to_a_mailbox(self) -> None:
        self.notify(to=["+15551230001", "sms:+15551230002?maxmsgs=3", "mailto:ann@elsewhere.example"])
        self.assertEqual(self.post.deliver("alarm").queued, 3)
        self.assertEqual([number for number, _, _ in self.post.sent], ["+15551230001", "+15551230002"])
        [piece] = self.post.mailed
        self.assertEqual(piece.target, Address("mailto", "ann@elsewhere.example"))
        self.assertEqual(piece.content, Text("Ann Smith: disk full"))

    def test_a_mail_without_anything_says_who_it_is_from(self) -> None:
        self.notify(text="%subject%")
        self.post.deliver("alarm", subject="", text="")
        self.assertEqual(self.post.sent[0][1], "(empty mail from ann@example.org)")

    def test_a_percent_sign_in_a_mail_is_no_variable(self) -> None:
        self.notify(text="%subject%")
        self.post.deliver("alarm", subject="%text% 100%")
        self.assertEqual(self.post.sent[0][1], "%text% 100%")

    def test_system_senders_only_where_it_says_so(self) -> None:
        """U8: who has not logged in may use it when it is open, or from its networks."""
        self.notify()
        text = self.refused(Reason.NOT_AUTHENTICATED, self.post.admit, "alarm")
        self.assertIn("authentication required", text)
        self.refused(Reason.NOT_AUTHENTICATED, self.post.admit, "alarm", anonymous=True)
        self.post.admit("alarm", account="john")
        self.notify(open=True)
        self.post.admit("alarm")
        self.notify(networks="192.0.2.0/24")
        self.post.admit("alarm")
        self.refused(Reason.NOT_AUTHENTICATED, self.post.admit, "alarm", peer="198.51.100.1")

    def test_without_an_account_the_writer_pays(self) -> None:
        self.notify(account=None)
        self.refused(Reason.NOT_AUTHENTICATED, self.post.admit, "alarm")
        self.post.admit("alarm", anonymous=True)
        self.post.deliver("alarm", account="john")
        self.assertEqual(self.post.sent[0][2], "john")

    def test_what_cannot_be_is_refused_at_once(self) -> None:
        self.notify(active=False)
        self.assertIn(
            "switched off", self.refused(Reason.NOT_ALLOWED, self.post.admit, "alarm", account="john")
        )
        self.notify(account="gone")
        text = self.refused(Reason.NOT_ALLOWED, self.post.admit, "alarm", account="john")
        self.assertNotIn("gone", text)
        self.notify(to="sms:+15551230001?id=elsewhere")
        self.refused(Reason.NOT_ALLOWED, self.post.admit, "alarm", account="john")

    def test_reports_go_to_the_owner(self) -> None:
        self.notify()
        self.post.deliver("alarm")
        [piece] = self.post.house.gsm.pieces
        self.assertEqual(piece.ticket.address, Address("mailto", "root@example.org"))
        self.notify(reply_to="sender")
        self.post.deliver("alarm", message_id="<2@x>")
        self.assertEqual(self.post.house.gsm.pieces[1].ticket.address, Address("mailto", ANN))

    def test_a_mail_that_comes_again_is_sent_once(self) -> None:
        self.notify()
        first = self.post.deliver("alarm")
        self.assertEqual(self.post.deliver("alarm").messages, first.messages)
        self.assertEqual(len(self.post.sent), 1)

    def test_another_text_under_the_same_id_is_a_conflict(self) -> None:
        self.notify()
        self.post.deliver("alarm")
        self.refused(Reason.CONFLICT, self.post.deliver, "alarm", digest=b"2")


class Lists(PostCase):
    """S5 and U8."""

    def test_the_example_of_the_document(self) -> None:
        self.list(EXAMPLE, senders="everybody")
        self.post.admit("ops")
        self.assertEqual(self.post.deliver("ops").queued, 1)
        self.assertEqual(self.post.sent, [("+15551234567", "sda1 is full.\nHurry.", "smsalerts")])

    def test_one_acceptance_per_account(self) -> None:
        self.list(
            EXAMPLE, EXAMPLE.replace("4567", "4568"), "sms:+15551239999?user=john&pass=p%40ss", "+15551230000",
            "mailto:ann@elsewhere.example", "mailto:eve@elsewhere.example", account="small",
        )  # fmt: skip
        posted = self.post.deliver("ops", account="bare")
        self.assertEqual((len(posted.messages), posted.queued, posted.total), (4, 6, 6))
        self.assertEqual(
            sorted((number, account or "") for number, _, account in self.post.sent),
            [
                ("+15551230000", "small"),
                ("+15551234567", "smsalerts"),
                ("+15551234568", "smsalerts"),
                ("+15551239999", "john"),
            ],
        )
        rows = self.post.house.rows()
        self.assertEqual(len({row["message"] for row in rows if row["account"] == "smsalerts"}), 1)
        self.assertEqual({row["account"] for row in rows if row["target"].startswith("mailto")}, {None})

    def test_the_limits_are_those_of_the_account(self) -> None:
        """The writer's account is not charged for members who have credentials."""
        self.list("sms:+15551239999?user=small&pass=x")
        self.post.deliver("ops", account="john")
        self.refused(Reason.OVER_LIMIT, self.post.deliver, "ops", account="john", message_id="<2@x>")

    def test_an_account_as_a_member(self) -> None:
        self.list("account:john", "account:bare", "account:gone")
        self.assertEqual(self.post.deliver("ops", account="smsalerts").queued, 1)
        self.assertEqual(self.post.sent, [("+15550007777", "sda1 is full.\nHurry.", "john")])
        reports = [piece.content for piece in self.post.mailed]
        self.assertEqual(len(reports), 2)
        self.assertIn("neither phone nor email", reports[0].reason)

    def test_an_account_that_is_a_member_by_number_too(self) -> None:
        self.list("account:john", "(555) 000-7777", "account:john")
        self.post.deliver("ops", account="smsalerts")
        self.assertEqual(
            [(number, account) for number, _, account in self.post.sent], [("+15550007777", "smsalerts")]
        )

    def test_who_may_write(self) -> None:
        for senders, who, outcome in (
            (["authenticated"], {}, Reason.NOT_AUTHENTICATED),
            (["authenticated"], {"account": "john"}, None),
            (["account:john"], {"account": "john"}, None),
            (["account:john"], {"account": "bare"}, Reason.NOT_ALLOWED),
            (["account:john"], {}, Reason.NOT_AUTHENTICATED),
            (["ann@example.org"], {}, None),
            (["ANN@Example.ORG"], {}, None),
            (["eve@example.org"], {}, Reason.NOT_ALLOWED),
            (["@example.org"], {}, None),
            (["example.org"], {}, None),
            (["@xample.org"], {}, Reason.NOT_ALLOWED),
            (["example.org"], {"sender": "ann@evil.example.org"}, Reason.NOT_ALLOWED),
            (["example.org"], {"sender": ""}, Reason.NOT_ALLOWED),
            (["everybody"], {"sender": ""}, None),
        ):
            with self.subTest(senders=senders, who=who):
                self.list(EXAMPLE, senders=senders)
                if outcome is None:
                    self.post.admit("ops", **who)
                else:
                    self.refused(outcome, self.post.admit, "ops", **who)

    def test_networks_say_from_where_an_address_is_believed(self) -> None:
        self.list(EXAMPLE, senders=["ann@example.org"], networks="10.0.0.0/8")
        self.refused(Reason.NOT_ALLOWED, self.post.admit, "ops")
        self.post.admit("ops", peer="10.1.2.3")

    def test_system_senders_need_members_with_credentials(self) -> None:
        """U8."""
        self.list("+15551230000", senders="everybody")
        self.refused(Reason.NOT_AUTHENTICATED, self.post.admit, "ops")
        self.post.admit("ops", account="john")
        self.post.admit("ops", anonymous=True)
        self.refused(Reason.NOT_AUTHENTICATED, self.post.deliver, "ops")
        self.list("+15551230000", EXAMPLE, senders="everybody")
        self.post.admit("ops")
        self.assertEqual(self.post.deliver("ops").queued, 1)
        self.assertEqual([account for _, _, account in self.post.sent], ["smsalerts"])
        self.assertIn("nobody pays", self.post.mailed[0].content.reason)

    def test_a_wrong_password_is_told_to_the_owner_and_never_shown(self) -> None:
        logged: list[str] = []
        self.addCleanup(globalLogPublisher.removeObserver, logged.append)
        globalLogPublisher.addObserver(logged.append)  # type: ignore[arg-type]
        secret = "s3cr3t"
        wrong = [f"sms:+1555123{n:04}?user=smsalerts&pass={secret}@sms.example.org" for n in range(40)]
        self.list(EXAMPLE, *wrong, "mailto:ann@elsewhere.example")
        posted = self.post.deliver("ops", account="john")
        self.assertEqual((posted.queued, posted.total), (2, 42))
        reports = [piece for piece in self.post.mailed if isinstance(piece.content, Report)]
        self.assertEqual([piece.target.target for piece in reports], ["boss@example.org"])
        report = reports[0].content
        self.assertEqual(report.recipient, "+15551230000")
        self.assertIn("(the same for 39 more members)", report.reason)
        everything = repr(
            (logged, self.post.house.rows(), self.post.mailed, self.post.house.gsm.pieces, posted)
        )
        with open(self.post.house.path, "rb") as database, open(self.post.house.path + "-wal", "rb") as wal:
            everything += repr(database.read() + wal.read())
        self.assertNotIn(secret, everything)
        self.assertNotIn("alertpwd", everything)

    def test_a_wrong_password_is_not_guessed_again(self) -> None:
        """A slip in a list would lock the account for everybody else on this machine."""
        self.list("+15551230000", "sms:+15551230001?user=bare&pass=wrong")
        for number in range(20):
            self.post.house.advance(REMEMBER + 1)
            self.post.deliver("ops", account="john", message_id=f"<{number}@y>")
        self.assertEqual(len(self.post.sent), 20)
        self.post.house.wait(self.post.accounts.portal.login(Login("bare", "x", "127.0.0.1"), None, IAccount))

    def test_nobody_can_be_reached(self) -> None:
        self.list("sms:+15551230000?user=smsalerts&pass=wrong")
        for account in (None, "john"):
            with self.subTest(account=account):
                self.list("sms:+15551230000?user=smsalerts&pass=wrong", senders="everybody")
                text = self.refused(Reason.NOT_ALLOWED, self.post.admit, "ops", account=account)
                self.assertNotIn("555", text)
        self.refused(Reason.NOT_ALLOWED, self.post.deliver, "ops", account="john")
        self.list()
        self.refused(Reason.NOT_ALLOWED, self.post.admit, "ops", account="john")

    def test_too_many_logins_at_once_means_later(self) -> None:
        self.list(EXAMPLE)
        real = self.post.accounts.portal.login

        def busy(*arguments: Any) -> Any:
            raise Refused(Reason.SLOW_DOWN, "too many logins at once: try again in a minute")

        self.patch(self.post.accounts.portal, "login", busy)
        self.refused(Reason.SLOW_DOWN, self.post.deliver, "ops", account="john")
        self.patch(self.post.accounts.portal, "login", real)
        self.assertEqual(self.post.deliver("ops", account="john").queued, 1)

    def test_one_number_once_however_it_is_written(self) -> None:
        self.list(
            "+1 555 123-0000", "sms:+15551230000", "(555) 123-0000", "mailto:a@x.example", "A@x.example"
        )
        self.assertEqual(self.post.deliver("ops", account="john").queued, 2)

    def test_subject_prefix(self) -> None:
        self.list("+15551230000", "a@x.example", subject_prefix="[ops]")
        self.post.deliver("ops", account="john", titled=True, sms="disk full\nsda1")
        self.assertEqual(self.post.sent[0][1], "[ops] disk full\nsda1")
        self.assertEqual(dict(self.post.mailed[0].headers)["subject"], "[ops] disk full")
        self.post.deliver("ops", account="john", message_id="<2@x>", subject="Re: [ops] disk full")
        self.assertEqual(dict(self.post.mailed[1].headers)["subject"], "Re: [ops] disk full")

    def test_mailboxes_get_the_text_and_hear_of_attachments(self) -> None:
        self.list("a@x.example", reply_to="ops-chat@example.org")
        self.post.deliver("ops", account="john", attachments=1)
        [piece] = self.post.mailed
        self.assertEqual(piece.content, Text("sda1 is full.\nHurry.\n\n[1 attachment was not passed on]"))
        about = dict(piece.headers)
        self.assertEqual(about["list"], "ops@sms.example.org")
        self.assertEqual((about["from_name"], about["writer"]), ("Ann Smith", ANN))
        self.assertEqual(about["reply_to"], "ops-chat@example.org")
        self.assertEqual(piece.ticket.address, Address("mailto", "ops-chat@example.org"))

    def test_circles_end(self) -> None:
        self.list("a@x.example")
        head = b"X-Loop: other@example.org\r\nX-Loop: OPS@sms.example.org"
        self.assertIn(
            "mail loop", self.refused(Reason.NOT_ALLOWED, self.post.deliver, "ops", account="john", head=head)
        )
        many = b"\r\n".join(b"X-Loop: l%d@example.org" % n for n in range(9))
        self.refused(Reason.NOT_ALLOWED, self.post.deliver, "ops", account="john", head=many)
        self.post.deliver("ops", account="john", head=b"X-Loop: other@example.org")
        self.assertEqual(dict(self.post.mailed[0].headers)["loop"], "other@example.org")

    def test_an_empty_mail_is_refused(self) -> None:
        self.list("+15551230000")
        self.refused(Reason.EMPTY, self.post.deliver, "ops", account="john", sms="", text="")


class BigLists(PostCase):
    """More than 500 recipients: several submissions, all committed before the answer, none twice."""

    def members(self, count: int, start: int = 0) -> list[str]:
        return [f"+1555{n:07}" for n in range(2_000_000 + start, 2_000_000 + start + count)]

    def deliver(self, **changes: Any) -> Posted:
        return self.post.deliver("ops", account="john", **changes)

    def numbers(self) -> list[str]:
        return sorted(row["target"].removeprefix("sms:") for row in self.rows())

    def rows(self) -> list[Any]:
        import sqlite3

        connection = sqlite3.connect(self.post.house.path)
        connection.row_factory = sqlite3.Row
        self.addCleanup(connection.close)
        return connection.execute("select message, target from delivery").fetchall()

    def test_batches(self) -> None:
        those = self.members(1800)
        self.list(*those)
        posted = self.deliver()
        self.assertEqual((posted.queued, posted.total), (1800, 1800))
        self.assertEqual(self.numbers(), those)
        sizes: dict[int, int] = {}
        for row in self.rows():
            sizes[row["message"]] = sizes.get(row["message"], 0) + 1
        self.assertEqual(set(sizes), set(posted.messages))
        self.assertLessEqual(max(sizes.values()), BATCH)

    def test_a_repeat_sends_nobody_anything(self) -> None:
        self.list(*self.members(1200))
        first = self.deliver()
        self.assertEqual(self.deliver().messages, first.messages)
        self.assertEqual(len(self.rows()), 1200)

    def test_a_repeat_after_half_of_it_sends_the_other_half(self) -> None:
        those = self.members(1500)
        self.list(*those)
        submit = self.post.house.dispatcher.submit
        taken = []

        def failing(submission: Any) -> Any:
            if len(taken) == 3:
                raise Refused(Reason.UNAVAILABLE, "the message could not be stored: please try again later")
            taken.append(submission)
            return submit(submission)

        self.patch(self.post.house.dispatcher, "submit", failing)
        self.refused(Reason.UNAVAILABLE, self.deliver)
        self.patch(self.post.house.dispatcher, "submit", submit)
        self.assertTrue(0 < len(self.rows()) < 1500)
        # Meanwhile somebody left and others joined: whoever is on the list gets it once.
        self.list(*those[1:], *self.members(40, 5000))
        self.deliver()
        numbers = self.numbers()
        self.assertEqual(len(numbers), len(set(numbers)))
        self.assertLessEqual(set(those[1:]), set(numbers))

    def test_without_a_message_id_it_is_not_asked_for_again(self) -> None:
        """What was taken would be sent twice; the owner hears of the rest."""
        self.list(*self.members(1500))
        submit = self.post.house.dispatcher.submit
        taken = []

        def failing(submission: Any) -> Any:
            taken.append(submission)
            if len(taken) == 2:
                raise Refused(Reason.UNAVAILABLE, "the message could not be stored: please try again later")
            return submit(submission)

        self.patch(self.post.house.dispatcher, "submit", failing)
        posted = self.deliver(scope="")
        self.assertEqual(posted.total, 1500)
        self.assertEqual(posted.total - posted.queued, len(taken[1].recipients))
        [report] = [piece.content for piece in self.post.mailed]
        self.assertIn(f"the same for {len(taken[1].recipients) - 1} more", report.reason)

    def test_a_store_that_is_not_there(self) -> None:
        self.list(*self.members(3))
        self.patch(
            self.post.house.dispatcher,
            "submit",
            lambda submission: (_ for _ in ()).throw(Refused(Reason.UNAVAILABLE, "later")),
        )
        self.refused(Reason.UNAVAILABLE, self.deliver, scope="")


class Files(PostCase):
    """Members files."""

    def setUp(self) -> None:
        super().setUp()
        self.path = os.path.abspath(self.mktemp())

    def write(self, text: str) -> None:
        """As an editor does it: a new file in the old one's place."""
        with open(self.path + ".new", "w", encoding="utf-8") as stream:
            stream.write(text)
        os.replace(self.path + ".new", self.path)

    def numbers(self, message_id: str) -> list[str]:
        before = len(self.post.sent)
        self.post.deliver("ops", account="john", message_id=message_id)
        return [number for number, _, _ in self.post.sent[before:]]

    def test_read_again_when_it_changes(self) -> None:
        self.write(
            "# on call\n+15551230001   # Ann\n\nsms:+15551230002?user=smsalerts&pass=alertpwd@sms.example.org\n"
        )
        self.list("+15551230000", file=self.path)
        self.assertEqual(self.numbers("<1@x>"), ["+15551230000", "+15551230001", "+15551230002"])
        self.write("+15551230003\n")
        self.assertEqual(self.numbers("<2@x>"), ["+15551230000", "+15551230003"])
        reads = []
        self.patch(members, "parse_file", lambda *arguments: reads.append(arguments))
        self.assertEqual(self.numbers("<3@x>"), ["+15551230000", "+15551230003"])
        self.assertEqual(reads, [])

    def test_a_bad_line_and_a_lost_file(self) -> None:
        self.write("+15551230001\nhello\n")
        self.list(file=self.path)
        self.assertEqual(self.numbers("<1@x>"), ["+15551230001"])
        os.remove(self.path)
        self.assertEqual(self.numbers("<2@x>"), ["+15551230001"])
        os.mkdir(self.path)
        self.assertEqual(self.numbers("<3@x>"), ["+15551230001"])


class Programs(PostCase):
    """R11: executable accounts."""

    def program(self, **more: Any) -> None:
        command = ["/usr/local/bin/ticket", "--from", "%sender%", "%subject%"]
        self.post.use(programs=[{"address": "tickets", "command": command, "account": "smsalerts", **more}])

    def test_the_mail_becomes_a_call(self) -> None:
        self.program()
        self.post.admit("tickets", account="john")
        self.post.deliver("tickets", account="john", subject="$(reboot); `x`", attachments=3)
        [piece] = self.post.programs.pieces
        call = piece.content
        self.assertIsInstance(call, Call)
        self.assertEqual((call.kind, call.what), ("program", "/usr/local/bin/ticket"))
        self.assertEqual(call.arguments, ("--from", ANN, "$(reboot); `x`"))
        self.assertEqual(call.text, "sda1 is full.\nHurry.")
        facts = dict(call.facts)
        self.assertEqual((facts["SMSD_FROM"], facts["SMSD_ATTACHMENTS"]), (ANN, "3"))
        self.assertEqual((call.reply, piece.account), ("", "smsalerts"))
        self.assertEqual(piece.target, Address("program", "ticket"))

    def test_once(self) -> None:
        self.program()
        self.post.deliver("tickets")
        self.post.deliver("tickets")
        self.assertEqual(len(self.post.programs.pieces), 1)

    def test_a_reply_when_wanted(self) -> None:
        self.program(reply=True)
        self.post.deliver("tickets")
        self.assertEqual(self.post.programs.pieces[0].content.reply, f"mailto:{ANN}")

    def test_who_may(self) -> None:
        self.program()
        self.refused(Reason.NOT_AUTHENTICATED, self.post.admit, "tickets", anonymous=True)
        self.program(open=True)
        self.post.admit("tickets")
        self.program(networks="192.0.2.1")
        self.post.admit("tickets")
        self.program(account="gone")
        self.refused(Reason.NOT_ALLOWED, self.post.admit, "tickets", account="john")

    def test_nothing_can_run_it(self) -> None:
        self.program()
        self.post.house.queue.remove("programs")
        self.refused(Reason.NO_GATEWAY, self.post.admit, "tickets", account="john")

    def test_what_a_rule_or_a_gateway_sends_to_its_address(self) -> None:
        """An incoming SMS that is for this address goes to the program; arguments and environment name the phone."""
        self.program(command=["/usr/local/bin/ticket", "%sender%"], reply=True)
        self.post.house.planner.redirect = self.post.office.redirect
        sms = Submission(
            "gsm1",
            Address("sms", "+15551234567"),
            tuple(
                Recipient(Address("mailto", to), to)
                for to in ("Tickets@sms.example.org", "tickets@elsewhere.example")
            ),
            Text("broken lamp"),
            headers=(("gateway", "gsm1"),),
        )
        self.post.house.wait(self.post.house.dispatcher.submit(sms))
        self.post.house.settle()
        [piece] = self.post.programs.pieces
        call = piece.content
        self.assertEqual((call.arguments, call.text), (("+15551234567",), "broken lamp"))
        facts = dict(call.facts)
        self.assertEqual((facts["SMSD_DIRECTION"], facts["SMSD_NUMBER"]), ("incoming", "+15551234567"))
        self.assertEqual((call.reply, call.gateway), ("sms:+15551234567", "gsm1"))
        self.assertEqual([piece.target.target for piece in self.post.mailed], ["tickets@elsewhere.example"])

    def test_a_program_that_answers_itself_comes_to_an_end(self) -> None:
        """Whoever wrote is a program here, and so is whoever gets its answer."""
        self.post.use(
            programs=[
                {"address": name, "command": [f"/bin/{name}"], "open": True, "reply": True}
                for name in ("ping", "pong")
            ]
        )
        self.post.house.planner.redirect = self.post.office.redirect
        self.post.programs.answer = lambda piece: Accepted(output=f"{piece.content.text}!")
        self.post.deliver("ping", sender="pong@sms.example.org")
        for _ in range(20):
            self.post.house.advance(1)
        ran = [piece.content.what for piece in self.post.programs.pieces]
        self.assertEqual(ran, ["/bin/ping", *["/bin/pong"] * 8])

    def test_reports_are_never_run(self) -> None:
        self.program()
        report = Report("failed", 1, 2, "+1", "no", 0, 0, "x")
        recipient = Recipient(Address("mailto", "tickets@sms.example.org"))
        submission = Submission("notice", Address("account", "smsd"), (recipient,), report)
        self.assertEqual(self.post.office.redirect(submission, recipient), recipient)
