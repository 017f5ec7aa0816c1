"""Tokens: what programs show at the API instead of a password. Made for an account and a purpose, shown once, kept as hashes.

A token has 256 bits of chance, so its SHA-256 is as good as a slow hash, and guessing is hopeless. All of them are known in memory:
asking costs nothing, and one that is revoked is refused from that moment on. When one was last used is written within a minute.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from smsd.codec.webhooks import moment
from smsd.store import tokens as rows
from smsd.store.sqlite import SqliteStore
from smsd.store.tokens import Token
from smsd.values.errors import InvalidValue, Reason, Refused, storable

SCOPES = ("send", "read", "incoming", "admin")
"""What a token may do: hand in and cancel, look at what was sent, fetch what phones wrote, and see all that of everybody."""
PREFIX = "smsd_"
"""Tells people, and programs that look for secrets in the wrong places, what it is."""
DAY = 86_400_000
WRITE_EVERY = 60.0
LONGEST_NOTE = 200


class Tokens:
    """The tokens there are; `load` before anybody asks. `known(account)` tells whether there is such an account."""

    log = Logger()

    def __init__(self, store: SqliteStore, reactor: Any, known: Callable[[str], bool]) -> None:
        self._store = store
        self._reactor = reactor
        self._known = known
        self._tokens: dict[bytes, Token] = {}
        self._used: dict[int, int] = {}
        self._writing: Any = None

    async def load(self) -> None:
        """Read them from the store."""
        self._tokens = await self._store.ask(rows.every)

    def check(self, token: str) -> Token:
        """What a token may do; Refused when it is none of ours, or its time is over."""
        found = self._tokens.get(_hashed(token))
        if found is None:
            raise Refused(Reason.BAD_CREDENTIALS, "this token is not known here: it may have been revoked")
        now = self._store.now()
        if found.expires and now >= found.expires:
            raise Refused(
                Reason.BAD_CREDENTIALS, f"this token expired at {moment(found.expires)}: get a new one"
            )
        self._used[found.id] = now
        if self._writing is None:
            self._writing = self._reactor.callLater(WRITE_EVERY, self._write)
        return found

    async def create(
        self, account: str, scopes: Sequence[str], note: str = "", days: float | None = None
    ) -> tuple[str, Token]:
        """A new token, which nobody can show again, and what is known of it; fires after the commit."""
        wanted = tuple(scope for scope in SCOPES if scope in scopes)
        unknown = [scope for scope in scopes if scope not in SCOPES]
        if unknown or not wanted:
            what = f"there is no scope {unknown[0][:40]!r}" if unknown else "a scope is needed"
            raise InvalidValue(f"{what}; allowed: {', '.join(SCOPES)}")
        if account and not self._known(account):
            raise InvalidValue(f"there is no account {account[:128]!r}: a token belongs to an account")
        if not account and wanted != ("admin",):
            raise InvalidValue(
                "account: whose token is it? Only one with nothing but the scope admin is nobody's"
            )
        if len(note) > LONGEST_NOTE or not note.isprintable():
            raise InvalidValue(f"note: at most {LONGEST_NOTE} printable characters")
        if days is not None and not 0 < days <= 36_500:
            raise InvalidValue(f"days: {days!r} is not possible; allowed: more than 0, to 36500")
        token, now = PREFIX + secrets.token_urlsafe(32), self._store.now()
        expires = 0 if days is None else now + int(days * DAY)
        made = Token(0, account, wanted, storable(note), now, expires)
        made = await self._store.call(rows.create, (_hashed(token), made))
        self._tokens[_hashed(token)] = made
        self.log.info(
            "token {id} made for {account}: {scopes}", id=made.id, account=account or "nobody", scopes=wanted
        )
        return token, made

    async def revoke(self, number: int) -> None:
        """Refused from now on, and forgotten; InvalidValue when there is none with this number."""
        # Nobody gets in with it while that is written. If it cannot be, whoever asked is told: a restart would bring it back.
        self._tokens = {hashed: one for hashed, one in self._tokens.items() if one.id != number}
        await self._store.call(rows.revoke, number)
        self.log.info("token {id} revoked", id=number)

    def weed(self) -> None:
        """Accounts have changed: the tokens of those that are gone are revoked, so that they are not those of the next one who is
        called so."""
        for one in [one for one in self._tokens.values() if one.account and not self._known(one.account)]:
            Deferred.fromCoroutine(self.revoke(one.id)).addErrback(self._not_revoked, one.id)

    def doubts(self) -> list[str]:
        """Tokens of accounts that the configuration has not got any more. Kept, because a file that is broken gets mended."""
        return [
            f"token {one.id} belongs to the account {one.account}, which there is not: nobody gets in with it until there is one"
            f" again; smsd token revoke {one.id}"
            for one in self._tokens.values()
            if one.account and not self._known(one.account)
        ]

    def _not_revoked(self, failure: Any, number: int) -> None:
        self.log.error("token {id} could not be revoked: {why}", id=number, why=failure.getErrorMessage())

    # -- the operator's verbs, see smsd.core.control

    def verbs(self) -> dict[str, Callable[[Mapping[str, Any]], Awaitable[Any]]]:
        """They take and give JSON values."""
        return {
            "tokens": self._list_verb,
            "token_create": self._create_verb,
            "token_revoke": self._revoke_verb,
        }

    async def _list_verb(self, arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
        """account → its tokens, without it all; never the tokens themselves."""
        return self.listed(str(arguments.get("account") or ""))

    async def _create_verb(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """account, scopes (a list), days, note → the new token, and what the list says of it."""
        token, made = await self.create(**_given(arguments))
        return {**shown(made), "token": token}

    async def _revoke_verb(self, arguments: Mapping[str, Any]) -> None:
        """token: its number."""
        number = arguments.get("token")
        if not isinstance(number, int) or not 0 < number < 2**63:
            raise InvalidValue("token: its number is needed")
        await self.revoke(number)

    def listed(self, account: str = "") -> list[dict[str, Any]]:
        """All of them, or an account's, as the operator sees them."""
        found = [one for one in self._tokens.values() if not account or one.account == account]
        return [shown(replace(one, used=self._used.get(one.id, one.used))) for one in found]

    async def stop(self) -> None:
        """Write when they were last used."""
        if self._writing is not None and self._writing.active():
            self._writing.cancel()
            await self._write()

    def _write(self) -> Any:
        self._writing = None
        used, self._used = self._used, {}
        self._tokens = {
            hashed: replace(one, used=used[one.id]) if one.id in used else one
            for hashed, one in self._tokens.items()
        }
        return self._store.call(rows.use, used).addErrback(self._not_written)

    def _not_written(self, failure: Any) -> None:
        self.log.warn("when tokens were last used could not be written: {why}", why=failure.getErrorMessage())


def shown(token: Token) -> dict[str, Any]:
    """A token as the operator sees it."""
    return {
        "id": token.id,
        "account": token.account,
        "scopes": list(token.scopes),
        "note": token.note,
        "created": token.created,
        "expires": token.expires,
        "used": token.used,
    }


def _given(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `create` out of JSON; InvalidValue for those that make no sense."""
    scopes, days = arguments.get("scopes"), arguments.get("days")
    if not isinstance(scopes, list) or not all(isinstance(scope, str) for scope in scopes):
        raise InvalidValue(f"scopes: a list of words is needed; allowed: {', '.join(SCOPES)}")
    for name in ("account", "note"):
        if not isinstance(arguments.get(name) or "", str):
            raise InvalidValue(f"{name}: a text is needed")
    if days is not None and (isinstance(days, bool) or not isinstance(days, (int, float))):
        raise InvalidValue("days: a number is needed")
    return {
        "account": arguments.get("account") or "", "scopes": scopes, "note": arguments.get("note") or "", "days": days
    }  # fmt: skip


def _hashed(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogatepass")).digest()
