"""Guessing over all doors: they share the counters, and strangers who guess keep nobody out who has logged in before."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import urlencode

from twisted.internet.defer import Deferred, succeed

from smsd.core.accounts import Accounts, AccountSettings
from smsd.core.guessing import FREE, LONGEST_ACCOUNT
from smsd.core.knowing import Knowing
from smsd.store import known
from tests.frontends.fakes import context
from tests.frontends.http import client
from tests.frontends.smtp.dialogue import Dialogue
from tests.frontends.test_accounts import HASH, NUMBER, STRANGER, DoorsCase

OFFICE, ELSEWHERE = "203.0.113.5", "203.0.113.77"
SLOW = "too many wrong passwords: try again in"
LATER = 3600.0


def quick(function: Any, hashed: str, password: str) -> Deferred[bool]:
    """What argon2 would say, at once: hundreds of guesses are made here."""
    return succeed(hashed == HASH and password == "annpw")


class Empty:
    """No jobs, no events, no callbacks."""

    def way_back(self, account: str, wanted: str | None = None, events: Any = ()) -> None:
        return None

    async def listed(self, account: str, limit: int) -> list[Any]:
        return []

    async def fetch(self, account: str, named: str | None, after: str, limit: int) -> tuple[list[Any], str]:
        return [], ""


class EveryDoor(DoorsCase):
    """`WAYS` are all doors where somebody shows a password."""

    WAYS = ("http", "basic", "kannel", "smtp", "address", "api", "events", "jobs", "smsportal")  # type: ignore[assignment]

    def setUp(self) -> None:
        super().setUp()
        self.accounts._verifier._run = quick
        self.begin()

    def begin(self) -> None:
        """As a server does when it starts."""
        self.knowing = Knowing(self.house.store, self.accounts.guessing)
        self.house.wait(Deferred.fromCoroutine(self.knowing.load()))
        self.context["guessing"] = self.accounts.guessing
        self.context["portal"] = self.accounts.portal
        self.web = client.door(
            context(**self.context, jobs=Empty(), callbacks=Empty()), kannel="yes", api=True
        )
        self.web.running = 1

    def restart(self) -> None:
        self.accounts = Accounts(
            [AccountSettings(user="ann", password=HASH)],
            self.house.clock,
            run=quick,
        )
        self.begin()

    def get(self, path: str, peer: str, headers: dict[str, str] | None = None) -> str:
        """Whether the login was what went wrong is all that counts here."""
        connection = client.Connection(self.web, peer)
        connection.send(client.request("GET", path, headers=headers or {}))
        self.house.settle()
        (reply,) = connection.replies()
        known = reply.status in (200, 202) or "scope" in reply.text
        return "" if known else f"{reply.status} {reply.text}"

    def api(self, user: str, password: str, sender: str, peer: str, **more: str) -> str:
        pair = base64.b64encode(f"{user}:{password}".encode()).decode()
        return self.get("/api/v1/gateways", peer, {"Authorization": f"Basic {pair}"})

    def events(self, user: str, password: str, sender: str, peer: str, **more: str) -> str:
        return self.get(f"/sms/events?{urlencode({'user': user, 'pass': password})}", peer)

    def jobs(self, user: str, password: str, sender: str, peer: str, **more: str) -> str:
        return self.get(f"/sms/jobs?{urlencode({'user': user, 'pass': password})}", peer)

    def smsportal(self, user: str, password: str, sender: str, peer: str, **more: str) -> str:
        given = {name: value for name, value in self.context.items() if name != "guessing"}
        talk = Dialogue(peer, dialect="smsportal", clear_auth_networks=["0.0.0.0/0"], **given)
        talk.send("EHLO x")
        talk.send("AUTH LOGIN")
        talk.send(base64.b64encode(user.encode()).decode())
        answer = talk.send(base64.b64encode(password.encode()).decode())
        self.house.settle()
        answer += talk.output()
        return "" if answer.startswith("235") else answer or "no answer"

    def once(self, name: str, password: str, peer: str, user: str = "ann") -> str:
        told = str(getattr(self, name)(user, password, "", peer))
        # Kannel has no words for it, and its clients know but one answer.
        return f"{told} {SLOW}" if name == "kannel" and told.startswith("503") else told


class Shared(EveryDoor):
    def failures(self, peer: str) -> int:
        count = self.accounts.guessing._counts.get((peer, ""))
        return 0 if count is None else count.failures

    def test_the_right_password_opens_every_door(self) -> None:
        for way in self.WAYS:
            self.assertEqual(self.once(way, "annpw", STRANGER), "", way)

    def test_each_door_counts(self) -> None:
        for way in self.WAYS:
            before = self.failures(STRANGER)
            self.assertNotEqual(self.once(way, f"not {way}", STRANGER), "", way)
            self.assertEqual(self.failures(STRANGER), before + 1, way)
        self.assertEqual(self.taken(), [])

    def test_who_has_guessed_at_some_doors_waits_at_all(self) -> None:
        for number in range(FREE):
            self.once(self.WAYS[number % len(self.WAYS)], f"guess {number}", STRANGER)
        for way in self.WAYS:
            for user in ("ann", "bob", "nobody"):
                self.assertIn(SLOW, self.once(way, "annpw", STRANGER, user), (way, user))
        self.house.clock.advance(1)
        for way in self.WAYS:
            self.assertEqual(self.once(way, "annpw", STRANGER), "", way)

    def test_many_addresses_slow_each_other_down(self) -> None:
        """One account is guessed at from everywhere: everybody waits who is not known, but no longer than a minute."""
        for number in range(200):
            self.once(self.WAYS[number % len(self.WAYS)], f"guess {number}", f"198.51.100.{number}")
            self.house.clock.advance(LONGEST_ACCOUNT if number > FREE else 0)
        self.once("http", "one more", "192.0.2.99")
        for way in self.WAYS:
            self.assertIn(SLOW, self.once(way, "annpw", ELSEWHERE), way)
        self.house.clock.advance(LONGEST_ACCOUNT)
        self.assertEqual(self.once("smtp", "annpw", ELSEWHERE), "")

    def test_the_pin_of_a_provider_too(self) -> None:
        def deliver(pin: str, peer: str) -> str:
            path = (
                f"/sms/deliver.html?{urlencode({'id': 'HTTP', 'pass': pin, 'number': NUMBER, 'data': 'hi'})}"
            )
            connection = client.Connection(self.web, peer)
            connection.send(client.request("GET", path))
            self.house.settle()
            (reply,) = connection.replies()
            return f"{reply.status} {reply.text}"

        self.assertEqual(deliver("1234", OFFICE)[:8], "200 True")
        for number in range(FREE):
            self.assertIn("403 False id and pass match no gateway", deliver(f"{number:04}", STRANGER))
        self.assertIn("503 False too many wrong PINs: try again in 1 s", deliver("1234", STRANGER))
        self.assertIn("503 False too many wrong PINs", deliver("1234", ELSEWHERE))
        self.assertEqual(deliver("1234", OFFICE)[:8], "200 True")
        self.assertIn(SLOW, self.once("http", "annpw", STRANGER))


class Owners(EveryDoor):
    """Whom an attacker must not keep out."""

    def attack(self) -> None:
        for number in range(100):
            self.once(self.WAYS[number % len(self.WAYS)], f"guess {number}", f"198.51.100.{number}")
            self.house.clock.advance(LONGEST_ACCOUNT)
        self.once("http", "the last guess", STRANGER)
        self.assertIn(SLOW, self.once("http", "annpw", ELSEWHERE))

    def test_who_has_logged_in_from_there_is_let_in_at_every_door(self) -> None:
        self.assertEqual(self.once("http", "annpw", OFFICE), "")
        self.attack()
        for way in self.WAYS:
            self.assertEqual(self.once(way, "annpw", OFFICE), "", way)

    def test_after_a_restart_too(self) -> None:
        self.assertEqual(self.once("smsportal", "annpw", OFFICE), "")
        self.restart()
        self.attack()
        for way in self.WAYS:
            self.assertEqual(self.once(way, "annpw", OFFICE), "", way)

    def test_a_pair_is_written_once_a_day_and_forgotten_after_a_month(self) -> None:
        written: list[Any] = []
        learned = self.accounts.guessing.learned
        self.accounts.guessing.learned = lambda pair, until: (written.append(pair), learned(pair, until))[1]  # type: ignore[func-returns-value]
        for _ in range(24):
            self.once("http", "annpw", OFFICE)
            self.house.clock.advance(LATER)
        self.assertEqual(written, [(OFFICE, "ann")])
        self.house.clock.advance(2 * LATER)
        self.once("http", "annpw", OFFICE)
        self.assertEqual(len(written), 2)
        self.house.clock.advance(31 * 24 * LATER)
        self.restart()
        self.assertEqual(self.house.wait(self.house.store.ask(known.every, 0, 10, 5)), [])

    def test_guesses_from_outside_its_networks_lock_no_account(self) -> None:
        inside = AccountSettings(user="ann", password=HASH, networks=["203.0.113.0/24"])
        self.accounts.replace([inside])
        for number in range(100):
            self.once(self.WAYS[number % len(self.WAYS)], f"guess {number}", f"198.51.100.{number}")
        self.assertEqual(self.once("http", "annpw", ELSEWHERE), "")

    def test_an_own_account_does_not_help_to_guess_others(self) -> None:
        for number in range(FREE):
            self.once("http", f"guess {number}", STRANGER)
            self.once("api", "annpw", STRANGER, "bob")
        self.assertIn(SLOW, self.once("basic", "annpw", STRANGER))
        self.assertEqual(self.once("basic", "annpw", STRANGER, "bob"), "")
