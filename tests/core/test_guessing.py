"""Locks against guessing, and who they must not hit; networks and addresses."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smsd.core import guessing
from smsd.core.guessing import FORGET, FREE, LONGEST_ACCOUNT, LONGEST_ADDRESS, Guessing, origin
from smsd.core.networks import Networks, is_loopback, read_network

HERE, THERE = "192.0.2.1", "198.51.100.9"


class GuessingTests(SynchronousTestCase):
    """`Guessing`."""

    def setUp(self) -> None:
        self.guessing = Guessing()

    def fail_times(self, times: int, peer: str = HERE, name: str = "john", now: float = 0.0) -> None:
        for _ in range(times):
            self.guessing.failed(peer, name, now)

    def test_people_mistype(self) -> None:
        self.fail_times(FREE - 1)
        self.assertEqual(self.guessing.wait(HERE, "john", 0), 0)

    def test_locks_double(self) -> None:
        self.fail_times(FREE)
        waits = []
        now = 0.0
        for _ in range(14):
            wait = self.guessing.wait(HERE, "nobody", now)
            waits.append(wait)
            self.assertEqual(self.guessing.wait(HERE, "nobody", now + wait), 0)
            now += wait
            self.guessing.failed(HERE, f"name{now}", now)
        self.assertEqual(waits[:6], [1, 2, 4, 8, 16, 32])
        self.assertEqual(waits[-1], LONGEST_ADDRESS)

    def test_an_address_is_locked_for_every_account(self) -> None:
        for number in range(FREE):
            self.guessing.failed(HERE, f"user{number}", 0)
        self.assertGreater(self.guessing.wait(HERE, "john", 0), 0)
        self.assertEqual(self.guessing.wait(THERE, "john", 0), 0)

    def test_an_account_is_locked_for_strangers_for_a_moment(self) -> None:
        """Guesses from a thousand addresses."""
        for number in range(1000):
            self.guessing.failed(f"203.0.{number // 250}.{number % 250}", "john", 0)
        self.assertEqual(self.guessing.wait(THERE, "john", 0), LONGEST_ACCOUNT)
        self.assertEqual(self.guessing.wait(THERE, "mary", 0), 0)

    def test_the_owner_stays_in(self) -> None:
        self.guessing.succeeded(HERE, "john", 0)
        for number in range(1000):
            self.guessing.failed(f"203.0.{number // 250}.{number % 250}", "john", 0)
        self.fail_times(100, HERE, "mary")
        self.assertEqual(self.guessing.wait(HERE, "john", 0), 0)
        self.assertGreater(self.guessing.wait(HERE, "mary", 0), 0)

    def test_the_owners_address_may_not_guess_freely(self) -> None:
        self.guessing.succeeded(HERE, "john", 0)
        self.fail_times(FREE)
        self.assertGreater(self.guessing.wait(HERE, "john", 0), 0)
        self.assertEqual(self.guessing.wait(HERE, "mary", 0), 0)

    def test_an_own_account_does_not_wash_the_address(self) -> None:
        for number in range(FREE):
            self.guessing.failed(HERE, f"user{number}", 0)
            self.guessing.succeeded(HERE, "own", 0)
        self.assertGreater(self.guessing.wait(HERE, "john", 0), 0)
        self.assertEqual(self.guessing.wait(HERE, "own", 0), 0)

    def test_guesses_from_where_nobody_is_let_in_keep_nobody_out(self) -> None:
        for number in range(100):
            self.guessing.failed(f"203.0.113.{number}", "john", 0, hopeless=True)
        self.assertEqual(self.guessing.wait(THERE, "john", 0), 0)
        for _ in range(FREE):
            self.guessing.failed(HERE, "john", 0, hopeless=True)
        self.assertGreater(self.guessing.wait(HERE, "john", 0), 0)

    def test_forgotten(self) -> None:
        self.fail_times(FREE + 3)
        self.guessing.failed(HERE, "john", FORGET + 100)
        self.assertEqual(self.guessing.wait(HERE, "john", FORGET + 100), 0)

    def test_tables_are_bounded(self) -> None:
        self.patch(guessing, "MOST", 50)
        self.patch(guessing, "MOST_KNOWN", 50)
        for number in range(500):
            self.guessing.failed(f"10.0.{number // 250}.{number % 250}", f"user{number}", 0)
            self.guessing.succeeded(f"10.1.{number // 250}.{number % 250}", f"user{number}", 0)
        self.assertLessEqual(len(self.guessing._counts), 50)
        self.assertEqual((len(self.guessing._known), len(self.guessing._of)), (50, 50))

    def test_many_addresses_of_one_account_push_out_nobody_else(self) -> None:
        self.patch(guessing, "MOST_KNOWN", guessing.MOST_OF_ONE + 2)
        self.guessing.succeeded(HERE, "john", 0)
        for number in range(200):
            self.guessing.succeeded(f"2001:db8:{number:x}::1", "mallory", 0)
        for number in range(FREE + 5):
            self.guessing.failed(f"198.51.100.{number}", "john", 0)
        self.assertEqual(self.guessing.wait(HERE, "john", 0), 0)
        self.assertGreater(self.guessing.wait(THERE, "john", 0), 0)
        self.assertEqual(len(self.guessing._known), guessing.MOST_OF_ONE + 1)

    def test_what_counts_as_one_address(self) -> None:
        self.assertEqual(origin("2001:db8:1:2::1"), origin("2001:db8:1:2:ffff::9"))
        self.assertNotEqual(origin("2001:db8:1:2::1"), origin("2001:db8:1:3::1"))
        self.assertEqual(origin("::ffff:192.0.2.1"), origin("192.0.2.1"))
        self.assertNotEqual(origin("192.0.2.1"), origin("192.0.2.2"))
        self.assertNotEqual(origin("::1"), origin("::2"))
        self.assertEqual(origin(""), "")


class NetworkTests(SynchronousTestCase):
    """`Networks`."""

    def test_membership(self) -> None:
        networks = Networks(["192.0.2.0/24", "2001:db8::/32", "10.1.2.3"])
        for peer in ("192.0.2.77", "::ffff:192.0.2.77", "2001:db8::1%eth0", "10.1.2.3"):
            self.assertIn(peer, networks)
            self.assertIn(peer, networks)
        for peer in ("192.0.3.1", "2001:db9::1", "10.1.2.4", "", "unix", "fe80::1"):
            self.assertNotIn(peer, networks)
        self.assertNotIn("192.0.2.1", Networks())
        self.assertEqual((bool(networks), bool(Networks())), (True, False))

    def test_answers_are_remembered_boundedly(self) -> None:
        networks = Networks(["10.0.0.0/8"])
        for number in range(5000):
            self.assertEqual(f"10.0.{number // 250}.{number % 250}" in networks, True)
        self.assertLessEqual(len(networks._known), 1024)

    def test_mistakes(self) -> None:
        for wrong, said in (
            ("10.0.0.1/8", "10.0.0.0/8"),
            ("office", "office"),
            ("10.0.0.0/33", "write"),
            ("", "write"),
        ):
            error = self.assertRaises(ValueError, read_network, wrong)
            self.assertIn(said, str(error))

    def test_loopback(self) -> None:
        for peer in ("127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"):
            self.assertTrue(is_loopback(peer))
        for peer in ("192.0.2.1", "0.0.0.0", "", "localhost"):
            self.assertFalse(is_loopback(peer))
