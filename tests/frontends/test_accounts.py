"""Who may send, at every door alike (features U4, U5, U8): real doors, accounts, dispatcher and store."""

from __future__ import annotations

import base64
import re
from typing import Any
from urllib.parse import quote, urlencode

from twisted.internet.defer import succeed
from twisted.trial.unittest import SynchronousTestCase

from smsd.core.accounts import AccountGroupSettings, Accounts, AccountSettings, PolicySettings, hash_password
from tests.frontends.fakes import context
from tests.frontends.http import client
from tests.frontends.smtp.dialogue import Dialogue
from tests.house import House

HASH = hash_password("annpw")
NUMBER = "+15550000001"
TRUSTED, STRANGER = "192.0.2.7", "198.51.100.9"
LETTER = b"From: Ann <ann@example.org>\r\n\r\nHello\r\n"


class DoorsCase(SynchronousTestCase):
    """Every way in is a method that gives "" when the message was taken, else what the client was told."""

    WAYS = ("http", "basic", "kannel", "smtp", "address")

    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(lambda: self.house.close())
        self.house.open()
        self.accounts = Accounts(
            (), self.house.clock, run=lambda function, *arguments: succeed(function(*arguments))
        )
        self.use()
        self.house.planner._find_account = self.accounts.directory.find
        self.context = {
            "reactor": self.house.clock, "dispatcher": self.house.dispatcher, "portal": self.accounts.portal,
            "inbound": self.house.inbound, "domains": frozenset({"sms.example"}),
        }  # fmt: skip
        self.web = client.door(context(**self.context), trusted_networks=[TRUSTED], kannel="yes")
        self.serial = 0

    def use(self, policies: tuple[PolicySettings, ...] = ()) -> None:
        self.accounts.replace(
            [
                AccountSettings(user="ann", password=HASH, senders=["ACME", "+3933*"]),
                AccountSettings(user="bob", password=HASH, monthly_limit=4),
                AccountSettings(user="off", password=HASH, active=False),
                AccountSettings(user="old", password=HASH, expires="2027-01-14"),
                AccountSettings(user="eve", password=HASH, group="sales"),
            ],
            [AccountGroupSettings(id="sales", active=False)],
            policies,
        )

    # -- ways in

    def http(self, user: str, password: str, sender: str, peer: str, **more: str) -> str:
        given = {"user": user, "pass": password, "sender": sender, **more}
        fields = {name: value for name, value in given.items() if value}
        return self.get(f"/sms/?{urlencode({'number': NUMBER, 'data': 'hello', **fields})}", peer)

    def basic(self, user: str, password: str, sender: str, peer: str, **more: str) -> str:
        headers = {}
        if user:
            headers["Authorization"] = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        fields = {"sender": sender, **more} if sender else more
        return self.get(f"/sms/?{urlencode({'number': NUMBER, 'data': 'hello', **fields})}", peer, headers)

    def kannel(self, user: str, password: str, sender: str, peer: str, **more: str) -> str:
        given = {"username": user, "password": password, "from": sender, **more}
        fields = {name: value for name, value in given.items() if value}
        return self.get(f"/cgi-bin/sendsms?{urlencode({'to': NUMBER, 'text': 'hello', **fields})}", peer)

    def get(self, path: str, peer: str, headers: dict[str, str] | None = None) -> str:
        connection = client.Connection(self.web, peer)
        connection.send(client.request("GET", path, headers=headers or {}))
        self.house.settle()
        (reply,) = connection.replies()
        return "" if reply.status in (200, 202) else f"{reply.status} {reply.text}"

    def smtp(self, user: str, password: str, sender: str, peer: str, **more: str) -> str:
        words = {"sender": sender, **more} if sender else more
        return self.mail(peer, words, (user, password))

    def address(self, user: str, password: str, sender: str, peer: str, **more: str) -> str:
        given = {"user": user, "pass": password, "sender": sender, **more}
        return self.mail(peer, {name: value for name, value in given.items() if value})

    def mail(
        self, peer: str, words: dict[str, str], login: tuple[str, str] = ("", ""), sender: str = ""
    ) -> str:
        talk = Dialogue(peer, secure=True, trusted_networks=[TRUSTED], **self.context)
        talk.send("EHLO client.example")
        if login[0]:
            pair = base64.b64encode(f"\0{login[0]}\0{login[1]}".encode()).decode()
            if not (answer := talk.send(f"AUTH PLAIN {pair}")).startswith("235"):
                return answer
        self.serial += 1
        talk.send(f"MAIL FROM:<{sender or 'joe@example.org'}>")
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in words.items())
        answer = talk.send(f'RCPT TO:<"sms:{NUMBER}{"?" if query else ""}{query}"@sms.example>')
        self.house.settle()
        answer += talk.output()
        if not answer.startswith("250"):
            return answer
        talk.send("DATA")
        talk.raw(f"Message-ID: <{self.serial}@x>\r\n".encode() + LETTER + b".\r\n")
        self.house.settle()
        answer = talk.output()
        return "" if answer.startswith("250") else answer

    def way(
        self,
        name: str,
        user: str = "",
        password: str = "",
        sender: str = "",
        peer: str = STRANGER,
        **more: str,
    ) -> str:
        told: str = getattr(self, name)(user, password, sender, peer, **more)
        self.house.clock.advance(4000)  # nobody is slowed down for guessing here
        return told

    def taken(self) -> list[tuple[Any, ...]]:
        """(account, door) of everything that was taken."""
        question = self.house.store.ask(
            lambda c: [tuple(row) for row in c.execute("select account, door from message order by id")]
        )
        return list(self.house.wait(question))

    def counted(self) -> dict[str, int]:
        question = self.house.store.ask(
            lambda c: dict(c.execute("select account, n from counter").fetchall())
        )
        return dict(self.house.wait(question))


class Credentials(DoorsCase):
    def test_without_credentials_nobody_sends(self) -> None:
        for name in self.WAYS:
            self.assertRegex(self.way(name), r"^(40[13]|530) ", name)
        self.assertEqual(self.taken(), [])

    def test_wrong_ones(self) -> None:
        for name in self.WAYS:
            for user, password in (
                ("ann", "wrong"),
                ("ann", ""),
                ("nobody", "annpw"),
                ("joe@example.org", "annpw"),
            ):
                self.assertRegex(self.way(name, user, password), r"^(40[13]|53[05]) ", (name, user))
        self.assertEqual(self.taken(), [])

    def test_right_ones(self) -> None:
        for name in self.WAYS:
            self.assertEqual(self.way(name, "bob" if name == "http" else "ann", "annpw"), "", name)
        self.assertEqual([account for account, _ in self.taken()], ["bob", "ann", "ann", "ann", "ann"])
        self.assertEqual(self.counted(), {"bob": 1, "ann": 4})

    def test_accounts_that_cannot_be_used(self) -> None:
        for name in self.WAYS:
            for user in ("off", "old", "eve"):
                self.assertRegex(self.way(name, user, "annpw"), r"^(40[13]|5\d\d) ", (name, user))
        self.assertEqual(self.taken(), [])

    def test_one_counter_for_all_doors(self) -> None:
        told = [self.way(name, "bob", "annpw") for name in self.WAYS]
        self.assertEqual(told[:4], [""] * 4)
        self.assertIn("may send 4 messages a month", told[4])
        self.assertEqual(self.counted(), {"bob": 4})

    def test_who_is_switched_off_while_its_session_goes_on(self) -> None:
        talk = Dialogue(STRANGER, secure=True, **self.context)
        pair = base64.b64encode(b"\0bob\0annpw").decode()
        self.assertIn("235", talk.send("EHLO client.example", f"AUTH PLAIN {pair}"))
        self.accounts.replace([])
        talk.send("MAIL FROM:<joe@example.org>", f"RCPT TO:<sms:{NUMBER}@sms.example>")
        talk.send("DATA")
        told = talk.raw(LETTER + b".\r\n")
        self.assertRegex(told, r"(?m)^55\d .*removed")
        self.assertEqual(self.taken(), [])

    def test_a_mail_user_whom_no_policy_lets_send_any_more(self) -> None:
        joe = PolicySettings(who="joe@example.org", access=True, password=HASH, monthly_limit=9)
        for later in ((PolicySettings(who="joe@example.org", access=False),), ()):
            self.use((joe,))
            talk = Dialogue(STRANGER, secure=True, **self.context)
            pair = base64.b64encode(b"\0joe@example.org\0annpw").decode()
            self.assertIn("235", talk.send("EHLO client.example", f"AUTH PLAIN {pair}"))
            talk.send("MAIL FROM:<joe@example.org>", f"RCPT TO:<sms:{NUMBER}@sms.example>")
            self.use(later)
            talk.send("DATA")
            told = talk.raw(LETTER + b".\r\n")
            self.assertRegex(told, r"(?m)^550 .*no policy lets joe@example.org send: ask the administrator")
        self.assertEqual(self.taken(), [])


class Vouching(DoorsCase):
    """authenticated=1."""

    WAYS_TO_SAY = ("http", "basic", "address")

    def test_a_strangers_word_counts_for_nothing(self) -> None:
        self.use((PolicySettings(who="*", access=True),))
        for name in (*self.WAYS_TO_SAY, "kannel"):
            for user in ("", "ann", "joe@example.org"):
                told = self.way(name, user, "", authenticated="1")
                self.assertRegex(told, r"^(40[13]|53[05]) ", (name, user))
        self.assertEqual(self.taken(), [])

    def test_a_trusted_peer_answers_for_an_account(self) -> None:
        for name in ("http", "address"):
            self.assertEqual(self.way(name, "ann", "", peer=TRUSTED, authenticated="1"), "", name)
            self.assertRegex(self.way(name, "nobody", "", peer=TRUSTED, authenticated="1"), r"^(401|535) ")
            self.assertRegex(self.way(name, "off", "", peer=TRUSTED, authenticated="1"), r"^(403|5\d\d) ")
        self.assertEqual(self.counted(), {"ann": 2})

    def test_a_wrong_password_is_not_mended_by_it(self) -> None:
        for name in ("http", "address", "basic"):
            told = self.way(name, "ann", "wrong", peer=TRUSTED, authenticated="1")
            if name != "basic":  # there it stands beside the login, and nobody is named
                self.assertRegex(told, r"^(401|535) ", name)
        self.assertEqual(self.counted(), {})

    def test_without_policies_for_anybody(self) -> None:
        for name in ("http", "address"):
            self.assertEqual(self.way(name, "", "", peer=TRUSTED, authenticated="1"), "", name)
        self.assertEqual([account for account, _ in self.taken()], [None, None])

    def test_by_policy(self) -> None:
        self.use((
            PolicySettings(who="example.org", access=True, monthly_limit=3),
            PolicySettings(who="jim@example.org", access=False),
        ))  # fmt: skip
        for name in ("http", "address"):
            self.assertEqual(self.way(name, "Joe@Example.org", "", peer=TRUSTED, authenticated="1"), "", name)
            for user in ("jim@example.org", "joe@example.net"):
                told = self.way(name, user, "", peer=TRUSTED, authenticated="1")
                self.assertRegex(told, r"^(401|5\d\d) ", (name, user))
        self.assertIn("whose message", self.way("http", peer=TRUSTED, authenticated="1"))
        self.assertEqual(self.mail(TRUSTED, {"authenticated": "1"}), "", "the sender of the mail is the user")
        self.assertRegex(
            self.mail(TRUSTED, {"authenticated": "1"}, sender="jim@example.org"), r"^550 .*no policy"
        )
        self.assertEqual(self.counted(), {"joe@example.org": 3})
        for name in ("http", "address"):
            told = self.way(name, "joe@example.org", "", peer=TRUSTED, authenticated="1")
            self.assertIn("joe@example.org may send 3 messages a month", told)

    def test_the_senders_own_account(self) -> None:
        self.accounts.replace([AccountSettings(user="joe@example.org", password=HASH)])
        self.assertEqual(self.mail(TRUSTED, {"authenticated": "1"}), "")
        self.assertEqual(self.counted(), {"joe@example.org": 1})


class Senders(DoorsCase):
    """What an account may call itself."""

    def test_at_every_door(self) -> None:
        for name in self.WAYS:
            for sender in ("EVIL", "+39340111111"):
                told = self.way(name, "ann", "annpw", sender)
                self.assertRegex(told, r"^(4\d\d|5\d\d) ", (name, sender))
                if name != "kannel":  # whose answers are Kannel's own
                    self.assertIn("may not send as", re.sub(r"\s+", " ", told), (name, sender))
            for sender in ("acme", "+393331234567", ""):
                self.assertEqual(self.way(name, "ann", "annpw", sender), "", (name, sender))
        self.assertEqual(self.counted(), {"ann": 3 * len(self.WAYS)})

    def test_who_has_no_list_takes_any(self) -> None:
        self.assertEqual(self.way("http", "bob", "annpw", "EVIL"), "")
