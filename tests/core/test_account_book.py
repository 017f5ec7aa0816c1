"""The operator's verbs on accounts, over a real store: what they take, refuse, write, show and count."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.trial.unittest import SynchronousTestCase

from smsd.config.settings import (
    Configuration,
    ControlSettings,
    LogSettings,
    QueueSettings,
    ServerSettings,
    StoreSettings,
)
from smsd.core.accounts import AccountGroupSettings, AccountSettings, Directory, PolicySettings, hash_password
from smsd.core.accounts.book import Book
from smsd.core.accounts.wishes import Wish
from smsd.core.control import Control
from smsd.core.digests import make_secret
from smsd.core.overrides import Overrides
from smsd.store.accounts import kept
from smsd.values.errors import InvalidValue, Reason, Refused
from tests.house import START, House

HASH, OTHER = hash_password("annpw"), hash_password("other")
FILE = Configuration(
    "smsd.yaml", "var", ServerSettings(), StoreSettings(), QueueSettings(), LogSettings(), ControlSettings()
)
DAY = 86_400


class BookCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(lambda: self.house.close())
        self.gateways, self.subscribers = ["gsm1", "gsm2"], ["shop"]
        self.begin()

    def begin(self) -> None:
        self.directory = Directory(self.house.planner.zone)
        self.directory.use(
            {
                "account": [AccountSettings(user="john", password=HASH, gateway="gsm1")],
                "group": [AccountGroupSettings(id="office", monthly_limit=3)],
                "policy": [PolicySettings(who="example.org", access=True, group="office")],
            }
        )
        self.house.planner._find_account = self.directory.find
        self.book = Book(
            self.house.store, self.directory, self.house.planner.period,
            lambda: self.gateways, lambda: self.subscribers,
        )  # fmt: skip
        self.house.wait(Deferred.fromCoroutine(self.book.load()))
        self.control = Control(
            store=self.house.store, dispatcher=self.house.dispatcher, queue=self.house.queue,
            overrides=Overrides(self.house.store, FILE, lambda _: None), explainer=None, status=dict,
            reload=self.house.wait, accounts=self.book,
        )  # fmt: skip

    def call(self, verb: str, **arguments: Any) -> Any:
        answer = self.house.wait(Deferred.fromCoroutine(self.control.call(verb, arguments)))
        json.dumps(answer)
        return answer

    def refused(self, verb: str, **arguments: Any) -> str:
        return str(self.assertRaises(InvalidValue, self.call, verb, **arguments))

    def add(self, name: str, kind: str = "account", **settings: Any) -> Any:
        if kind == "account":
            settings = {"password": HASH, **settings}
        return self.call("account_add", name=name, kind=kind, settings=settings)

    def rows(self) -> dict[str, dict[str, Any]]:
        found = self.house.wait(self.house.store.ask(kept))
        return {kind: {name: json.loads(text) for name, text in each.items()} for kind, each in found.items()}


class Changing(BookCase):
    def test_add_show_set_remove(self) -> None:
        told = self.add(
            "ann", gateway="gsm2", monthly_limit="100", senders="+393331234567, ACME", active="yes"
        )
        self.assertEqual(
            (
                told["name"],
                told["source"],
                told["gateway"],
                told["monthly_limit"],
                told["senders"],
                told["password"],
            ),
            ("ann", "store", "gsm2", 100, ["+393331234567", "ACME"], "set"),
        )
        self.assertEqual(
            (told["sent_this_month"], told["sent_last_month"], told["last_sent"], told["closed"]),
            (0, 0, None, ""),
        )
        self.assertEqual(
            self.rows()["account"]["ann"],
            {
                "password": HASH,
                "gateway": "gsm2",
                "monthly_limit": 100,
                "senders": ["+393331234567", "ACME"],
                "active": True,
            },
        )
        told = self.call(
            "account_set", name="ann", settings={"gateway": None, "senders": "", "expires": "2027-01-31"}
        )
        self.assertEqual((told["gateway"], told["senders"], told["expires"]), (None, [], "2027-01-31"))
        self.assertEqual(self.call("account", name="ann"), told)
        self.assertEqual([row["name"] for row in self.call("accounts")], ["ann", "john"])
        self.call("account_remove", name="ann")
        self.assertEqual(self.rows(), {})
        self.assertIn("there is no account 'ann': smsd account list", self.refused("account", name="ann"))

    def test_a_chat_address_has_one_owner(self) -> None:
        told = self.add("ann", jids="Ann@Example.org, ann@home.example")
        self.assertEqual(told["jids"], ["ann@example.org", "ann@home.example"])
        refused = "ann@example.org belongs to the account ann: take it away there first"
        self.assertEqual(
            self.refused("account_add", name="bob", settings={"password": HASH, "jids": ["ANN@example.org"]}),
            refused,
        )
        self.call("account_set", name="ann", settings={"jids": ["ann@home.example", "ann@example.org"]})
        self.call("account_set", name="ann", settings={"jids": None})
        self.assertEqual(self.add("bob", jids="ann@example.org")["jids"], ["ann@example.org"])

    def test_no_answer_has_a_hash(self) -> None:
        answers = [
            self.add("ann"),
            self.call("accounts"),
            self.call("account", name="ann"),
            self.call("account", name="john"),
        ]
        answers.append(self.call("account_set", name="ann", settings={"password": OTHER}))
        self.assertNotIn("argon2", json.dumps(answers))
        self.assertEqual(self.rows()["account"]["ann"]["password"], OTHER)

    def test_what_is_refused(self) -> None:
        self.add("ann")
        self.add("ann@example.net", kind="policy", access="yes")
        for verb, arguments, expected in (
            (
                "account_add",
                {"name": "ann", "settings": {"password": HASH}},
                "there is already an account ann",
            ),
            (
                "account_add",
                {"name": "john", "settings": {"password": HASH}},
                "john is in the configuration: change it in",
            ),
            ("account_set", {"name": "john", "settings": {"gateway": "gsm2"}}, "is in the configuration"),
            ("account_remove", {"name": "john"}, "is in the configuration"),
            ("account_set", {"name": "eve", "settings": {"gateway": "gsm2"}}, "there is no account 'eve'"),
            ("account_remove", {"name": "eve"}, "there is no account 'eve'"),
            ("account_add", {"name": "eve"}, "an account without password needs networks"),
            ("account_add", {"name": "eve", "settings": {"password": "secret"}}, "no argon2id hash"),
            (
                "account_add",
                {"name": "a b", "settings": {"password": HASH}},
                "allowed: without blanks and colons",
            ),
            (
                "account_set",
                {"name": "ann", "settings": {"gateway": "gsm9"}},
                "no gateway 'gsm9'; allowed: gsm1, gsm2",
            ),
            (
                "account_set",
                {"name": "ann", "settings": {"group": "x"}},
                "no account group 'x'; allowed: office",
            ),
            (
                "account_set",
                {"name": "ann", "settings": {"colour": "red"}},
                "no setting 'colour' of an account; allowed: password",
            ),
            (
                "account_set",
                {"name": "ann", "settings": {"demo": "yes"}},
                "only the configuration can say that",
            ),
            ("account_set", {"name": "ann", "settings": {"expires": "soon"}}, "expires: "),
            ("account_set", {"name": "ann", "settings": {"phone": "0776"}}, "allowed: +420776047467"),
            ("account_set", {"name": "ann", "settings": {"senders": "a*b"}}, "'a*b' is no sender"),
            ("account_set", {"name": "ann", "settings": {"networks": "10.0.0.1/8"}}, "bits set"),
            ("account_set", {"name": "ann", "settings": {"description": "a\0b"}}, "NUL"),
            ("account_set", {"name": "ann", "settings": "x"}, "settings: an object"),
            ("account_set", {"name": "", "settings": {}}, "name: a name is needed"),
            (
                "account_add",
                {"name": "ann@example.net", "settings": {"password": HASH}},
                "already a policy ann@example.net",
            ),
            (
                "account_add",
                {"name": "ANN@example.net", "settings": {"password": HASH}},
                "a name has one meaning",
            ),
            (
                "account_add",
                {"name": "ann", "kind": "policy", "settings": {"access": "yes"}},
                "already an account ann",
            ),
            ("account_add", {"name": "office", "kind": "group"}, "group office is in the configuration"),
            ("accounts", {"kind": "users"}, "kind: 'users' is not possible; allowed: account, group, policy"),
            ("accounts", {"limit": 0}, "limit: 0 is not possible"),
            ("account_reset", {"name": "ann", "sent": -1}, "sent: -1 is not possible"),
            ("account_reset", {"name": "example.org", "kind": "policy"}, "policies send nothing"),
        ):
            with self.subTest(verb=verb, arguments=arguments):
                refusal = self.refused(verb, **arguments)
                self.assertIn(expected, refusal)
                self.assertNotIn("secret", refusal.replace("sip_secret", ""))
        self.assertEqual(set(self.rows()["account"]), {"ann"})

    def test_what_is_refused_is_said_in_words(self) -> None:
        self.add("ann")
        for name, value, told in (
            ("phone", "0776", "phone: '0776' does not fit; allowed: +420776047467"),
            ("email", "ann", "email: 'ann' does not fit; allowed: gets its reports"),
            (
                "monthly_limit",
                "many",
                "monthly_limit: 'many' is no whole number; allowed: messages per month",
            ),
            ("active", "maybe", "active: 'maybe' is neither yes nor no; allowed: yes, no"),
            ("text", "funny", "text: 'funny' is not possible; allowed: 'as_is', 'tidy' or 'national'"),
            ("networks", "here", "networks: 'here' is no network"),
        ):
            with self.subTest(name):
                self.assertIn(told, self.refused("account_set", name="ann", settings={name: value}))
        self.assertIn("name: 'a b' does not fit; allowed: without blanks and colons",
                      self.refused("account_add", name="a b", settings={"password": HASH}))  # fmt: skip
        told = self.refused("account_set", name="ann", settings={"password": "hunter2"})
        self.assertNotIn("hunter2", told)

    def test_an_empty_password_only_with_networks(self) -> None:
        self.assertIn("needs networks", self.refused("account_add", name="net", settings={}))
        self.assertEqual(
            self.call("account_add", name="net", settings={"networks": "192.0.2.0/24"})["password"], ""
        )
        self.assertIn("needs networks", self.refused("account_set", name="net", settings={"networks": None}))

    def test_groups(self) -> None:
        self.add("sales", kind="group", gateway="gsm1", monthly_limit=5)
        self.assertEqual(self.add("ann", group="sales")["group_sent_this_month"], 0)
        self.assertEqual(self.directory.find("ann").gateway, "gsm1")
        self.assertIn(
            "account ann belongs to the group sales",
            self.refused("account_remove", name="sales", kind="group"),
        )
        self.call("account_set", name="ann", settings={"group": None})
        self.call("account_remove", name="sales", kind="group")
        self.assertEqual([row["name"] for row in self.call("accounts", kind="group")], ["office"])

    def test_policies(self) -> None:
        told = self.add("Bob@Example.Org", kind="policy", access="no")
        self.assertEqual((told["name"], told["access"], told["source"]), ("bob@example.org", False, "store"))
        self.assertIsNone(self.directory.get("bob@example.org"))
        told = self.call("account", name="Eve@example.org")
        self.assertEqual(
            (told["name"], told["source"], told["group"], told["group_sent_this_month"]),
            ("eve@example.org", "policy", "office", 0),
        )
        self.assertIn("there is no account", self.refused("account", name="bob@example.org"))

    def test_a_policy_is_found_however_it_is_written(self) -> None:
        self.add("Bob@Example.Org.", kind="policy", access="no")
        self.assertEqual(self.rows()["policy"].keys(), {"bob@example.org"})
        self.assertIsNone(self.directory.get("bob@example.org"))
        self.assertFalse(self.call("account", kind="policy", name="BOB@example.org")["access"])
        self.call("account_set", kind="policy", name="Bob@example.org", settings={"access": "yes"})
        self.assertIsNotNone(self.directory.get("bob@example.org"))
        self.call("account_remove", kind="policy", name=" BOB@Example.org")
        self.assertEqual(
            self.refused("account", kind="policy", name="Bob@example.org"),
            "there is no policy 'bob@example.org': smsd account list --policy shows those there are",
        )

    def test_a_day_is_a_day(self) -> None:
        """Numbers would be seconds since 1970."""
        self.add("ann")
        for text in ("0", "86400", 0, 1.5, "2026-02-30", "2026-11-21T00:00:00", "20261121", "٢٠٢٦-١١-٢١"):
            self.assertEqual(
                self.refused("account_set", name="ann", settings={"expires": text}),
                f"expires: {str(text)!r} is no day; allowed: the last day it can be used: 2027-12-31",
            )
        told = self.call("account_set", name="ann", settings={"expires": "2028-02-29"})
        self.assertEqual(told["expires"], "2028-02-29")

    def test_all_or_nothing(self) -> None:
        def change(*wishes: Wish) -> Any:
            return self.house.wait(Deferred.fromCoroutine(self.book.change(wishes)))

        new = {"password": HASH, "group": "staff"}
        wishes = [Wish("account", f"user{n}", new, True) for n in range(50)] + [
            Wish("group", "staff", {}, True)
        ]
        self.assertRaises(InvalidValue, change, *wishes, Wish("account", "user7", new, True))
        self.assertRaises(InvalidValue, change, *wishes, Wish("account", "last", {"password": "clear"}, True))
        self.assertEqual((self.rows(), self.directory.find("user1")), ({}, None))
        change(*wishes)
        self.assertEqual(len(self.rows()["account"]), 50)
        self.assertEqual(self.directory.find("user49").group, "staff")
        self.assertRaises(InvalidValue, change, Wish("group", "staff", None))
        change(*(Wish("account", f"user{n}", None) for n in range(50)), Wish("group", "staff", None))
        self.assertEqual(self.rows(), {})

    def test_two_new_ones_have_no_chat_address_in_common(self) -> None:
        wishes = [
            Wish("account", name, {"password": HASH, "jids": ["ann@example.org"]}, new=True)
            for name in ("ann", "bob")
        ]
        error = self.assertRaises(InvalidValue, self.book.checked, wishes)
        self.assertEqual(str(error), "ann@example.org is a chat address of ann and bob: say whose")

    def test_a_subscriber_that_hears_of_its_messages(self) -> None:
        self.assertEqual(self.add("ann", callback="shop")["callback"], "shop")
        self.assertEqual(self.directory.find("ann").callback, "shop")
        self.assertEqual(
            self.refused("account_set", name="ann", settings={"callback": "till"}),
            "there is no subscriber 'till'; allowed: shop",
        )
        self.assertIsNone(self.call("account_set", name="ann", settings={"callback": None})["callback"])

    def test_what_the_configuration_has_lost(self) -> None:
        self.add("ann", callback="shop", gateway="gsm1")
        self.add("sales", "group", gateway="gsm2")
        self.add("*", "policy", gateway="gsm2")
        self.assertEqual(self.book.doubts(), [])
        self.subscribers = []
        self.gateways.remove("gsm2")
        self.assertEqual(
            sorted(self.book.doubts()),
            [
                "account ann of the store names the subscriber 'shop', which there is not: smsd account set ann callback=",
                "group sales of the store names the gateway 'gsm2', which there is not: smsd account set --group sales gateway=",
                "policy * of the store names the gateway 'gsm2', which there is not: smsd account set --policy '*' gateway=",
            ],
        )

    def test_of_two_at_once_the_second_sees_the_first(self) -> None:
        both = [
            Deferred.fromCoroutine(self.book.add({"name": "ann", "settings": {"password": HASH}}))
            for _ in range(2)
        ]
        both[1].addErrback(lambda failure: failure.trap(InvalidValue))
        results = self.house.wait(gatherResults(both))
        self.assertEqual((results[0]["name"], results[1]), ("ann", InvalidValue))

    def test_they_are_there_after_a_crash(self) -> None:
        self.add("ann", monthly_limit=2)
        self.house = self.house.crash()
        self.begin()
        self.assertEqual(self.call("account", name="ann")["monthly_limit"], 2)

    def test_who_remembers_something_of_accounts_is_told(self) -> None:
        told: list[int] = []
        self.book.changed = lambda: told.append(len(self.rows()["account"]))
        self.add("ann")
        self.refused("account_add", name="ann", settings={"password": HASH})
        self.assertEqual(told, [1])

    def test_pages(self) -> None:
        for n in range(5):
            self.add(f"u{n}")
        self.assertEqual([row["name"] for row in self.call("accounts", limit=2)], ["john", "u0"])
        self.assertEqual([row["name"] for row in self.call("accounts", limit=2, after="u2")], ["u3", "u4"])

    def test_a_name_in_both_stops_the_start(self) -> None:
        self.add("ann")
        self.directory.use({"account": [AccountSettings(user="ann", password=HASH)]})
        refusal = self.assertRaises(InvalidValue, self.house.wait, Deferred.fromCoroutine(self.book.load()))
        self.assertIn("account 'ann' is in the configuration and in the store", str(refusal))


class Counting(BookCase):
    """This month, last month, last sent (feature U1)."""

    def sent(self, name: str = "ann", kind: str = "account") -> tuple[int, int, int | None]:
        told = self.call("account", name=name, kind=kind)
        return told["sent_this_month"], told["sent_last_month"], told["last_sent"]

    def test_the_month_turns_by_itself(self) -> None:
        self.add("ann")
        self.house.send(account="ann")
        self.house.send(account="ann", numbers=["+15550000001", "+15550000002"])
        first = self.house.store.now()
        self.assertEqual(self.sent(), (3, 0, first))
        self.house.advance(31 * DAY)
        self.assertEqual(self.sent(), (0, 3, first))
        self.house.send(account="ann")
        second = self.house.store.now()
        self.assertEqual(self.sent(), (1, 3, second))
        self.house.advance(70 * DAY)
        self.assertEqual(self.sent(), (0, 0, second))

    def test_set_by_hand(self) -> None:
        self.add("ann", monthly_limit=2)
        self.house.send(account="ann")
        self.house.send(account="ann")
        self.assertIs(self.assertRaises(Refused, self.house.send, account="ann").reason, Reason.OVER_LIMIT)
        told = self.call("account_reset", name="ann", sent=0)
        self.assertEqual((told["sent_this_month"], told["last_sent"]), (0, self.house.store.now()))
        self.house.send(account="ann")
        self.call("account_reset", name="ann", sent=1, sent_before=40, last_sent=12345)
        self.assertEqual(self.sent(), (1, 40, 12345))
        self.house.send(account="ann")
        self.assertEqual(self.sent(), (2, 40, self.house.store.now()))
        self.call("account_reset", name="ann", last_sent=0)
        self.assertEqual(self.sent(), (2, 40, None))

    def test_also_an_account_of_the_configuration(self) -> None:
        self.house.send(account="john")
        self.call("account_reset", name="john", sent=9)
        self.assertEqual(self.sent("john")[0], 9)

    def test_of_a_group(self) -> None:
        self.add("ann", group="office")
        self.add("bob", group="office", monthly_limit=1)
        self.house.send(account="ann")
        self.house.send(account="bob")
        refusal = self.assertRaises(Refused, self.house.send, account="bob")
        self.assertIn("account bob may send 1", refusal.text)
        self.house.send(account="eve@example.org")
        for name in ("ann", "bob", "eve@example.org"):
            self.assertEqual(self.sent(name)[0], 1)
            refusal = self.assertRaises(Refused, self.house.send, account=name)
            self.assertIs(refusal.reason, Reason.OVER_LIMIT)
        self.assertIn("the group office may send 3 messages a month and has sent 3", refusal.text)
        self.assertEqual(self.sent("office", "group")[0], 3)
        self.assertEqual(self.call("account", name="ann")["group_sent_this_month"], 3)
        self.call("account_reset", name="office", kind="group", sent=0)
        self.house.send(account="ann")
        self.assertEqual((self.sent("office", "group")[0], self.sent("ann")[0]), (1, 2))

    def test_who_is_refused_by_one_counter_is_counted_by_none(self) -> None:
        self.add("ann", group="office", monthly_limit=2)
        self.assertRaises(
            Refused, self.house.send, account="ann", numbers=[f"+1555000000{n}" for n in range(3)]
        )
        self.assertRaises(
            Refused, self.house.send, account="ann", numbers=[f"+1555000000{n}" for n in range(4)]
        )
        self.assertEqual((self.sent("ann")[0], self.sent("office", "group")[0]), (0, 0))

    def test_who_is_switched_off_while_logged_in(self) -> None:
        self.add("ann", expires="2027-01-15")
        self.house.send(account="ann")
        self.house.clock.advance(START - self.house.clock.seconds() + DAY)
        self.assertIn("expired", self.assertRaises(Refused, self.house.send, account="ann").text)
        self.call("account_set", name="ann", settings={"expires": None, "active": False})
        self.assertIn("switched off", self.assertRaises(Refused, self.house.send, account="ann").text)
        self.call("account_remove", name="ann")
        self.assertIn("removed", self.assertRaises(Refused, self.house.send, account="ann").text)


class FakeLink:
    """A chat server or phones."""

    def __init__(self, **known: list[str]) -> None:
        self.known = known

    def linked(self, account: str) -> list[tuple[str, float | None]]:
        return [
            (one, 1_800_003_600.0 if one.startswith("sip:") else None) for one in self.known.get(account, ())
        ]

    def unlink(self, account: str, address: str) -> Deferred[bool]:
        there = address in self.known.get(account, ())
        if there:
            self.known[account].remove(address)
        return succeed(there)


class Linked(BookCase):
    """Chat addresses and phones that have registered with an account."""

    def begin(self) -> None:
        super().begin()
        self.chat = FakeLink(ann=["ann@home.example"], bob=["ann@home.example"])
        self.phones = FakeLink(ann=["sip:ann@192.0.2.7:5062"])
        self.book.linked.links = lambda: [("chat", self.chat), ("sip", self.phones)]

    def test_they_are_shown_and_unlinked(self) -> None:
        told = self.add("ann")
        self.assertEqual(
            told["linked"],
            [
                {"gateway": "chat", "address": "ann@home.example", "until": None},
                {"gateway": "sip", "address": "sip:ann@192.0.2.7:5062", "until": 1_800_003_600_000},
            ],
        )
        answer = self.call("account_unlink", name="ann", address="sip:ann@192.0.2.7:5062")
        self.assertEqual(answer, {"gateways": ["sip"]})
        self.call("account_unlink", name="ann", address=" ann@home.example ")
        self.assertNotIn("linked", self.call("account", name="ann"))
        self.assertEqual(self.chat.known["bob"], ["ann@home.example"])

    def test_who_is_not(self) -> None:
        self.add("ann")
        self.assertEqual(
            self.refused("account_unlink", name="ann", address="eve@home.example"),
            "eve@home.example has not registered with the account ann: smsd account show ann lists who has",
        )
        self.assertIn("say which one", self.refused("account_unlink", name="ann"))
        self.assertIn(
            "there is no account 'nobody'", self.refused("account_unlink", name="nobody", address="eve@x")
        )
        self.call("account_unlink", name="bob", address="ann@home.example")  # whose account has gone
        self.assertEqual(self.chat.known["bob"], [])

    def test_who_gets_the_name_later_gets_nobody_with_it(self) -> None:
        self.add("ann")
        self.call("account_remove", name="ann")
        self.assertNotIn("linked", self.add("ann"))
        self.assertEqual(self.chat.linked("bob"), [("ann@home.example", None)])

    def test_a_group_of_that_name_has_none(self) -> None:
        self.assertNotIn("linked", self.add("ann", "group"))
        self.call("account_remove", name="ann", kind="group")
        self.assertEqual(len(self.chat.linked("ann")), 1)


class Many(BookCase):
    def test_reading_them_makes_none_of_them(self) -> None:
        wishes = [Wish("account", f"user{n}", {"networks": ["192.0.2.0/24"]}, True) for n in range(2000)]
        self.house.wait(Deferred.fromCoroutine(self.book.change(wishes)))
        self.begin()
        self.assertEqual(len(self.directory._made), 0)
        self.assertEqual(self.directory.find("user1999").name, "user1999")
        self.assertEqual(len(self.directory._made), 1)


class SipSecrets(BookCase):
    """Digest secrets are kept like passwords: nobody sees one again."""

    def test_it_is_written_used_after_a_restart_and_never_shown(self) -> None:
        secret = make_secret("ann", "sip.example.org", "x")
        self.add("ann")
        told = self.call("account_set", name="ann", settings={"sip_secret": secret})
        self.assertEqual(told["sip_secret"], "set")
        self.assertEqual(self.rows()["account"]["ann"]["sip_secret"], secret)
        self.assertNotIn(secret, repr(self.call("accounts")))
        self.house = self.house.crash()
        self.begin()
        entry = self.directory.get("ann")
        assert entry is not None
        self.assertEqual(entry.sip_secret, secret)
        self.assertNotIn(secret[-64:], repr(entry))

    def test_nothing_else_is_taken_for_one(self) -> None:
        refusal = self.refused("account_add", name="ann", settings={"sip_secret": "hunter2"})
        self.assertIn("smsd password --sip", refusal)
        self.assertNotIn("hunter2", refusal)

    def test_an_account_for_phones_only_needs_no_other_password(self) -> None:
        secret = make_secret("ann", "sip.example.org", "x")
        self.call("account_add", name="ann", settings={"sip_secret": secret})
        self.assertEqual(self.rows()["account"]["ann"], {"sip_secret": secret})
