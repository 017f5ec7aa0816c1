"""Logins by digest, for doors (RFC 7616): counted, slowed down and admitted like all others. What a secret is, `smsd.core.digests`
knows; whose it is, the checker."""

from __future__ import annotations

from smsd.core.accounts.checker import Accounts
from smsd.core.digests import Secret
from smsd.values.account import Account


class Digests:
    """`secret`, then, with what came of it, `admitted`."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    def secret(self, user: str, realm: str, peer: str) -> Secret | None:
        """The secret of this user in this realm, None when there is none; Denied (SLOW_DOWN) for who guesses too fast."""
        return self._accounts.digest_secret(user, realm, peer)

    def admitted(self, user: str, peer: str, right: bool) -> Account:
        """The account of a user who has (`right`) shown that he knows his password; Denied when he has not, or may not log in."""
        return self._accounts.digest_shown(user, peer, right)
