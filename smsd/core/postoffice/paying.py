"""Who pays for each member (features S5, U8): the account whose credentials stand in the member, else the one that the list
names, else whoever logged in to write. Nobody pays: the member is declined.

Credentials are checked like any login, as one from this machine; what is wrong stays wrong until the configuration is read
again, so that a slip in a list locks nobody out. No text here has a password.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any, Protocol

from twisted.cred.error import UnauthorizedLogin

from smsd.core.credentials import Login
from smsd.core.postoffice.members import Member, Roster
from smsd.interfaces import IAccount
from smsd.values.address import Address
from smsd.values.errors import Reason, Refused
from smsd.values.message import Declined, Recipient

HERE = "127.0.0.1"
"""Where the credentials of members log in from."""
MOST_WRONG = 1000


class Known(Protocol):
    """What paying needs of the accounts."""

    portal: Any

    def find(self, name: str) -> Any:
        """An account by name, or None."""


@dataclass(slots=True)
class Shares:
    """Recipients by who pays (None: nobody has to), those of mail apart, and who gets nothing. `known` are the numbers that
    need no second message."""

    phones: dict[str | None, list[Recipient]] = field(default_factory=dict)
    mailboxes: list[Recipient] = field(default_factory=list)
    declined: list[Declined] = field(default_factory=list)
    known: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Payer:
    """Who pays for members without credentials: `account`; or nobody has to (`free`); or they get nothing."""

    account: str | None = None
    free: bool = False


NO_PAYER = Refused(
    Reason.NOT_AUTHENTICATED,
    "nobody pays for this member: write user and pass into it, or give the list an account",
)


class Paying:
    """Looks accounts up and logs members in. `seconds` tells the time (UTC)."""

    def __init__(self, accounts: Known, seconds: Any) -> None:
        self._accounts = accounts
        self._seconds = seconds
        self._wrong: dict[tuple[str, str], Refused] = {}

    def forget(self) -> None:
        """The configuration was read again."""
        self._wrong.clear()

    def closed(self, name: str) -> Refused | None:
        """Why an account cannot pay now, None when it can."""
        account = self._accounts.find(name)
        if account is None:
            return Refused(Reason.NOT_ALLOWED, f"there is no account {name}: correct the configuration")
        why = account.closed(self._seconds())
        return None if why is None else Refused(Reason.NOT_ALLOWED, f"account {name}: {why}")

    async def log_in(self, user: str, password: str) -> str | Refused:
        """The account that these credentials open, or the refusal; raises Refused when that cannot be known now."""
        known = self._wrong.get((user, password))
        if known is not None:
            return known
        try:
            login: Awaitable[Any] = self._accounts.portal.login(Login(user, password, HERE), None, IAccount)
            _, account, logout = await login
        except (Refused, UnauthorizedLogin) as error:
            if isinstance(error, Refused) and error.reason in (Reason.SLOW_DOWN, Reason.UNAVAILABLE):
                raise Refused(Reason.SLOW_DOWN, "too many logins at once: try again in a minute") from None
            if isinstance(error, Refused) and error.reason is not Reason.BAD_CREDENTIALS:
                return error  # the right password of an account that is closed today
            refusal = Refused(Reason.BAD_CREDENTIALS, "user or password of this member is wrong: correct it")
            while len(self._wrong) >= MOST_WRONG:
                del self._wrong[next(iter(self._wrong))]
            self._wrong[user, password] = refusal
            return refusal
        logout()
        return str(account.name)

    async def logins(self, roster: Roster) -> dict[tuple[str, str], str | Refused]:
        """What each of a list's credentials opens."""
        return {(user, password): await self.log_in(user, password) for user, password in roster.logins}

    async def share(self, roster: Roster, payer: Payer, bare: Any) -> Shares:
        """Everybody's recipient. `bare` gives the parameters of members that have none of their own."""
        opened = await self.logins(roster)
        shares = Shares(known=set(roster.known))
        for member in roster.members:
            self._add(member, opened, payer, shares, bare)
        return shares

    async def refusal(self, roster: Roster, payer: Payer) -> Refused | None:
        """Why nobody at all can be reached, as far as accounts are concerned; None when somebody can."""
        if not roster.members:
            return Refused(Reason.NOT_ALLOWED, "the list is empty")
        if roster.others:
            return None
        reason: Refused | None = None
        if roster.bare:
            reason = self._bare(payer)
            if reason is None:
                return None
        for opened in (await self.logins(roster)).values():
            if not isinstance(opened, Refused):
                return None
            reason = reason or opened
        return reason

    def _bare(self, payer: Payer) -> Refused | None:
        if payer.account is not None:
            return self.closed(payer.account)
        return None if payer.free else NO_PAYER

    def _add(
        self,
        member: Member,
        opened: dict[tuple[str, str], str | Refused],
        payer: Payer,
        shares: Shares,
        bare: Any,
    ) -> None:
        if member.scheme == "mailto":
            shares.mailboxes.append(Recipient(Address("mailto", member.target), member.target))
            return
        account: str | Refused | None
        number, parameters = member.target, bare(member.parameters)
        if member.scheme == "account":
            account = self.closed(member.target) or member.target
            owner = self._accounts.find(member.target)
            if not isinstance(account, Refused):
                if owner.phone is None and owner.email is None:
                    account = Refused(Reason.NOT_ALLOWED, "this account has neither phone nor email")
                elif owner.phone is None:
                    shares.mailboxes.append(Recipient(Address("mailto", owner.email), owner.email))
                    return
                elif f"sms:{owner.phone}" in shares.known:  # a member by number too
                    return
                else:
                    number = owner.phone
                    shares.known.add(f"sms:{number}")
        elif member.user is not None:
            account = opened[member.user, member.password]
        else:
            account = self._bare(payer) or payer.account
        if isinstance(account, Refused):
            shares.declined.append(Declined(number, account))
            return
        shares.phones.setdefault(account, []).append(Recipient(Address("sms", number), number, parameters))
