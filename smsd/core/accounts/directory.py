"""The accounts there are: those of the configuration and of the store, and users of mail whom a policy lets send (U2, U3).

Settings become an `Entry` when somebody asks for it the first time, so ten thousand accounts cost little at the start. A name is
an account's, else a mail user's by policy: what is not said for him is taken from his domain, then from `*`. An account takes
from its group what it has not got itself. Knows no passwords but their hashes, and writes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from typing import Any

from pydantic import BaseModel, ValidationError
from twisted.logger import Logger
from zope.interface import classImplements

from smsd.core.accounts.settings import AccountGroupSettings, AccountSettings, PolicySettings, address_of
from smsd.core.networks import Networks, is_loopback
from smsd.core.zone import LocalZone
from smsd.interfaces import IAccount
from smsd.values.account import Account

classImplements(Account, IAccount)  # a value knows no interfaces

MODELS: dict[str, type[BaseModel]] = {
    "account": AccountSettings,
    "group": AccountGroupSettings,
    "policy": PolicySettings,
}
NAMES = {"account": "user", "group": "id", "policy": "who"}
"""The setting that is the name."""
MOST_USERS = 10_000
"""Users by policy that are remembered, and names that are gone."""
_EVERYWHERE = Networks()

Sections = Mapping[str, Iterable[Any]]


@dataclass(frozen=True, slots=True)
class Entry:
    """An account, and what its logins are checked against. `user`: a mail user by policy."""

    account: Account
    password: str = field(repr=False)
    networks: Networks = _EVERYWHERE
    demo: bool = False
    user: bool = False
    sip_secret: str = field(default="", repr=False)

    def reachable_from(self, peer: str) -> bool:
        """Whether it may be used from this address."""
        if self.demo and not is_loopback(peer):
            return False
        return not self.networks or peer in self.networks


class Directory:
    """`zone` is the one in which accounts expire."""

    log = Logger()

    def __init__(self, zone: tzinfo | None = None) -> None:
        self.zone = LocalZone() if zone is None else zone
        self._file: dict[str, dict[str, Any]] = {kind: {} for kind in MODELS}
        self._kept: dict[str, dict[str, str]] = {kind: {} for kind in MODELS}
        self._made: dict[str, Entry] = {}
        self._users: dict[str, Entry] = {}
        self._folded: dict[str, str] = {}
        self._gone: dict[str, None] = {}
        self._jids: dict[str, str] | None = None
        self._emails: frozenset[str] | None = None
        self.mailboxes = Mailboxes(self)

    # -- where they come from

    def use(self, sections: Sections) -> None:
        """The configuration's, by kind, from now on."""
        self._change(self._file, {kind: _named(kind, sections.get(kind, ())) for kind in MODELS})

    def load(self, kept: Mapping[str, Mapping[str, str]]) -> None:
        """The store's, by kind and name, as the store has them (JSON)."""
        self._change(self._kept, {kind: dict(kept.get(kind, {})) for kind in MODELS})

    def put(self, kind: str, name: str, settings: str | None) -> None:
        """One of the store's has changed; None: it is gone."""
        self.put_all([(kind, name, settings)])

    def put_all(self, changes: Iterable[tuple[str, str, str | None]]) -> None:
        """Several of the store's have changed: kind, name, settings."""
        for kind, name, settings in changes:
            if settings is None:
                self._kept[kind].pop(name, None)
            else:
                self._kept[kind][name] = settings
            if kind == "account":
                self._note(name, settings is None)
            else:
                self._made.clear()
            self._made.pop(name, None)
        self._users.clear()
        self._jids = self._emails = None
        self._fold()

    def _change(self, sections: dict[str, dict[str, Any]], new: dict[str, dict[str, Any]]) -> None:
        before = sections["account"].keys() - new["account"].keys()
        sections.update(new)
        self._made.clear()
        self._users.clear()
        self._jids = self._emails = None
        for name in before:
            self._note(name, True)
        for name in new["account"].keys() & self._gone.keys():
            self._note(name, False)
        self._fold()

    def _fold(self) -> None:
        """Accounts that are called like a mail address with capitals: no policy is for them, however they are written."""
        both = (*self._file["account"], *self._kept["account"])
        self._folded = {name.lower(): name for name in both if "@" in name and name != name.lower()}

    def folded(self, address: str) -> str:
        """The account that is called like this address in small letters, as it is written; else the address."""
        return self._folded.get(address, address)

    def _note(self, name: str, gone: bool) -> None:
        if not gone or self.source("account", name):
            self._gone.pop(name, None)
            return
        while len(self._gone) >= MOST_USERS:
            del self._gone[next(iter(self._gone))]
        self._gone[name] = None

    def clashes(self, sections: Sections | None = None) -> list[str]:
        """What is wrong with the configuration's sections (those in use, or these) beside the store's: names in both, and users
        of a policy who have the name of an account."""
        file = self._file if sections is None else {k: _named(k, sections.get(k, ())) for k in MODELS}
        found = [
            f"{kind} {name!r} is in the configuration and in the store: remove it from one of them"
            for kind in MODELS
            for name in sorted(file[kind].keys() & self._kept[kind].keys())
        ]
        owners: dict[str, str] = {}
        for name, settings in self._with_jids(file["account"]):
            for jid in settings.jids:
                if owners.setdefault(jid, name) != name:
                    found.append(
                        f"{jid} is a chat address of the accounts {owners[jid]!r} and {name!r}: remove one of them"
                    )
        lower = {name.lower() for name in (*file["account"], *self._kept["account"])}
        return found + [
            f"{name!r} is a user of the policies and an account: remove one of them"
            for name in sorted(lower & {*file["policy"], *self._kept["policy"]})
        ]

    # -- who there is

    def get(self, name: str) -> Entry | None:
        """The entry of exactly this account, or of the mail user with this address."""
        entry = self._made.get(name)
        if entry is not None:
            return entry
        settings = self.settings("account", name)
        if settings is None:
            return self._user(name)
        entry = self._made[name] = self._entry(settings)
        return entry

    def find(self, name: str) -> Account | None:
        """The account called exactly `name`, active or not; one that cannot be used when there was one until lately, or for a mail
        user whom no policy lets send (any more: who has logged in or is vouched for would else go on, without any limit)."""
        entry = self._made.get(name) or self.get(name)
        if entry is not None:
            return entry.account
        if name in self._gone:
            return Account(name, active=False, off="this account has been removed: ask the administrator")
        if address_of(name) is not None:
            return Account(name, active=False, off=f"no policy lets {name} send: ask the administrator")
        return None

    def of_jid(self, jid: str) -> str | None:
        """The account whose settings name this chat address (bare, in small letters), None for nobody's."""
        if self._jids is None:
            named = self._with_jids(self._file["account"])
            self._jids = {jid: name for name, settings in named for jid in settings.jids}
        return self._jids.get(jid)

    def emails(self) -> frozenset[str]:
        """The mail addresses of all accounts, in small letters."""
        if self._emails is None:
            file = [settings.email for settings in self._file["account"].values()]
            kept = [settings.get("email") for kind, _, settings in self.every_kept() if kind == "account"]
            self._emails = frozenset(email.lower() for email in (*file, *kept) if email)
        return self._emails

    def _with_jids(self, file: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """The accounts that may have chat addresses: those of the store only where their text says so, which is quick."""
        yield from file.items()
        for name, text in self._kept["account"].items():
            if '"jids"' in text and name not in file:
                settings = self._read("account", name, text)
                if settings is not None:
                    yield name, settings

    @property
    def by_policy(self) -> bool:
        """Whether there are policies."""
        return bool(self._file["policy"] or self._kept["policy"])

    def settings(self, kind: str, name: str) -> Any:
        """The settings with this name, None when there are none."""
        found = self._file[kind].get(name)
        if found is not None:
            return found
        text = self._kept[kind].get(name)
        return None if text is None else self._read(kind, name, text)

    def source(self, kind: str, name: str) -> str:
        """Where it is: configuration, store, or nowhere ("")."""
        if name in self._file[kind]:
            return "configuration"
        return "store" if name in self._kept[kind] else ""

    def kept(self, kind: str, name: str) -> dict[str, Any]:
        """What the store has of it, as it is written there."""
        found: dict[str, Any] = json.loads(self._kept[kind][name])
        return found

    def every_kept(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """All that the store has, as it is written there: kind, name, settings."""
        for kind, entries in self._kept.items():
            for name, text in entries.items():
                try:
                    yield kind, name, json.loads(text)
                except ValueError:
                    continue  # whoever needs it says so

    def names(self, kind: str) -> Iterator[str]:
        """All names of a kind, in order."""
        return iter(sorted({*self._file[kind], *self._kept[kind]}))

    def _read(self, kind: str, name: str, text: str) -> Any:
        try:
            return MODELS[kind].model_validate({**json.loads(text), NAMES[kind]: name})
        except (ValidationError, ValueError) as error:
            wrong = error.errors()[0]["msg"] if isinstance(error, ValidationError) else "no JSON"
            self.log.error(
                "the store's {kind} {name} cannot be used: {wrong}", kind=kind, name=name, wrong=wrong
            )
            return None

    # -- entries

    def _entry(self, settings: AccountSettings) -> Entry:
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
            max_parts_refuse=settings.max_parts_refuse,
            may_surge=settings.may_surge,
            callback=settings.callback,
            zone=self.zone,
        )
        return Entry(
            self._with_group(account),
            settings.password.get_secret_value(),
            Networks(settings.networks) if settings.networks else _EVERYWHERE,
            settings.demo or settings.user == "demo",
            sip_secret=settings.sip_secret.get_secret_value(),
        )

    def _with_group(self, account: Account) -> Account:
        if account.group is None:
            return account
        group = self.settings("group", account.group)
        off = ""
        if group is None:
            off = "the group of this account does not exist: ask the administrator"
            group = AccountGroupSettings(id=account.group)
        elif not group.active:
            off = "the group of this account is switched off: ask the administrator"
        expires = [day for day in (account.expires, group.expires) if day is not None]
        return replace(
            account,
            gateway=account.gateway or group.gateway,
            expires=min(expires) if expires else None,
            group_limit=group.monthly_limit,
            prepaid=account.prepaid or group.prepaid,
            payer=f"group:{group.id}" if group.prepaid else "",
            off=off,
        )

    def _user(self, name: str) -> Entry | None:
        """A mail user whom a policy lets send."""
        if not self.by_policy:
            return None
        address = address_of(name)
        if address is None:
            return None
        known = self._users.get(address[0])
        if known is None:
            account = self._folded.get(address[0], address[0])
            if self.source("account", account):  # it goes before the policy for its domain
                return self.get(account) if account != name else None
            known = self._by_policy(*address)
            if known is not None:
                while len(self._users) >= MOST_USERS:
                    del self._users[next(iter(self._users))]
                self._users[address[0]] = known
        return known

    def _by_policy(self, address: str, domain: str) -> Entry | None:
        policies = [self.settings("policy", who) for who in (address, domain, "*")]
        said = _first_of([one for one in policies if one is not None])
        if not said("access", False):
            return None
        own = policies[0]
        account = Account(
            name=address,
            gateway=said("gateway"),
            email=own.email if own is not None and own.email else address,
            phone=own.phone if own is not None else None,
            country=said("country"),
            monthly_limit=said("monthly_limit", 0),
            expires=said("expires"),
            group=said("group"),
            senders=tuple(said("senders", ())),
            text=said("text", "as_is"),
            prepaid=said("prepaid", False),
            max_parts_refuse=said("max_parts_refuse", 0),
            may_surge=said("may_surge", False),
            zone=self.zone,
        )
        password = own.password.get_secret_value() if own is not None else ""
        sip_secret = own.sip_secret.get_secret_value() if own is not None else ""
        return Entry(self._with_group(account), password, user=True, sip_secret=sip_secret)


class Mailboxes(Container[str]):
    """The mail addresses of accounts, as they are when somebody asks."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def __contains__(self, address: object) -> bool:
        return address in self._directory.emails()


def _named(kind: str, settings: Iterable[Any]) -> dict[str, Any]:
    return {getattr(one, NAMES[kind]): one for one in settings}


def _first_of(policies: list[Any]) -> Callable[..., Any]:
    def said(name: str, otherwise: Any = None) -> Any:
        return next((value for one in policies if (value := getattr(one, name)) is not None), otherwise)

    return said
