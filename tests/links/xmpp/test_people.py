"""Whose account a chat address has: registration, settings, policies, in this order; and what stands against guessing."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import fail
from twisted.logger import capturedLogs, formatEvent

from smsd.codec.jid import Jid
from smsd.core.guessing import FREE
from smsd.links.xmpp import people
from smsd.links.xmpp.people import Known, People
from smsd.values.errors import Reason, Refused
from tests.links.xmpp.room import ANN, BOB, HASH, Room

CARL = Jid.parse("carl@example.net/x")


class PeopleCase(Room):
    def whose(self, jid: Jid) -> str:
        return str(self.house.wait(self.people.account(jid)).name)

    def refusal(self, jid: Jid) -> Refused:
        caught: Refused = self.assertRaises(Refused, self.whose, jid)
        return caught

    def link_up(self, jid: Jid, account: str) -> None:
        self.house.wait(self.people.link(jid, account))

    def again(self) -> None:
        """Another life of the server."""
        self.house = self.house.crash()
        self.furnish()


class Order(PeopleCase):
    def test_a_stranger_is_told_what_to_do(self) -> None:
        refused = self.refusal(BOB)
        self.assertEqual(refused.reason, Reason.NOT_AUTHENTICATED)
        self.assertEqual(
            refused.text,
            "bob@elsewhere.example has no account here: register with sms.example.org in your chat program, with the name and"
            " password of your SMS account, or ask the administrator",
        )
        self.assertEqual(self.refusal(ANN).reason, Reason.NOT_AUTHENTICATED)

    def test_settings_name_an_address(self) -> None:
        self.assertEqual(self.whose(CARL), "settled")

    def test_registration_goes_before_settings_and_policies(self) -> None:
        self.configure(policies=({"who": "example.org", "access": True},))
        self.assertEqual(self.whose(ANN), "ann@example.org")
        self.link_up(ANN, "office")
        self.link_up(CARL, "ann")
        self.assertEqual((self.whose(ANN), self.whose(CARL)), ("office", "ann"))
        self.house.wait(self.people.unlink(ANN))
        self.house.wait(self.people.unlink(CARL))
        self.assertEqual((self.whose(ANN), self.whose(CARL)), ("ann@example.org", "settled"))

    def test_policies_are_for_users_whom_this_server_has_logged_in(self) -> None:
        self.configure(policies=({"who": "*", "access": True, "monthly_limit": 7},))
        self.assertEqual(self.house.wait(self.people.account(ANN)).monthly_limit, 7)
        self.assertEqual(self.refusal(BOB).reason, Reason.NOT_AUTHENTICATED)
        self.assertEqual(self.refusal(Jid.parse("example.org")).reason, Reason.NOT_AUTHENTICATED)

    def test_whose_account_is_gone_is_forgotten_with_the_next_start(self) -> None:
        self.link_up(CARL, "ann")
        self.link_up(BOB, "passing")
        self.again()
        self.assertEqual((self.people.jids("ann"), self.people.jids("passing")), ([CARL.bare], []))
        self.configure({"user": "passing"})
        self.assertEqual(self.refusal(BOB).reason, Reason.NOT_AUTHENTICATED)
        self.again()
        self.assertEqual(self.people.jids("passing"), [])

    def test_nobody_is_taken_for_somebody_else_of_his_server(self) -> None:
        """What the portal makes of names that people type holds for typed ones only."""
        self.configure({"user": "Dora@example.org"}, policies=({"who": "ann@example.org", "access": True},))
        self.assertEqual(self.whose(ANN), "ann@example.org")
        for name in ("%61nn@example.org", "ann%40example.org@example.org", "%64ora@example.org"):
            self.assertEqual(self.refusal(Jid.parse(name)).reason, Reason.NOT_AUTHENTICATED)
        self.assertEqual(self.whose(Jid.parse("dora@example.org")), "Dora@example.org")

    def test_it_is_known_at_once(self) -> None:
        """So that messages stay in their order."""
        self.configure(policies=({"who": "example.org", "access": True},))
        self.link_up(BOB, "ann")
        for jid in (ANN, BOB, CARL):
            self.assertEqual(self.successResultOf(self.people.account(jid)).name, self.whose(jid))

    def test_a_closed_account_is_refused_however_it_was_linked(self) -> None:
        self.configure(
            {"user": "off", "active": False, "jids": ["dora@example.net"]},
            policies=({"who": "example.org", "access": True, "expires": "2020-12-31"},),
        )
        self.link_up(BOB, "old")
        for jid, why in (
            (BOB, "this account is switched off: ask the administrator"),
            (Jid.parse("dora@example.net"), "this account is switched off: ask the administrator"),
            (ANN, "this account expired after 2020-12-31: ask the administrator"),
        ):
            refused = self.refusal(jid)
            self.assertEqual((refused.reason, refused.text), (Reason.NOT_ALLOWED, why))

    def test_a_removed_account_is_refused(self) -> None:
        self.link_up(BOB, "ann")
        self.accounts.replace([])
        self.assertIn("has been removed", self.refusal(BOB).text)
        self.again_without_accounts()
        self.assertEqual(
            self.refusal(BOB).text,
            "the account ann, which bob@elsewhere.example was linked to, is gone: register again",
        )

    def again_without_accounts(self) -> None:
        self.again()
        self.accounts.replace([])
        self.accounts.directory._gone.clear()


class Written(PeopleCase):
    def test_people_behind_another_gateway(self) -> None:
        """As Cheogram writes its users (XEP-0106)."""
        far = Jid.parse("ann\\40example.org@cheogram.example/res")
        self.configure({"user": "far", "jids": ["ann\\40example.org@cheogram.example"]})
        self.assertEqual(self.whose(far), "far")
        self.link_up(far, "office")
        self.again()
        self.assertEqual(self.whose(far), "office")


class Keeping(PeopleCase):
    def test_registrations_outlive_a_crash(self) -> None:
        self.link_up(ANN, "ann")
        self.link_up(BOB, "office")
        self.house.wait(self.people.prefer(BOB, gateway="gsm2", sender="ACME"))
        self.house.wait(self.people.prefer(CARL, gateway="gsm1"))
        self.house.wait(self.people.unlink(ANN))
        self.again()
        self.assertEqual(self.people.preferences(BOB), Known("office", "gsm2", "ACME"))
        self.assertEqual(self.people.preferences(CARL), Known("", "gsm1", ""))
        self.assertEqual((self.people.registered(ANN), self.people.registered(CARL)), ("", ""))
        self.assertEqual(list(self.people.everybody()), ["bob@elsewhere.example"])
        self.assertEqual(self.people.jids("office"), ["bob@elsewhere.example"])
        self.assertEqual(self.people.jids("ann"), [])

    def test_the_log_of_the_link_says_so(self) -> None:
        """By the name of the gateway: everything else goes to the log of all."""
        with capturedLogs() as events:
            self.house.wait(self.people.link(BOB, "ann"))
            self.house.wait(self.people.unlink(BOB))
            self.patch(self.context.memory, "remember", lambda key, value: fail(OSError("disk full")))
            self.failureResultOf(
                self.people.link(ANN, "ann"), OSError
            )  # and of what is not kept it says nothing
        said = [formatEvent(event) for event in events if event.get("gateway") == "chat"]
        self.assertEqual(
            said,
            [
                "chat: b…@elsewhere.example is linked to the account ann",
                "chat: b…@elsewhere.example is not linked to any account now",
            ],
        )

    def test_what_cannot_be_read_is_skipped(self) -> None:
        for bare, text in (("x@y.example", "{"), ("z@y.example", "[]"), ("q@y.example", '{"account": 7}')):
            self.house.wait(self.context.memory.remember(people.KEY + bare, text))
        self.link_up(BOB, "office")
        fresh = People(self.link)
        self.house.wait(fresh.start())
        self.assertEqual(list(fresh.everybody()), ["bob@elsewhere.example"])

    def test_an_account_has_so_many_addresses(self) -> None:
        self.patch(people, "MOST_OF_ONE", 2)
        for number in range(2):
            self.link_up(Jid.parse(f"u{number}@example.net"), "ann")
        self.link_up(Jid.parse("u1@example.net"), "ann")
        refused = self.assertRaises(Refused, self.link_up, BOB, "ann")
        self.assertEqual(refused.reason, Reason.OVER_LIMIT)
        self.assertIn("2 chat addresses are linked to the account ann", refused.text)
        self.house.wait(self.people.unlink(Jid.parse("u0@example.net")))
        self.link_up(BOB, "ann")

    def test_there_are_so_many_in_all(self) -> None:
        self.patch(people, "MOST", 2)
        for number in range(2):
            self.link_up(Jid.parse(f"u{number}@example.net"), "ann")
        self.assertEqual(self.assertRaises(Refused, self.link_up, BOB, "office").reason, Reason.OVER_LIMIT)
        self.link_up(Jid.parse("u1@example.net"), "office")
        self.house.wait(self.people.unlink(Jid.parse("u0@example.net")))
        self.link_up(BOB, "office")


class Preferences(PeopleCase):
    def test_only_what_the_account_may_use(self) -> None:
        office: Any = self.accounts.find("office")
        ann: Any = self.accounts.find("ann")
        self.assertEqual(
            (self.people.gateways(ann), self.people.gateways(office)), (["gsm1"], ["gsm1", "gsm2"])
        )
        self.assertEqual(
            (self.people.senders(ann), self.people.senders(office)), ([], ["+15557654321", "ACME"])
        )
        self.assertEqual((self.people.gateway(BOB, office), self.people.sender(BOB, office)), (None, None))
        self.house.wait(self.people.prefer(BOB, gateway="gsm2", sender="ACME"))
        self.assertEqual(
            (self.people.gateway(BOB, office), self.people.sender(BOB, office)), ("gsm2", "ACME")
        )
        # The account was bound to one gateway, and lost its senders, since.
        self.assertEqual((self.people.gateway(BOB, ann), self.people.sender(BOB, ann)), (None, None))
        self.house.wait(self.people.prefer(BOB, gateway="", sender=""))
        self.assertEqual(self.people.preferences(BOB), Known())


class Guessing(PeopleCase):
    def check(self, jid: Jid, password: str) -> Any:
        return self.house.wait(self.people.check(jid, "ann", password))

    def test_logins(self) -> None:
        self.assertEqual(self.check(BOB, "annpw").name, "ann")
        self.assertEqual(self.assertRaises(Refused, self.check, BOB, "wrong").reason, Reason.BAD_CREDENTIALS)
        old = self.people.check(BOB, "old", "annpw")
        self.assertEqual(
            self.assertRaises(Refused, self.house.wait, old).text,
            "this account is switched off: ask the administrator",
        )

    def test_an_account_for_some_networks_is_not_for_chats(self) -> None:
        self.configure({"user": "inside", "password": HASH, "networks": ["192.0.2.0/24"]})
        asked = self.people.check(BOB, "inside", "annpw")
        self.assertEqual(self.assertRaises(Refused, self.house.wait, asked).reason, Reason.BAD_CREDENTIALS)

    def test_who_guesses_waits(self) -> None:
        for number in range(FREE):
            self.assertRaises(Refused, self.check, ANN, f"guess{number}")
        refused = self.assertRaises(Refused, self.check, ANN, "annpw")
        self.assertEqual(refused.reason, Reason.SLOW_DOWN)
        self.assertIn("too many wrong passwords", refused.text)

    def test_a_foreign_server_cannot_guess_with_ever_new_addresses_and_domains(self) -> None:
        reasons = [
            self.assertRaises(
                Refused, self.check, Jid.parse(f"u@d{number}.elsewhere.example"), f"guess{number}"
            )
            for number in range(people.TRIES + 5)
        ]
        self.assertEqual(reasons[-1].text, "too many logins from elsewhere.example: try again in a minute")
        self.assertEqual([one.reason for one in reasons[-5:]], [Reason.SLOW_DOWN] * 5)
        # Others are not concerned, but for the lock of the account itself.
        self.house.clock.advance(people.TRIES_EVERY)
        self.assertEqual(self.check(Jid.parse("x@elsewhere.example"), "annpw").name, "ann")
        self.assertEqual(len(self.people._tries), 1)

    def test_domains_are_remembered_in_bounds(self) -> None:
        self.patch(people, "MOST_DOMAINS", 3)
        for number in range(10):
            self.people._wait(Jid.parse(f"a@x.d{number}.example"))
        self.assertEqual(list(self.people._tries), [f"d{number}.example" for number in (7, 8, 9)])
