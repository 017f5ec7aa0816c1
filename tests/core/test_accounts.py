"""Accounts: settings, logins in every order of trouble, and passwords in threads."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Callable
from typing import Any

from pydantic import ValidationError
from twisted.cred.credentials import UsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet import reactor
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface import Interface
from zope.interface.verify import verifyObject

from smsd.core import passwords
from smsd.core.accounts import Account, Accounts, AccountSettings, Denied, Vouched, checker, hash_password
from smsd.core.credentials import Login
from smsd.core.guessing import FREE
from smsd.core.passwords import NOBODY, REMEMBER, TooBusy, Verifier, is_hash, matches
from smsd.interfaces import IAccount
from smsd.values.errors import Reason, Refused
from tests.frontends.fakes import context
from tests.frontends.http.client import ask, door

HERE, THERE = "192.0.2.1", "198.51.100.9"
JOHN = hash_password("johnpw")


class Threads:
    """In place of a pool: the questions wait until they are answered by hand; `at_once` answers at once."""

    def __init__(self, at_once: bool = False) -> None:
        self.at_once = at_once
        self.asked: list[tuple[str, str]] = []
        self._waiting: list[tuple[Deferred[bool], Callable[..., bool], str, str]] = []

    def run(self, function: Callable[..., bool], hashed: str, password: str) -> Deferred[bool]:
        self.asked.append((hashed, password))
        answer: Deferred[bool] = Deferred()
        self._waiting.append((answer, function, hashed, password))
        if self.at_once:
            self.finish()
        return answer

    def finish(self) -> None:
        waiting, self._waiting = self._waiting, []
        for answer, function, hashed, password in waiting:
            answer.callback(function(hashed, password))


class SettingsTests(SynchronousTestCase):
    """What the configuration may say."""

    def test_from_text(self) -> None:
        settings = AccountSettings(
            user="john@example.org",
            password=JOHN,
            expires="2027-12-31",
            monthly_limit="100",
            active="no",
            phone="+420776047467",
            email="john@example.org",
            networks=["192.0.2.0/24"],
        )
        self.assertEqual((settings.expires, settings.monthly_limit), (datetime.date(2027, 12, 31), 100))
        self.assertFalse(settings.active)
        self.assertNotIn(JOHN, repr(settings))

    def test_mistakes(self) -> None:
        for wrong in (
            {"password": ""},
            {"password": "clear text"},
            {"password": "$argon2id$v=19$broken"},
            {"password": "$2b$12$abcdefghijklmnopqrstuv"},
            {"user": ""},
            {"user": "a:b"},
            {"user": "a b"},
            {"phone": "0776047467"},
            {"email": "nobody"},
            {"expires": "soon"},
            {"monthly_limit": "-1"},
            {"networks": ["10.0.0.1/8"]},
            {"country": "Italy"},
            {"colour": "red"},
        ):
            fields: dict[str, Any] = {"user": "john", "password": JOHN, **wrong}
            error = self.assertRaises(ValidationError, AccountSettings, **fields)
            self.assertNotIn("clear text", str(error.errors(include_input=False)))

    def test_what_is_allowed(self) -> None:
        AccountSettings(user="intranet", networks=["10.0.0.0/8"])
        AccountSettings(user="demo", password="demo", demo=True)

    def test_hashes(self) -> None:
        hashed = hash_password("pässwörd")
        self.assertIn("$m=19456,t=2,p=1$", hashed)
        self.assertTrue(matches(hashed, "pässwörd"))
        self.assertTrue(matches(hashed, "pa\u0308sswo\u0308rd"))
        self.assertFalse(matches(hashed, "password"))
        self.assertFalse(matches("nonsense", "x"))
        self.assertTrue(is_hash(NOBODY))
        for cost in ("m=99999999,t=2,p=1", "m=19456,t=4000000000,p=1", "m=1048576,t=2,p=100"):
            self.assertFalse(is_hash(NOBODY.replace("m=19456,t=2,p=1", cost)), cost)
        self.assertNotEqual(hashed, hash_password("pässwörd"))
        for wrong in ("", "a\0b", "x" * 1025):
            self.assertRaises(ValueError, hash_password, wrong)


class LoginTestCase(SynchronousTestCase):
    """Three accounts, no threads."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_800_000_000)  # 2027-01-15
        self.threads = Threads(at_once=True)
        self.settings = [
            AccountSettings(
                user="john", password=JOHN, gateway="gw1", email="john@example.org", country="IT"
            ),
            AccountSettings(user="off", password=JOHN, active=False),
            AccountSettings(user="old", password=JOHN, expires="2027-01-14"),
            AccountSettings(user="today", password=JOHN, expires="2027-01-15"),
            AccountSettings(user="intranet", networks=["192.0.2.0/24"]),
            AccountSettings(user="office", password=JOHN, networks=["192.0.2.0/24"]),
            AccountSettings(user="demo", password="demo", demo=True),
            AccountSettings(user="ann@example.org", password=JOHN),
        ]
        self.accounts = Accounts(self.settings, self.clock, run=self.threads.run)

    def login(self, user: str, password: str = "johnpw", peer: str = HERE) -> Deferred[Any]:
        return self.accounts.portal.login(Login(user, password, peer), None, IAccount)

    def let_in(self, user: str, password: str = "johnpw", peer: str = HERE) -> Account:
        interface, avatar, logout = self.successResultOf(self.login(user, password, peer))
        self.assertIs(interface, IAccount)
        logout()
        return avatar

    def denied(self, user: str, password: str = "johnpw", peer: str = HERE) -> Denied:
        return self.failureResultOf(self.login(user, password, peer), Denied).value


class LoginTests(LoginTestCase):
    """Who gets in."""

    def test_avatar(self) -> None:
        avatar = self.let_in("john")
        verifyObject(IAccount, avatar)
        self.assertEqual((avatar.name, avatar.gateway, avatar.email), ("john", "gw1", "john@example.org"))
        self.assertEqual(self.accounts.find("john"), avatar)
        self.assertIsNone(self.accounts.find("nobody"))
        self.assertNotIn("argon2", repr(self.accounts.directory.get("john")))

    def test_denied_is_what_doors_and_cred_know(self) -> None:
        error = self.denied("john", "wrong")
        self.assertIsInstance(error, Refused)
        self.assertIsInstance(error, UnauthorizedLogin)
        self.assertEqual(error.reason, Reason.BAD_CREDENTIALS)

    def test_strangers_get_one_answer(self) -> None:
        texts = {
            self.denied(user, password, peer).text
            for user, password, peer in (
                ("john", "wrong", HERE),
                ("nobody", "johnpw", HERE),
                ("off", "wrong", HERE),
                ("old", "wrong", HERE),
                ("office", "johnpw", THERE),
                ("intranet", "", THERE),
                ("demo", "demo", THERE),
                ("john", "\ud800", HERE),
                ("\ud800", "x", HERE),
                ("john", "", HERE),
                ("", "", HERE),
                ("john", "x" * 2000, HERE),
            )
        }
        self.assertEqual(texts, {"unknown user or wrong password"})

    def test_unknown_users_cost_the_same(self) -> None:
        self.denied("nobody", "x")
        self.denied("intranet", "x", THERE)
        self.assertEqual(self.threads.asked, [(NOBODY, "x"), (NOBODY, "x")])

    def test_the_owner_learns_that_it_is_closed(self) -> None:
        for user, said in (("off", "switched off"), ("old", "2027-01-14")):
            error = self.denied(user)
            self.assertEqual(error.reason, Reason.NOT_ALLOWED)
            self.assertIn(said, error.text)

    def test_the_last_day_counts(self) -> None:
        self.let_in("today")
        self.clock.advance(86400)
        self.assertEqual(self.denied("today").reason, Reason.NOT_ALLOWED)

    def test_networks(self) -> None:
        self.assertEqual(self.let_in("intranet", "").name, "intranet")
        self.assertEqual(self.let_in("intranet", "anything").name, "intranet")
        self.assertEqual(self.let_in("office").name, "office")
        self.denied("office", "wrong")

    def test_demo_only_on_this_machine(self) -> None:
        for peer in ("127.0.0.1", "::1"):
            self.let_in("demo", "demo", peer)
        for peer in (HERE, "", "::ffff:192.0.2.1"):
            self.denied("demo", "demo", peer)
        self.denied("demo", "other", "127.0.0.1")

    def test_an_account_called_demo_is_one(self) -> None:
        self.accounts.replace([AccountSettings(user="demo", password=JOHN)])
        self.let_in("demo", "johnpw", "127.0.0.1")
        self.denied("demo", "johnpw", HERE)

    def test_login_names(self) -> None:
        self.assertEqual(self.let_in("ann%40example.org").name, "ann@example.org")
        self.denied("ann%example.org")
        percent = Accounts(self.settings, self.clock, percent_logins=True, run=self.threads.run)
        for user in ("ann%example.org", "ann/example.org"):
            login = percent.portal.login(Login(user, "johnpw", HERE), None, IAccount)
            self.assertEqual(self.successResultOf(login)[1].name, "ann@example.org")

    def test_vouched_for(self) -> None:
        portal = self.accounts.portal
        login = portal.login(Vouched("john", HERE), None, IAccount)
        self.assertEqual(self.successResultOf(login)[1].name, "john")
        self.assertEqual(self.threads.asked, [])
        for user in ("nobody", "off", "demo"):
            self.failureResultOf(portal.login(Vouched(user, HERE), None, IAccount), Denied)

    def test_by_http(self) -> None:
        http = door(context(portal=self.accounts.portal), trusted_networks=["192.0.2.0/24"])
        path = "/sms/?number=%2B15551234567&data=x"
        self.assertEqual(ask(http, path + "&user=john&pass=johnpw", peer=THERE).status, 200)
        self.assertEqual(ask(http, path + "&user=john&authenticated=1", peer=HERE).status, 200)
        self.assertEqual(ask(http, path + "&user=john&authenticated=1", peer=THERE).status, 401)
        self.assertEqual(ask(http, path + "&user=nobody&authenticated=1", peer=HERE).status, 401)
        self.assertEqual(ask(http, path + "&user=off&pass=johnpw", peer=THERE).status, 403)

    def test_other_credentials_and_interfaces(self) -> None:
        login = self.accounts.portal.login(UsernamePassword("john", "johnpw"), None, IAccount)
        self.assertEqual(self.successResultOf(login)[1].name, "john")
        login = self.accounts.portal.login(Login("john", "johnpw", HERE), None, Interface)
        self.failureResultOf(login, NotImplementedError)


class RememberTests(LoginTestCase):
    """What is verified once."""

    def test_within_minutes(self) -> None:
        self.let_in("john")
        self.let_in("john", peer=THERE)
        self.assertEqual(len(self.threads.asked), 1)
        self.clock.advance(REMEMBER + 1)
        self.let_in("john")
        self.assertEqual(len(self.threads.asked), 2)

    def test_the_same_wrong_password_is_one_guess(self) -> None:
        """A script with an old password does not lock its whole host out."""
        for _ in range(FREE * 3):
            self.assertEqual(self.denied("john", "old password").reason, Reason.BAD_CREDENTIALS)
        self.assertEqual(len(self.threads.asked), 1)
        self.let_in("john")

    def test_at_the_same_time(self) -> None:
        self.threads.at_once = False
        logins = [self.login("john", peer=peer) for peer in (HERE, HERE, THERE)]
        self.assertEqual(len(self.threads.asked), 1)
        self.threads.finish()
        for login in logins:
            self.assertEqual(self.successResultOf(login)[1].name, "john")
        self.assertEqual(len(self.threads.asked), 1)

    def test_reload_forgets(self) -> None:
        self.let_in("john")
        self.accounts.replace([AccountSettings(user="john", password=hash_password("newpw"))])
        self.denied("john")
        self.let_in("john", "newpw")

    def test_reload_in_the_middle(self) -> None:
        self.threads.at_once = False
        login = self.login("john")
        self.accounts.replace([AccountSettings(user="john", password=hash_password("newpw"))])
        self.threads.finish()
        self.assertEqual(self.failureResultOf(login, Denied).value.reason, Reason.SLOW_DOWN)
        login = self.login("john")
        self.threads.finish()
        self.assertEqual(self.failureResultOf(login, Denied).value.reason, Reason.BAD_CREDENTIALS)

    def test_names_and_passwords_do_not_mix(self) -> None:
        verifier = Verifier(self.clock, self.threads.run)
        self.assertNotEqual(verifier.mark("ab", "c"), verifier.mark("a", "bc"))
        self.assertNotEqual(verifier.mark("ab", "c"), Verifier(self.clock).mark("ab", "c"))

    def test_bounds(self) -> None:
        self.patch(passwords, "MOST", 10)
        self.patch(passwords, "MOST_PENDING", 3)
        verifier = Verifier(self.clock, self.threads.run)
        for number in range(30):
            self.successResultOf(verifier.verify(b"%d" % number, "nonsense", "x"))
        self.assertEqual(len(verifier._known), 10)
        self.threads.at_once = False
        pending = [verifier.verify(b"p%d" % number, "nonsense", "x") for number in range(4)]
        self.failureResultOf(pending[3], TooBusy)
        self.threads.finish()
        self.assertEqual([self.successResultOf(each) for each in pending[:3]], [False] * 3)


class SlowDownTests(LoginTestCase):
    """Guessing, through the whole portal."""

    def test_one_address(self) -> None:
        for number in range(FREE):
            self.assertEqual(self.denied("john", f"guess{number}").reason, Reason.BAD_CREDENTIALS)
        error = self.denied("john", "johnpw")
        self.assertEqual((error.reason, "in 1 s" in error.text), (Reason.SLOW_DOWN, True))
        self.assertEqual(self.denied("mary", "x").reason, Reason.SLOW_DOWN)
        self.assertEqual(len(self.threads.asked), FREE)
        self.clock.advance(1.1)
        self.let_in("john")

    def test_a_remembered_password_cannot_be_tried_out(self) -> None:
        """Else the cache would tell a locked guesser at once which guess is right."""
        self.let_in("john", peer=THERE)
        for number in range(FREE):
            self.denied("john", f"guess{number}")
        self.assertEqual(self.denied("john", "johnpw").reason, Reason.SLOW_DOWN)
        self.let_in("john", peer=THERE)

    def test_many_guesses_at_once_count_like_many_in_a_row(self) -> None:
        self.threads.at_once = False
        logins = [self.login("john", f"guess{number}") for number in range(FREE * 3)]
        while self.threads._waiting:
            self.threads.finish()
        reasons = [self.failureResultOf(login, Denied).value.reason for login in logins]
        self.assertEqual(reasons, [Reason.BAD_CREDENTIALS] * FREE + [Reason.SLOW_DOWN] * FREE * 2)
        self.assertEqual(self.accounts._lines, {})

    def test_the_line_of_one_address_is_bounded(self) -> None:
        self.patch(checker, "_MOST_WAITING", 5)
        self.threads.at_once = False
        logins = [self.login("john", f"guess{number}") for number in range(7)]
        self.assertEqual(self.failureResultOf(logins[6], Denied).value.reason, Reason.SLOW_DOWN)
        self.login("john", peer=THERE)
        while self.threads._waiting:
            self.threads.finish()
        for login in logins[:6]:
            self.failureResultOf(login, Denied)

    def test_too_busy(self) -> None:
        self.patch(passwords, "MOST_PENDING", 1)
        self.threads.at_once = False
        first = self.login("john")
        second = self.login("off", peer=THERE)
        self.assertEqual(self.failureResultOf(second, Denied).value.reason, Reason.SLOW_DOWN)
        self.threads.finish()
        self.successResultOf(first)


class ThreadTests(TestCase):
    """The real pool."""

    async def test_the_reactor_goes_on(self) -> None:
        where: list[str] = []

        def watched(hashed: str, password: str) -> bool:
            where.append(threading.current_thread().name)
            return matches(hashed, password)

        self.patch(passwords, "matches", watched)
        settings = [AccountSettings(user=f"user{n}", password=JOHN) for n in range(4)]
        subject = Accounts(settings, reactor)
        self.addCleanup(subject.stop)
        logins = [
            subject.portal.login(Login(f"user{n}", "johnpw", f"192.0.2.{n}"), None, IAccount)
            for n in range(4)
        ]
        results = await DeferredList(logins)
        self.assertEqual([result[1].name for _, result in results], [f"user{n}" for n in range(4)])
        self.assertEqual(len(where), 4)
        self.assertNotIn(threading.main_thread().name, where)
