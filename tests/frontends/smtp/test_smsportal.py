"""SMSPortal's dialect (S11): its document's own session, and what its clients do besides."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from twisted.internet import reactor
from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from smsd.frontends.smtp import Settings, make
from smsd.interfaces import ICredit
from smsd.values.account import Account
from smsd.values.address import Address
from smsd.values.errors import Reason, Refused
from smsd.values.message import Text, Wants
from tests.frontends import fakes
from tests.frontends.smtp.dialogue import Dialogue, codes
from tests.frontends.smtp.typist import connect
from tests.house import House

LISTENER = {
    "id": "portal", "type": "smtp", "dialect": "smsportal", "listen": ["tcp:0:interface=127.0.0.1"],
    "clear_auth_networks": ["127.0.0.0/8"],
}  # fmt: skip
DATA = '354 Enter Text Message, end with <CRLF>"."<CRLF>\r\n'


@implementer(ICredit)
@dataclass
class Credit:
    """What an account has left."""

    left: Any

    def shown(self, account: str) -> Deferred[str]:
        return fail(self.left) if isinstance(self.left, Exception) else succeed(self.left)


def talk(**changes: Any) -> Dialogue:
    """A session up to the greeting."""
    return Dialogue(dialect="smsportal", **changes)


def logged_in(**changes: Any) -> Dialogue:
    """A session of john, logged in."""
    session = talk(**changes)
    session.send("Ehlo Client", "Auth Login", base64.b64encode(b"john"))
    assert session.send(base64.b64encode(b"johnpw")).startswith("235 "), "login failed"
    return session


def sent(session: Dialogue, *lines: str | bytes, to: str = "+391234567890", sender: str = "+39333") -> str:
    """One message; the last answer."""
    session.send(f"Mail From: {sender}", f"Rcpt To:{to}", "Data")
    return session.send(*lines, ".")


class Document(TestCase):
    """The telnet session that the document prints, typed line by line. Where its print is impossible, the corrected line stands
    here and says so."""

    timeout = 300

    SESSION = (
        ("Ehlo Client", ["250-Requested okay, completed", "250-ENANCEDSTATUSCODES", "250-AUTH=LOGIN",
                         "250 AUTH LOGIN"]),  # printed without a last line: no client would go on
        ("Auth Login", ["334 VXNlcm5hbWU6"]),
        ("bXl1c2VyaWQ=", ["334 UGFzc3dvcmQ6"]),  # printed bXI1c2VyaWQ=, which is "mr5serid", not "myuserid"
        ("bXlwYXNzd29yZA==", ["235 [12.50] ID ACCOUNT: [myuserid] STATUS: [active]"]),
        ("Mail From: +3933312345678", ["250 +3933312345678 ...Sender Ok"]),
        ("Rcpt To:+391234567890", ["250 +391234567890 ...Recipient Ok"]),
        ("Data", ['354 Enter Text Message, end with <CRLF>"."<CRLF>']),  # printed with a blank behind the dot
        ("Test messaggio SMS via SMTP", None),
        (".", ["250 Message accepted for delivery to: +391234567890"]),  # printed without 250
        ("Quit", ["221 SMSC SMTP Server closing connection."]),
    )  # fmt: skip

    async def start(self) -> Any:
        accounts = fakes.FakeAccounts({"myuserid": "mypassword"})
        door = make(
            Settings(**LISTENER), fakes.context(reactor=reactor, portal=accounts, credit=Credit("12.50"))
        )
        await door.startService()
        self.addCleanup(door.stopService)
        return door

    async def test_every_line(self) -> None:
        door = await self.start()
        client = await connect(door)
        self.assertEqual(await client.answer(), ["220 Service ready. Connection 1 with [127.0.0.1]"])
        for line, answer in self.SESSION:
            if answer is None:
                client.enter(line)
            else:
                self.assertEqual(await client.type(line), answer)
        await client.gone
        dispatcher: Any = door.context.dispatcher
        (submission,) = dispatcher.submissions
        self.assertEqual(submission.content, Text("Test messaggio SMS via SMTP"))
        self.assertEqual((submission.account, submission.door), ("myuserid", "portal"))
        (recipient,) = submission.recipients
        self.assertEqual(recipient.address, Address("sms", "+391234567890"))
        self.assertEqual(recipient.parameters.sender, "+3933312345678")

    async def test_the_login_as_printed_is_somebody_else(self) -> None:
        client = await connect(await self.start())
        await client.answer()
        await client.type("Ehlo Client")
        await client.type("Auth Login")
        self.assertEqual(await client.type("bXI1c2VyaWQ="), ["334 UGFzc3dvcmQ6"])
        self.assertEqual(await client.type("bXlwYXNzd29yZA=="), ["535 user name or password is wrong"])

    async def test_connections_are_counted(self) -> None:
        door = await self.start()
        for number in (1, 2, 3):
            client = await connect(door)
            self.assertEqual(
                await client.answer(), [f"220 Service ready. Connection {number} with [127.0.0.1]"]
            )
            await client.type("QUIT")
            await client.gone


class Login(SynchronousTestCase):
    """AUTH LOGIN, and what it shows."""

    def answer(self, credit: Any) -> str:
        session = talk(credit=credit)
        session.send("EHLO x", "AUTH LOGIN", base64.b64encode(b"john"))
        return session.send(base64.b64encode(b"johnpw"))

    def test_interface(self) -> None:
        self.assertTrue(verifyObject(ICredit, Credit("")))

    def test_accounts_that_are_not_prepaid(self) -> None:
        expected = "235 [not prepaid] ID ACCOUNT: [john] STATUS: [active]\r\n"
        self.assertEqual(self.answer(None), expected)
        self.assertEqual(self.answer(Credit("")), expected)

    def test_credit_stays_on_one_line_of_ascii(self) -> None:
        self.assertEqual(
            self.answer(Credit("12,50 €\r\n550 x")),
            "235 [12,50 ? 550 x] ID ACCOUNT: [john] STATUS: [active]\r\n",
        )

    def test_credit_that_cannot_be_read_keeps_nobody_out(self) -> None:
        self.assertEqual(
            self.answer(Credit(ValueError("broken"))), "235 [unknown] ID ACCOUNT: [john] STATUS: [active]\r\n"
        )
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_in_any_case(self) -> None:
        for words in ("auth login", "AUTH LOGIN", "aUtH lOgIn am9obg=="):
            session = talk()
            session.send("ehlo x")
            self.assertTrue(session.send(words).startswith("334 "), words)

    def test_only_what_is_announced(self) -> None:
        session = talk()
        session.send("EHLO x")
        self.assertEqual(session.send("AUTH PLAIN"), "504 mechanism not known: use LOGIN\r\n")
        self.assertEqual(session.send("AUTH"), "501 write AUTH LOGIN\r\n")

    def test_nobody_sends_without(self) -> None:
        session = talk()
        for hello in ("EHLO x", "HELO x"):
            session.send(hello)
            self.assertEqual(
                session.send("Mail From: +39333"), "530 authentication required: log in (AUTH)\r\n"
            )

    def test_where_nobody_can_log_in_that_is_said(self) -> None:
        session = talk(clear_auth_networks=["192.0.2.0/24"])
        self.assertNotIn("AUTH", session.send("EHLO x"))
        why = "there is no TLS here, and your network is none of those that may do without: ask the administrator"
        self.assertEqual(
            session.send("Auth Login"), f"538 encryption is required before a password: {why}\r\n"
        )
        self.assertEqual(
            session.send("Mail From: +39333"),
            f"530 authentication required: log in (AUTH), which needs encryption: {why}\r\n",
        )

    def test_an_open_door(self) -> None:
        session = talk(require_auth=False)
        session.send("EHLO x")
        self.assertTrue(sent(session, "Ciao").startswith("250 Message accepted"))
        self.assertIsNone(session.dispatcher.submissions[0].account)

    def test_clear_passwords_only_from_where_the_configuration_says(self) -> None:
        stranger = {"peer": "203.0.113.9"}
        for session, announced in (
            (talk(**stranger), False),
            (talk(**stranger, secure=True), True),
            (talk(**stranger, clear_auth_anywhere=True), True),
            (talk(**stranger, clear_auth_networks=["203.0.113.0/24"]), True),
        ):
            self.assertEqual("AUTH" in session.send("EHLO x"), announced)
            self.assertEqual(codes(session.send("AUTH LOGIN")), ["334" if announced else "538"])

    def test_the_last_line_is_there_in_every_case(self) -> None:
        self.assertEqual(
            talk(peer="203.0.113.9").send("EHLO x"),
            "250-Requested okay, completed\r\n250 ENANCEDSTATUSCODES\r\n",
        )
        self.assertEqual(
            talk(peer="203.0.113.9", tls=True).send("EHLO x"),
            "250-Requested okay, completed\r\n250-ENANCEDSTATUSCODES\r\n250 STARTTLS\r\n",
        )


class Senders(SynchronousTestCase):
    """MAIL FROM."""

    def test_ids(self) -> None:
        for sender in (
            "+3933312345678",
            "3933312345678",
            "1234567890123456",
            "+1234567890123456",
            "1",
            "MyShop1",
            "Shop1234567",
        ):
            for written in (sender, f"<{sender}>"):
                session = logged_in()
                self.assertEqual(session.send(f"MAIL FROM:{written}"), f"250 {sender} ...Sender Ok\r\n")
                session.send("RCPT TO:+391234567890", "DATA")
                session.send("Ciao", ".")
                (submission,) = session.dispatcher.submissions
                self.assertEqual(submission.recipients[0].parameters.sender, sender)
                self.assertEqual(submission.origin, Address("account", "john"))
                self.assertEqual((submission.ticket, submission.wants), (None, Wants.NOTHING))

    def test_a_mail_program(self) -> None:
        session = logged_in()
        self.assertEqual(session.send("MAIL FROM:<ann@example.org>"), "250 ann@example.org ...Sender Ok\r\n")
        session.send("RCPT TO:<003933312345678@212.131.251.13>", "DATA")
        session.send("Ciao", ".")
        (submission,) = session.dispatcher.submissions
        self.assertIsNone(submission.recipients[0].parameters.sender)
        self.assertEqual(submission.ticket.address, Address("mailto", "ann@example.org"))
        self.assertEqual(submission.wants, Wants.FAILURE | Wants.DELAY)

    def test_others_are_refused(self) -> None:
        for sender in (
            "12345678901234567",
            "MyLongShop12",
            "My Shop",
            "My-Shop",
            "<>",
            "+",
            "+Shop",
            "Caff\xe8",
            '"a b"',
            "",
        ):
            answer = logged_in().send(f"MAIL FROM:{sender}")
            self.assertTrue(answer.startswith("553 "), (sender, answer))
        self.assertIn("up to 11 letters and digits, or up to 16 digits", logged_in().send("MAIL FROM:<a-b>"))

    def test_mistakes_of_the_command_stay_what_they_are(self) -> None:
        self.assertEqual(codes(logged_in().send("MAIL +39333")), ["501"])
        self.assertEqual(codes(logged_in().send("MAIL FROM:<a@b> FOO=1")), ["555"])

    def test_reports_go_where_the_account_hears(self) -> None:
        accounts = fakes.FakeAccounts({"john": "johnpw"})
        accounts.avatars["john"] = fakes.FakeAccount("john", email="john@example.org")
        session = logged_in(portal=accounts)
        sent(session, "Ciao")
        (submission,) = session.dispatcher.submissions
        self.assertEqual(submission.ticket.address, Address("mailto", "john@example.org"))
        self.assertEqual(submission.wants, Wants.FAILURE | Wants.DELAY)

        class Callbacks:
            def way_back(self, account: str) -> tuple[Address, Wants]:
                return Address("hook", f"of-{account}"), Wants.SUCCESS

        session = logged_in(portal=accounts, callbacks=Callbacks())
        sent(session, "Ciao")
        (submission,) = session.dispatcher.submissions
        self.assertEqual(
            (submission.ticket.address, submission.wants), (Address("hook", "of-john"), Wants.SUCCESS)
        )
        self.assertEqual(submission.origin, Address("account", "john"))


class Recipients(SynchronousTestCase):
    """RCPT TO."""

    def rcpt(self, *recipients: str) -> str:
        self.session = logged_in()
        self.session.send("MAIL FROM:Shop")
        return "".join(self.session.send(f"RCPT TO:{recipient}") for recipient in recipients)

    def test_forms(self) -> None:
        for typed, meant in (
            ("+393331234567", "+393331234567"),
            ("00393331234567", "+393331234567"),
            ("393331234567", "+393331234567"),
            ("<+393331234567>", "+393331234567"),
            ("<00393331234567@212.131.251.13>", "+393331234567"),
            ("<+393331234567@gw1>", "+393331234567"),
            ("<393331234567@[212.131.251.13]>", "+393331234567"),
            ("+123456789", "+123456789"),
            ("+123456789012345", "+123456789012345"),
        ):
            number = typed.strip("<>").partition("@")[0]
            self.assertEqual(self.rcpt(typed), f"250 {number} ...Recipient Ok\r\n")
            (vetted,) = self.session.dispatcher.vetted
            self.assertEqual((vetted[1].address, vetted[1].typed), (Address("sms", meant), number))
            self.assertIsNone(vetted[1].parameters.gateway)

    def test_others_are_refused(self) -> None:
        for typed in (
            "+39333123", "393331234", "+1234567890123456", "00391234567890123", "+39a331234567", "<ann@example.org>",
            "<sms:+393331234567@x>", "<+393331234567,+393331234568@x>", "postmaster",
            "3331234567",  # a national number: it would go to France
            "3207589951", "3227589951", "3607589951", "3807589951", "3931234567",  # to Belgium, Hungary …
        ):  # fmt: skip
            answer = self.rcpt(typed)
            self.assertTrue(answer.startswith("550 "), (typed, answer))
        self.assertIn("write +393331234567, 00393331234567 or 393331234567", self.rcpt("3331234567"))

    def test_numbers_of_other_countries(self) -> None:
        for typed in ("447911123456", "4915112345678", "37061234567", "12125551234", "32475123456"):
            self.assertEqual(self.rcpt(typed), f"250 {typed} ...Recipient Ok\r\n")

    def test_a_server_elsewhere(self) -> None:
        for typed, country, answer in (
            ("3207589951", "DE", "250"), ("4045551234", "US", "550"), ("14045551234", "US", "250"), ("393331234567", "US", "250"),
        ):  # fmt: skip
            session = logged_in(country=country)
            session.send("MAIL FROM:Shop")
            self.assertEqual(session.send(f"RCPT TO:{typed}")[:3], answer, (typed, country))

    def test_what_the_core_refuses(self) -> None:
        session = logged_in()
        session.dispatcher.refusals["+391234567890"] = Refused(Reason.NO_GATEWAY, "no gateway carries it")
        session.send("MAIL FROM:Shop")
        self.assertEqual(session.send("RCPT TO:+391234567890"), "550 no gateway carries it\r\n")

    def test_the_post_office_is_not_asked(self) -> None:
        class Office:
            def find(self, *_: object) -> None:
                raise AssertionError("asked")

        session = logged_in(post_office=Office())
        self.assertTrue(sent(session, "Ciao").startswith("250 "))


class Messages(SynchronousTestCase):
    """DATA and its answer."""

    def text(self, *lines: str | bytes, **changes: Any) -> str:
        session = logged_in(**changes)
        self.assertTrue(sent(session, *lines).startswith("250 "))
        content: Text = session.dispatcher.submissions[0].content
        return content.text

    def test_texts_without_header(self) -> None:
        for lines, text in (
            (["Ciao: come stai"], "Ciao: come stai"),
            (["Ciao: come stai", "", "bene"], "Ciao: come stai\n\nbene"),
            (["", "Ciao"], "Ciao"),
            (["Ciao", "", "From: me"], "Ciao\n\nFrom: me"),
            (["..."], ".."),
            (["Perché".encode()], "Perché"),
            (["Perch\xe9 €".encode("cp1252")], "Perché €"),
        ):
            self.assertEqual(self.text(*lines), text)

    def test_mails(self) -> None:
        self.assertEqual(self.text("From: ann@example.org", "Subject: hi", "", "Ciao"), "Ciao")
        self.assertEqual(
            self.text("MIME-Version: 1.0", "Content-Transfer-Encoding: base64", "", "Q2lhbw=="), "Ciao"
        )

    def test_160_characters(self) -> None:
        self.assertEqual(self.text("€" * 160), "€" * 160)
        session = logged_in()
        self.assertEqual(
            sent(session, "a" * 161),
            "552 the text has 161 characters and may have 160: shorten it, or send it in several messages\r\n",
        )
        self.assertEqual(session.dispatcher.submissions, [])
        self.assertEqual(self.text("a" * 161, max_characters=161), "a" * 161)
        self.assertEqual(self.text("a" * 900, max_characters=0), "a" * 900)

    def test_several_recipients(self) -> None:
        session = logged_in()
        numbers = [f"+3933300000{number}" for number in range(10, 30)]
        session.send("MAIL FROM:Shop", *(f"RCPT TO:{number}" for number in numbers))
        self.assertEqual(session.send("DATA"), DATA)
        self.assertEqual(
            session.send("Ciao", "."),
            f"250-Message accepted for delivery to: {', '.join(numbers[:18])}\r\n"
            f"250 Message accepted for delivery to: {', '.join(numbers[18:])}\r\n",
        )

    def test_who_was_not_taken_is_named(self) -> None:
        session = logged_in()
        session.send("MAIL FROM:Shop", "RCPT TO:+391234567890", "RCPT TO:+391234567891", "DATA")
        session.dispatcher.refusals["+391234567891"] = Refused(Reason.OVER_LIMIT, "the month is used up")
        self.assertEqual(
            session.send("Ciao", "."),
            "250-Message accepted for delivery to: +391234567890\r\n"
            "250 +391234567891 was NOT taken: the month is used up\r\n",
        )

    def test_notes_stay_away(self) -> None:
        session = logged_in()
        session.dispatcher.notes = ("sender not set: this gateway sends with its own number",)
        self.assertEqual(sent(session, "Ciao"), "250 Message accepted for delivery to: +391234567890\r\n")

    def test_the_answer_waits_for_the_commit(self) -> None:
        session = logged_in()
        session.dispatcher.holding = True
        self.assertEqual(sent(session, "Ciao"), "")
        session.dispatcher.release()
        self.assertEqual(session.output(), "250 Message accepted for delivery to: +391234567890\r\n")

    def test_the_other_commands(self) -> None:
        session = logged_in()
        for command in ("Noop", "Rset"):
            self.assertEqual(session.send(command), "250 Requested okay, completed\r\n")
        self.assertEqual(session.send("Foo"), "500 command not recognized\r\n")
        self.assertEqual(codes(session.send("HELP")), ["214"])


class AtHome(SynchronousTestCase):
    """With the real core."""

    def test_senders_that_an_account_may_not_use(self) -> None:
        house = House()
        self.addCleanup(house.close)
        house.open()
        house.accounts["john"] = Account("john", senders=("Shop*", "+39333*"))
        for sender, expected in (("Shop24", "250"), ("+393331", "250"), ("Bank", "550")):
            session = logged_in(dispatcher=house.dispatcher, reactor=house.clock)
            session.send(f"MAIL FROM:{sender}")
            answer = session.send("RCPT TO:+391234567890")
            self.assertEqual(codes(answer), [expected], (sender, answer))


class Configured(SynchronousTestCase):
    """What the configuration may say."""

    def test_warnings(self) -> None:
        self.assertEqual(Settings(**LISTENER).doubts(), [])
        open_door = Settings(**LISTENER, clear_auth_anywhere=True)
        self.assertEqual(len(open_door.doubts()), 1)
        self.assertIn("whoever is on the way can read them", open_door.doubts()[0])
        wide = Settings(**{**LISTENER, "clear_auth_networks": ["10.0.0.0/8", "0.0.0.0/0"]})
        self.assertEqual(len(wide.doubts()), 1)
        self.assertIn("(0.0.0.0/0)", wide.doubts()[0])

    def test_refused(self) -> None:
        for changes in (
            {"clear_auth_anywhere": True, "dialect": "smsd"},
            {"account": "john"},
            {"dialect": "fax"},
        ):
            with self.assertRaises(ValidationError):
                Settings(**{**LISTENER, **changes})
