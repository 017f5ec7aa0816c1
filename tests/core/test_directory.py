"""Which accounts there are: of the configuration, of the store, by policy; groups; names that mean two things."""

from __future__ import annotations

import datetime
import json
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from pydantic import ValidationError
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smsd.core.accounts import (
    AccountGroupSettings,
    Accounts,
    AccountSettings,
    Denied,
    Directory,
    PolicySettings,
    Vouched,
    directory,
    hash_password,
)
from smsd.core.credentials import Login
from smsd.interfaces import IAccount
from smsd.values.account import Account
from smsd.values.errors import Reason

JOHN, ANN = hash_password("johnpw"), hash_password("annpw")
MAY_15 = datetime.datetime(2027, 5, 15, 12, tzinfo=datetime.timezone.utc).timestamp()


class DirectoryCase(SynchronousTestCase):
    def directory(
        self,
        accounts: list[dict[str, Any]] = [],  # noqa: B006
        groups: list[dict[str, Any]] = [],  # noqa: B006
        policies: list[dict[str, Any]] = [],  # noqa: B006
        kept: dict[str, dict[str, Any]] | None = None,
    ) -> Directory:
        found = Directory(ZoneInfo("Europe/Rome"))
        found.load(
            {
                kind: {name: json.dumps(settings) for name, settings in each.items()}
                for kind, each in (kept or {}).items()
            }
        )
        found.use(
            {
                "account": [AccountSettings(**{"password": JOHN, **one}) for one in accounts],
                "group": [AccountGroupSettings(**one) for one in groups],
                "policy": [PolicySettings(**one) for one in policies],
            }
        )
        return found

    def account(self, found: Directory, name: str) -> Account:
        account = found.find(name)
        assert account is not None, name
        return account


class Sources(DirectoryCase):
    """Configuration and store together."""

    def test_both(self) -> None:
        found = self.directory(
            [{"user": "john", "gateway": "gsm1"}],
            kept={
                "account": {
                    "ann": {"password": ANN, "gateway": "gsm2", "expires": "2027-12-31", "senders": ["ACME"]}
                }
            },
        )
        self.assertEqual(self.account(found, "john").gateway, "gsm1")
        ann = self.account(found, "ann")
        self.assertEqual(
            (ann.gateway, ann.expires, ann.senders, ann.text, ann.prepaid),
            ("gsm2", datetime.date(2027, 12, 31), ("ACME",), "as_is", False),
        )
        self.assertEqual(
            [found.source("account", name) for name in ("john", "ann", "eve")], ["configuration", "store", ""]
        )
        self.assertEqual(list(found.names("account")), ["ann", "john"])
        self.assertIsNone(found.find("eve"))
        self.assertIsNone(found.find("John"), "names of accounts have capitals")

    def test_one_name_in_both_is_told(self) -> None:
        kept = {
            "account": {"john": {"password": ANN}},
            "group": {"sales": {}},
            "policy": {"ann@example.org": {}},
        }
        found = self.directory([{"user": "john"}], [{"id": "sales"}], kept=kept)
        self.assertEqual(
            found.clashes(),
            [
                "account 'john' is in the configuration and in the store: remove it from one of them",
                "group 'sales' is in the configuration and in the store: remove it from one of them",
            ],
        )
        settings = AccountSettings(user="Ann@Example.org", password=JOHN)
        self.assertEqual(
            found.clashes({"account": [settings]}),
            ["'ann@example.org' is a user of the policies and an account: remove one of them"],
        )
        self.assertEqual(found.clashes({"account": [AccountSettings(user="eve", password=JOHN)]}), [])

    def test_changes_hold_at_once(self) -> None:
        found = self.directory([{"user": "john"}], kept={"account": {"ann": {"password": ANN}}})
        self.assertEqual(self.account(found, "ann").monthly_limit, 0)
        found.put("account", "ann", json.dumps({"password": ANN, "monthly_limit": 7}))
        self.assertEqual(self.account(found, "ann").monthly_limit, 7)
        found.put("account", "ann", None)
        self.assertIsNone(found.get("ann"))

    def test_who_was_removed_sends_nothing_more(self) -> None:
        found = self.directory([{"user": "john"}], kept={"account": {"ann": {"password": ANN}}})
        found.put("account", "ann", None)
        self.assertIn("has been removed", self.account(found, "ann").closed(MAY_15) or "")
        found.use({})
        self.assertIn("has been removed", self.account(found, "john").closed(MAY_15) or "")
        found.put("account", "john", json.dumps({"password": ANN}))
        self.assertIsNone(self.account(found, "john").closed(MAY_15))
        found.use({"account": [AccountSettings(user="ann", password=ANN)]})
        self.assertIsNone(self.account(found, "ann").closed(MAY_15))
        self.patch(directory, "MOST_USERS", 3)
        found.load({"account": {f"u{n}": "{}" for n in range(9)}})
        found.load({})
        self.assertEqual([n for n in range(9) if found.find(f"u{n}")].__len__(), 3, "bounded")

    def test_broken_settings_let_nobody_in(self) -> None:
        found = self.directory(
            kept={"account": {"ann": {"gateway": 7}, "bob": {"password": "clear"}, "eve": {}}}
        )
        found.put("account", "joe", "nonsense{")
        for name in ("ann", "bob", "eve", "joe"):
            self.assertIsNone(found.find(name))
        self.assertNotIn("clear", str(self.flushLoggedErrors()))

    def test_ten_thousand_cost_nothing_until_they_are_asked_for(self) -> None:
        text = json.dumps({"password": ANN, "gateway": "gsm1"})
        found = Directory()
        found.load({"account": {f"user{n}": text for n in range(10_000)}})
        self.assertEqual(len(found._made), 0)
        self.assertEqual(self.account(found, "user77").gateway, "gsm1")
        self.assertEqual(len(found._made), 1)


class Chats(DirectoryCase):
    """Chat addresses in settings."""

    def test_whose_an_address_is(self) -> None:
        kept = {
            "account": {"bob": {"password": JOHN, "jids": ["bob@example.org"]}, "eve": {"password": JOHN}}
        }
        found = self.directory([{"user": "ann", "jids": [" Ann@Example.ORG", "ann@home.example"]}], kept=kept)
        self.assertEqual(
            [found.of_jid(jid) for jid in ("ann@example.org", "ann@home.example", "bob@example.org")],
            ["ann", "ann", "bob"],
        )
        self.assertEqual(
            [found.of_jid(jid) for jid in ("eve@example.org", "Ann@example.org", "")], [None] * 3
        )
        found.put("account", "bob", None)
        found.put("account", "eve", json.dumps({"password": JOHN, "jids": ["eve@example.org"]}))
        self.assertEqual([found.of_jid(f"{name}@example.org") for name in ("bob", "eve")], [None, "eve"])
        found.use({})
        self.assertEqual([found.of_jid(f"{name}@example.org") for name in ("ann", "eve")], [None, "eve"])

    def test_an_address_of_two_accounts_is_told(self) -> None:
        kept = {"account": {"bob": {"password": JOHN, "jids": ["ann@example.org"]}}}
        found = self.directory([{"user": "ann", "jids": ["ann@example.org"]}], kept=kept)
        self.assertEqual(
            found.clashes(),
            ["ann@example.org is a chat address of the accounts 'ann' and 'bob': remove one of them"],
        )

    def test_what_is_no_address(self) -> None:
        for jid in ("ann", "ann@example.org/phone", "a b@example.org", "@example.org", "ann@", "a@b@c", ""):
            error = self.assertRaises(ValidationError, AccountSettings, user="x", password=JOHN, jids=[jid])
            self.assertIn("is no chat address: write ann@example.org", str(error))


class Groups(DirectoryCase):
    """Members share limit, gateway and expiry (feature U3)."""

    GROUP: ClassVar[dict[str, Any]] = {
        "id": "sales",
        "gateway": "gsm1",
        "expires": "2027-06-30",
        "monthly_limit": 100,
    }

    def test_what_members_take_from_it(self) -> None:
        found = self.directory(
            [
                {"user": "ann", "group": "sales"},
                {
                    "user": "bob",
                    "group": "sales",
                    "gateway": "gsm2",
                    "expires": "2027-01-31",
                    "monthly_limit": 5,
                },
                {"user": "eve", "group": "sales", "expires": "2030-01-01"},
            ],
            [self.GROUP],
        )
        told = {
            name: (a.gateway, str(a.expires), a.monthly_limit, a.group, a.group_limit)
            for name in ("ann", "bob", "eve")
            for a in [self.account(found, name)]
        }
        self.assertEqual(told["ann"], ("gsm1", "2027-06-30", 0, "sales", 100))
        self.assertEqual(told["bob"], ("gsm2", "2027-01-31", 5, "sales", 100))
        self.assertEqual(told["eve"], ("gsm1", "2027-06-30", 0, "sales", 100), "the earlier day counts")

    def test_switched_off_or_missing_it_closes_its_members(self) -> None:
        found = self.directory([{"user": "ann", "group": "sales"}], [self.GROUP])
        self.assertIsNone(self.account(found, "ann").closed(MAY_15))
        found.use(
            {
                "account": [AccountSettings(user="ann", password=ANN, group="sales")],
                "group": [AccountGroupSettings(id="sales", active=False)],
            }
        )
        self.assertIn(
            "group of this account is switched off", self.account(found, "ann").closed(MAY_15) or ""
        )
        found.use({"account": [AccountSettings(user="ann", password=ANN, group="sales")]})
        self.assertIn("does not exist", self.account(found, "ann").closed(MAY_15) or "")

    def test_of_the_store(self) -> None:
        found = self.directory(
            kept={
                "account": {"ann": {"password": ANN, "group": "sales"}},
                "group": {"sales": {"gateway": "gsm1"}},
            }
        )
        self.assertEqual(self.account(found, "ann").gateway, "gsm1")
        found.put("group", "sales", json.dumps({"gateway": "gsm2"}))
        self.assertEqual(self.account(found, "ann").gateway, "gsm2")


class Expiry(DirectoryCase):
    def test_in_the_administrators_zone(self) -> None:
        found = self.directory([{"user": "ann", "expires": "2027-05-15"}])
        rome = ZoneInfo("Europe/Rome")
        last = datetime.datetime(2027, 5, 15, 23, 59, 59, tzinfo=rome).timestamp()
        self.assertIsNone(self.account(found, "ann").closed(last))
        self.assertIn("expired after 2027-05-15", self.account(found, "ann").closed(last + 1) or "")


class Policies(DirectoryCase):
    """Users of mail by policy (feature U2)."""

    def test_user_then_domain_then_everybody_then_defaults(self) -> None:
        found = self.directory(
            groups=[{"id": "sales"}],
            policies=[
                {
                    "who": "*",
                    "access": "no",
                    "gateway": "gsm9",
                    "monthly_limit": 10,
                    "text": "tidy",
                    "country": "IT",
                },
                {
                    "who": "example.org",
                    "access": "yes",
                    "gateway": "gsm1",
                    "group": "sales",
                    "senders": ["ACME"],
                },
                {"who": "ann@example.org", "monthly_limit": 0, "phone": "+420776047467", "senders": []},
                {"who": "bob@example.org", "access": "no"},
                {"who": "eve@example.net", "access": "yes", "email": "eve@home.example"},
            ],
        )
        ann = self.account(found, "Ann@Example.ORG")
        self.assertEqual(
            (
                ann.name,
                ann.gateway,
                ann.monthly_limit,
                ann.text,
                ann.country,
                ann.group,
                ann.senders,
                ann.phone,
                ann.email,
            ),
            ("ann@example.org", "gsm1", 0, "tidy", "IT", "sales", (), "+420776047467", "ann@example.org"),
        )
        joe = self.account(found, "joe@example.org")
        self.assertEqual(
            (joe.gateway, joe.monthly_limit, joe.senders, joe.phone), ("gsm1", 10, ("ACME",), None)
        )
        self.assertIsNone(found.get("bob@example.org"))
        self.assertIsNone(found.get("joe@example.net"))
        self.assertEqual(
            (self.account(found, "eve@example.net").email, ann.prepaid), ("eve@home.example", False)
        )
        for name in (
            "example.org",
            "@example.org",
            "a@b@example.org",
            "ann",
            "*",
            "x\n@example.org",
            "x" * 400 + "@example.org",
        ):
            self.assertIsNone(found.get(name), name)

    def test_without_policies_nobody_is_one(self) -> None:
        self.assertIsNone(self.directory().get("ann@example.org"))

    def test_one_name_has_one_counter_however_it_is_written(self) -> None:
        found = self.directory(policies=[{"who": "example.org", "access": "yes"}])
        self.assertIs(found.get("ANN@example.org"), found.get("ann@EXAMPLE.org"))

    def test_an_account_goes_before_the_policy_of_its_domain(self) -> None:
        found = self.directory(
            [{"user": "Ann@Example.org", "active": "no"}, {"user": "bob@example.org", "active": "no"}],
            policies=[{"who": "example.org", "access": "yes"}],
        )
        for name in ("Ann@Example.org", "ann@example.org", "bob@example.org", "BOB@example.org"):
            self.assertIn("switched off", self.account(found, name).closed(MAY_15) or "", name)

    def test_those_that_are_remembered_are_bounded(self) -> None:
        self.patch(directory, "MOST_USERS", 5)
        found = self.directory(policies=[{"who": "example.org", "access": "yes"}])
        for n in range(20):
            self.account(found, f"u{n}@example.org")
        self.assertEqual(len(found._users), 5)

    def test_a_change_of_policy_holds_at_once(self) -> None:
        found = self.directory(kept={"policy": {"example.org": {"access": True}}})
        self.assertIsNotNone(found.find("ann@example.org"))
        found.put("policy", "ann@example.org", json.dumps({"access": False}))
        self.assertIsNone(found.get("ann@example.org"))
        self.assertIn(
            "no policy lets ann@example.org send", self.account(found, "ann@example.org").closed(MAY_15) or ""
        )
        found.put("policy", "ann@example.org", None)
        self.assertIsNotNone(found.find("ann@example.org"))

    def test_mistakes(self) -> None:
        for wrong in (
            {"who": "a b"},
            {"who": "@example.org"},
            {"who": ""},
            {"who": "example.org", "password": JOHN},
            {"who": "example.org", "phone": "+420776047467"},
            {"who": "ann@example.org", "password": "clear"},
            {"who": "*", "senders": ["a*b"]},
            {"who": "*", "monthly_limit": "-1"},
            {"who": "*", "user": "ann"},
        ):
            self.assertRaises(ValidationError, PolicySettings, **wrong)
        self.assertEqual(PolicySettings(who=" Example.ORG. ").who, "example.org")


class Listed:
    """A source of passwords outside."""

    name = "listed"
    status = "answers"

    def __init__(self, **passwords: str) -> None:
        self.passwords = {f"{name}@example.org": password for name, password in passwords.items()}
        self.asked: list[str] = []

    def check(self, name: str, password: str, peer: str) -> Deferred[bool]:
        self.asked.append(name)
        return succeed(self.passwords.get(name) == password)

    def serves(self, name: str) -> bool:
        return True

    def stop(self) -> None:
        pass


class Order(DirectoryCase):
    """The order of checks (feature U4), over the portal that every door asks."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(MAY_15)
        self.source, self.second = Listed(joe="joepw"), Listed(jim="jimpw", joe="other")
        self.accounts = Accounts(
            [
                AccountSettings(user="john", password=JOHN),
                AccountSettings(user="off", password=JOHN, active=False),
            ],
            self.clock,
            run=lambda function, *arguments: succeed(function(*arguments)),
            sources=[self.source, self.second],
        )
        self.accounts.replace(
            [
                AccountSettings(user="john", password=JOHN),
                AccountSettings(user="off", password=JOHN, active=False),
            ],
            policies=[
                PolicySettings(who="example.org", access=True),
                PolicySettings(who="ann@example.org", password=ANN),
                PolicySettings(who="bob@example.org", access=False, password=ANN),
            ],
        )

    def login(self, credentials: Any) -> str | Reason:
        done = self.accounts.portal.login(credentials, None, IAccount)
        found: list[Any] = []
        done.addCallbacks(
            lambda result: found.append(result[1].name), lambda failure: found.append(failure.value)
        )
        (result,) = found
        return result.reason if isinstance(result, Denied) else result

    def test_the_user_of_a_session_by_policy(self) -> None:
        for name, expected in (
            ("ann@example.org", "ann@example.org"),
            ("Joe@Example.org", "joe@example.org"),
            ("john", "john"),
            ("bob@example.org", Reason.BAD_CREDENTIALS),
            ("joe@example.net", Reason.BAD_CREDENTIALS),
            ("off", Reason.NOT_ALLOWED),
            ("nobody", Reason.BAD_CREDENTIALS),
        ):
            self.assertEqual(self.login(Vouched(name, "192.0.2.1")), expected, name)
        self.assertEqual(self.source.asked, [])

    def test_user_and_password_of_a_mail_user(self) -> None:
        for name, password, expected in (
            ("ann@example.org", "annpw", "ann@example.org"),
            ("ANN@example.org", "annpw", "ann@example.org"),
            ("ann@example.org", "johnpw", Reason.BAD_CREDENTIALS),
            ("ann@example.org", "", Reason.BAD_CREDENTIALS),
            ("bob@example.org", "annpw", Reason.BAD_CREDENTIALS),
            ("joe@example.org", "joepw", "joe@example.org"),
            ("jim@example.org", "jimpw", "jim@example.org"),
            ("jim@example.org", "joepw", Reason.BAD_CREDENTIALS),
            ("joe@example.net", "joepw", Reason.BAD_CREDENTIALS),
            ("joe@example.org", "x" * 2000, Reason.BAD_CREDENTIALS),
        ):
            self.assertEqual(self.login(Login(name, password, "192.0.2.1")), expected, (name, password))
        self.assertEqual(
            set(self.source.asked) | set(self.second.asked), {"joe@example.org", "jim@example.org"}
        )

    def test_answers_of_a_source_are_remembered_and_its_failures_counted(self) -> None:
        for _ in range(3):
            self.assertEqual(self.login(Login("joe@example.org", "joepw", "192.0.2.1")), "joe@example.org")
        self.assertEqual(self.source.asked, ["joe@example.org"])
        for n in range(20):
            last = self.login(Login("jim@example.org", f"guess{n}", "192.0.2.9"))
        self.assertIs(last, Reason.SLOW_DOWN)
        self.assertLess(len(self.source.asked), 13)

    def test_user_and_password_of_an_account(self) -> None:
        self.assertEqual(self.login(Login("john", "johnpw", "192.0.2.1")), "john")
        self.assertEqual(self.login(Login("john", "annpw", "192.0.2.1")), Reason.BAD_CREDENTIALS)
        self.assertEqual(self.login(Login("off", "johnpw", "192.0.2.1")), Reason.NOT_ALLOWED)

    def test_without_a_source_a_mail_user_without_password_is_a_stranger(self) -> None:
        accounts = Accounts((), self.clock, run=lambda function, *arguments: succeed(function(*arguments)))
        accounts.replace((), policies=[PolicySettings(who="example.org", access=True)])
        self.accounts = accounts
        for password in ("", "x"):
            self.assertEqual(
                self.login(Login("joe@example.org", password, "192.0.2.1")), Reason.BAD_CREDENTIALS
            )

    def test_a_new_password_holds_at_once_and_the_old_one_no_more(self) -> None:
        directory = self.accounts.directory
        directory.put("account", "eve", json.dumps({"password": JOHN}))
        self.assertEqual(self.login(Login("eve", "johnpw", "192.0.2.1")), "eve")
        directory.put("account", "eve", json.dumps({"password": ANN}))
        self.assertEqual(self.login(Login("eve", "johnpw", "192.0.2.1")), Reason.BAD_CREDENTIALS)
        self.assertEqual(self.login(Login("eve", "annpw", "192.0.2.1")), "eve")
        directory.put("account", "eve", None)
        self.assertEqual(self.login(Login("eve", "annpw", "192.0.2.1")), Reason.BAD_CREDENTIALS)


class Hashes(DirectoryCase):
    def test_one_that_lost_its_end_at_a_comma(self) -> None:
        """Between braces YAML ends it there."""
        for model, name in (
            (AccountSettings, {"user": "john"}),
            (PolicySettings, {"who": "ann@example.org"}),
        ):
            for password, words in (
                (JOHN.partition(",")[0], "in quotes"),
                ("clear", "`smsd password` prints"),
            ):
                refused = self.assertRaises(ValidationError, model, **name, password=password)
                self.assertIn(words, str(refused))


class Emails(DirectoryCase):
    """Mailboxes of accounts, which phones may write to (`#ann@example.org#`)."""

    def test_of_both_kinds_and_as_they_are_now(self) -> None:
        found = self.directory(
            [{"user": "john", "email": "John@Example.Org"}],
            kept={
                "account": {"ann": {"password": ANN, "email": "ann@home.example"}, "bob": {"password": ANN}}
            },
        )
        self.assertTrue("john@example.org" in found.mailboxes and "ann@home.example" in found.mailboxes)
        found.put("account", "ann", json.dumps({"password": ANN, "email": "Ann@new.example"}))
        self.assertTrue("ann@new.example" in found.mailboxes and "ann@home.example" not in found.mailboxes)
        found.use({})
        self.assertFalse("john@example.org" in found.mailboxes)
