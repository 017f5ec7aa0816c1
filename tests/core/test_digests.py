"""Digest secrets: stored apart from hashes, right for both algorithms, counted like passwords."""

from __future__ import annotations

import hashlib

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smsd.core.accounts import Accounts, AccountSettings, Denied, PolicySettings
from smsd.core.accounts.digests import Digests
from smsd.core.digests import make_secret, read_secret
from smsd.values.errors import Reason

REALM = "sip.example.org"
SECRET = make_secret("ann", REALM, "pässword")


class Secrets(SynchronousTestCase):
    def test_halves_are_those_of_rfc_7616(self) -> None:
        secret = read_secret(SECRET)
        half = f"ann:{REALM}:pässword".encode()
        self.assertEqual(secret.md5, hashlib.md5(half).hexdigest())
        self.assertEqual(secret.sha256, hashlib.sha256(half).hexdigest())
        self.assertNotIn(secret.md5, repr(secret))

    def test_names_may_have_dollars_and_signs(self) -> None:
        self.assertEqual(read_secret(make_secret("a$n@example.org", REALM, "x")).user, "a$n@example.org")

    def test_what_cannot_be_one(self) -> None:
        for user, realm, password in (
            ("", REALM, "x"),
            ("a:b", REALM, "x"),
            ("ann", "no realm", "x"),
            ("ann", REALM, ""),
        ):
            self.assertRaises(ValueError, make_secret, user, realm, password)
        for text in ("", "secret", "$argon2id$x", SECRET[:-1], SECRET.replace("$ann$", "$$")):
            self.assertRaises(ValueError, read_secret, text)

    def test_settings_take_nothing_else(self) -> None:
        self.assertRaises(ValueError, AccountSettings, user="ann", networks=["::/0"], sip_secret="clear")
        self.assertRaises(ValueError, PolicySettings, who="example.org", sip_secret=SECRET)
        PolicySettings(who="ann@example.org", access=True, sip_secret=SECRET)


class Logins(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        ann = AccountSettings(user="ann", networks=["192.0.2.0/24"], sip_secret=SECRET)
        self.accounts = Accounts([ann], self.clock)
        self.digests = Digests(self.accounts)

    def test_a_secret_is_of_its_realm(self) -> None:
        self.assertEqual(self.digests.secret("ann", REALM.upper(), "192.0.2.1"), read_secret(SECRET))
        self.assertIsNone(self.digests.secret("ann", "example.net", "192.0.2.1"))
        self.assertIsNone(self.digests.secret("bob", REALM, "192.0.2.1"))

    def test_the_account_of_who_has_shown_it(self) -> None:
        self.assertEqual(self.digests.admitted("ann", "192.0.2.1", True).name, "ann")

    def test_wrong_and_unknown_are_one_answer(self) -> None:
        texts = set()
        for user in ("ann", "bob"):
            with self.assertRaises(Denied) as caught:
                self.digests.admitted(user, "192.0.2.1", False)
            texts.add((caught.exception.reason, str(caught.exception)))
        self.assertEqual(len(texts), 1)

    def test_networks_hold(self) -> None:
        self.assertRaises(Denied, self.digests.admitted, "ann", "198.51.100.1", True)

    def test_guesses_are_slowed_down(self) -> None:
        for _ in range(12):
            self.assertRaises(Denied, self.digests.admitted, "ann", "192.0.2.1", False)
        with self.assertRaises(Denied) as caught:
            self.digests.secret("ann", REALM, "192.0.2.1")
        self.assertIs(caught.exception.reason, Reason.SLOW_DOWN)

    def test_users_by_policy_have_them_too(self) -> None:
        secret = make_secret("bob@example.org", REALM, "x")
        self.accounts.replace([], (), [PolicySettings(who="bob@example.org", access=True, sip_secret=secret)])
        self.assertEqual(self.digests.secret("bob@example.org", REALM, "192.0.2.1"), read_secret(secret))
        self.assertEqual(self.digests.admitted("bob@example.org", "192.0.2.1", True).name, "bob@example.org")
