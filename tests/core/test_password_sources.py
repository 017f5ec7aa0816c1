"""Logins of mail users whose passwords somebody outside knows: over the portal that every door asks (feature U4)."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smsd.core.accounts import Accounts, AccountSettings, Denied, PolicySettings, hash_password
from smsd.core.credentials import Login
from smsd.core.guessing import FREE
from smsd.core.passwords import MOST_ASKED
from smsd.interfaces import IAccount
from smsd.values.errors import Reason

JOHN = hash_password("johnpw")
AWAY = "try again in a minute"


class Outside:
    """A source whose answers wait to be given by hand."""

    name = "outside"
    status = "answers"

    def __init__(self, *domains: str) -> None:
        self.domains = domains
        self.asked: list[tuple[str, str, str]] = []
        self.waiting: list[Deferred[bool]] = []
        self.stopped = False

    def serves(self, name: str) -> bool:
        return not self.domains or name.endswith(self.domains)

    def check(self, name: str, password: str, peer: str) -> Deferred[bool]:
        self.asked.append((name, password, peer))
        self.waiting.append(Deferred())
        return self.waiting[-1]

    def say(self, right: bool | None) -> None:
        """The answer to the oldest question; None: it cannot tell."""
        answer = self.waiting.pop(0)
        if right is None:
            answer.errback(Denied(Reason.SLOW_DOWN, AWAY))
        else:
            answer.callback(right)

    def stop(self) -> None:
        self.stopped = True


class Logins(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_800_000_000)
        self.one, self.two = Outside(), Outside()
        accounts = [AccountSettings(user="john", password=JOHN)]
        self.accounts = Accounts(accounts, self.clock, run=lambda function, *given: succeed(function(*given)))
        self.accounts.replace(accounts, policies=[PolicySettings(who="*", access=True, monthly_limit=5)])
        self.accounts.ask([self.one, self.two])

    def login(self, name: str = "ann@example.org", password: str = "annpw", peer: str = "192.0.2.1") -> Any:
        return self.accounts.portal.login(Login(name, password, peer), None, IAccount)

    def let_in(self, login: Any) -> str:
        name: str = self.successResultOf(login)[1].name
        return name

    def denied(self, login: Any) -> Denied:
        error = self.failureResultOf(login, Denied).value
        assert isinstance(error, Denied)
        return error

    def test_they_are_asked_in_order(self) -> None:
        login = self.login("ANN@Example.org")
        self.assertEqual(self.one.asked, [("ann@example.org", "annpw", "192.0.2.1")])
        self.one.say(False)
        self.assertEqual(self.two.asked, self.one.asked)
        self.two.say(True)
        self.assertEqual(self.let_in(login), "ann@example.org")
        self.assertEqual(self.let_in(self.login()), "ann@example.org")
        self.assertEqual(len(self.one.asked), 1)

    def test_the_next_one_may_know_what_one_away_cannot_tell(self) -> None:
        login = self.login()
        self.one.say(None)
        self.two.say(True)
        self.assertEqual(self.let_in(login), "ann@example.org")

    def test_away_is_no_wrong_password(self) -> None:
        self.accounts.ask([self.one])
        for _ in range(FREE * 3):
            login = self.login()
            self.one.say(None)
            error = self.denied(login)
            self.assertEqual((error.reason, error.text), (Reason.SLOW_DOWN, AWAY))
        login = self.login()
        self.one.say(True)
        self.assertEqual(self.let_in(login), "ann@example.org")

    def test_who_guesses_while_one_is_away_is_counted_where_another_says_no(self) -> None:
        for n in range(FREE):
            login = self.login(password=f"guess{n}")
            self.one.say(None)
            self.two.say(False)
            self.assertEqual(self.denied(login).text, AWAY)
        self.assertIn("too many wrong passwords", self.denied(self.login()).text)
        self.assertEqual(len(self.two.asked), FREE)

    def test_one_of_another_domain_learns_nothing(self) -> None:
        self.accounts.ask([Outside("example.net"), self.one])
        login = self.login()
        self.one.say(False)
        self.assertEqual(self.denied(login).reason, Reason.BAD_CREDENTIALS)
        other = Outside("example.net")
        self.accounts.ask([other])
        self.assertEqual(self.denied(self.login()).reason, Reason.BAD_CREDENTIALS)
        self.assertEqual(other.asked, [])

    def test_equal_questions_at_once_are_one(self) -> None:
        logins = [self.login(peer=f"192.0.2.{n}") for n in range(1, 6)]
        self.one.say(True)
        self.assertEqual([self.let_in(login) for login in logins], ["ann@example.org"] * 5)
        self.assertEqual(len(self.one.asked), 1)

    def test_a_policy_decides_who_may(self) -> None:
        policies = {"example.org": True, "bob@example.org": False}
        self.accounts.replace([], policies=[PolicySettings(who=w, access=yes) for w, yes in policies.items()])
        for name in ("bob@example.org", "ann@example.net", "ann"):
            self.assertEqual(self.denied(self.login(name)).reason, Reason.BAD_CREDENTIALS)
        self.assertEqual(self.one.asked, [])

    def test_a_policy_holds_from_the_moment_it_is_written(self) -> None:
        """Whoever has tried before is asked for again, and is shut out again at once."""
        self.accounts.replace([], policies=[PolicySettings(who="*", access=False)])
        for _ in range(2):
            self.assertEqual(self.denied(self.login()).reason, Reason.BAD_CREDENTIALS)
        self.accounts.directory.put("policy", "ann@example.org", '{"access": true}')
        login = self.login()
        self.one.say(True)
        self.assertEqual(self.let_in(login), "ann@example.org")
        self.accounts.directory.put("policy", "ann@example.org", '{"access": false}')
        self.assertEqual(self.denied(self.login()).reason, Reason.BAD_CREDENTIALS)
        self.accounts.directory.put("policy", "ann@example.org", '{"access": true}')
        self.assertEqual(self.let_in(self.login()), "ann@example.org")
        self.assertEqual(len(self.one.asked), 1)

    def test_others_take_over_at_once(self) -> None:
        """What those before have said, or are about to say, counts no more."""
        login = self.login()
        before, self.one = self.one, Outside()
        self.accounts.ask([self.one])
        self.assertTrue(before.stopped)
        before.say(True)
        self.assertEqual(self.denied(login).reason, Reason.SLOW_DOWN)
        login = self.login()
        self.one.say(True)
        self.let_in(login)
        self.accounts.ask([self.two])
        login = self.login()
        self.two.say(False)
        self.assertEqual(self.denied(login).reason, Reason.BAD_CREDENTIALS)

    def test_a_slow_one_keeps_nobody_waiting_for_ever(self) -> None:
        logins = [self.login(f"u{n}@example.org") for n in range(20)]
        for _ in range(4):
            self.clock.advance(10)
            self.one.say(None)
            self.two.say(None)
        self.assertEqual(len(self.one.asked), 4)
        self.assertEqual({self.denied(login).reason for login in logins}, {Reason.SLOW_DOWN})

    def test_a_slow_one_leaves_accounts_alone(self) -> None:
        for n in range(300):
            self.login(f"u{n}@example.org", peer=f"198.51.{n // 200}.{n % 200 + 1}")
        self.assertEqual(len(self.one.asked), 300)
        self.assertEqual(self.let_in(self.login("john", "johnpw")), "john")

    def test_no_more_than_so_many_wait(self) -> None:
        for n in range(MOST_ASKED):
            self.login(f"u{n}@example.org", peer=f"198.51.{n // 200}.{n % 200 + 1}")
        self.assertIn("too many logins", self.denied(self.login()).text)
        self.assertEqual(len(self.one.asked), MOST_ASKED)

    def test_stopped_with_the_server(self) -> None:
        self.accounts.stop()
        self.assertTrue(self.one.stopped and self.two.stopped)
