"""The accounts there are, by name, with what their logins are checked against."""

from __future__ import annotations

from dataclasses import dataclass, field

from zope.interface import classImplements

from smsd.core.accounts.settings import AccountSettings
from smsd.core.networks import Networks, is_loopback
from smsd.interfaces import IAccount
from smsd.values.account import Account

classImplements(Account, IAccount)  # a value knows no interfaces


@dataclass(frozen=True, slots=True)
class Entry:
    """An account, and what its logins are checked against."""

    account: Account
    password: str = field(repr=False)
    networks: Networks
    demo: bool

    def reachable_from(self, peer: str) -> bool:
        """Whether it may be used from this address."""
        if self.demo and not is_loopback(peer):
            return False
        return not self.networks or peer in self.networks


def entry_of(settings: AccountSettings) -> Entry:
    """The entry of an account of the configuration."""
    account = Account(
        name=settings.user,
        gateway=settings.gateway,
        email=settings.email,
        phone=settings.phone,
        country=settings.country,
        monthly_limit=settings.monthly_limit,
        expires=settings.expires,
        active=settings.active,
        group=settings.group,
        senders=tuple(settings.senders),
        text=settings.text,
        prepaid=settings.prepaid,
    )
    demo = settings.demo or settings.user == "demo"
    return Entry(account, settings.password.get_secret_value(), Networks(settings.networks), demo)
