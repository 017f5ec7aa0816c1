"""Whose account a chat address has (features U2, U4).

In this order: who has registered with name and password (XEP-0077, XEP-0050; durable, until he or the account is gone), whom an
account's settings name (`jids`), and the users of `user_domains`, whom this chat server has logged in, as policies say. Nobody
else writes to phones. An account that is closed is refused however its address came to it. Owns the registrations and what
people prefer, knows no stanzas.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import Logger

from smsd.codec.jid import Jid
from smsd.core.accounts import Vouched
from smsd.core.credentials import Login
from smsd.interfaces import IAccount
from smsd.links.xmpp.link import Link
from smsd.values.address import masked
from smsd.values.errors import Reason, Refused

KEY = "jid:"
MOST = 50_000
"""Addresses that have registered or prefer something."""
MOST_OF_ONE = 100
"""Of them with one account."""
TRIES, TRIES_EVERY = 30, 60.0
"""Logins of one foreign domain within so many seconds: its server may make addresses as it likes, so that counting failures by
address, as for everybody, says nothing about it."""
MOST_DOMAINS = 1_000


@dataclass(frozen=True, slots=True)
class Known:
    """What is kept of one address. `account` is the one it registered with, "" for one that has its account otherwise; `gateway`
    and `sender` are what it prefers, "" for nothing."""

    account: str = ""
    gateway: str = ""
    sender: str = ""

    @classmethod
    def read(cls, text: str) -> Known | None:
        """As it is kept; None for what cannot be read."""
        try:
            found = json.loads(text)
            values = [found.get(name, "") for name in ("account", "gateway", "sender")]
        except (ValueError, AttributeError):
            return None
        return cls(*values) if all(isinstance(value, str) for value in values) else None

    @property
    def written(self) -> str | None:
        """For keeping; None when there is nothing to keep."""
        said = {name: value for name, value in asdict(self).items() if value}
        return json.dumps(said, ensure_ascii=False) if said else None


class People:
    """Knows the people of one link."""

    log = Logger()

    def __init__(self, link: Link) -> None:
        self._link = link
        self._known: dict[str, Known] = {}
        self._of: dict[str, dict[str, None]] = {}
        self._tries: dict[str, tuple[float, int]] = {}

    def start(self) -> Deferred[None]:
        """Learn who has registered; nothing is taken from people before this fires."""
        loaded: Deferred[Any] = self._link.context.memory.everything(KEY)
        return loaded.addCallback(self._load)

    def _load(self, kept: dict[str, str]) -> None:
        for key, text in kept.items():
            known = Known.read(text)
            if known is None:
                self.log.error(
                    "{gateway}: what is kept of {jid} cannot be read: it has to register again",
                    gateway=self._link.name,
                    jid=masked(key.removeprefix(KEY)),
                )
            elif known.account and self._link.context.find_account(known.account) is None:
                # Whoever gets the name of an account that is gone does not get its people.
                self.log.info(
                    "{gateway}: {jid} is not linked any more: there is no account {account}",
                    gateway=self._link.name, jid=masked(key.removeprefix(KEY)), account=known.account,
                )  # fmt: skip
                self._link.context.memory.remember(key, None).addErrback(self._not_forgotten)
            else:
                self._put(key.removeprefix(KEY), known)

    def _not_forgotten(self, failure: Any) -> None:
        self.log.error("{gateway}: {e}", gateway=self._link.name, e=failure.value)

    # -- who somebody is

    def account(self, jid: Jid) -> Deferred[IAccount]:
        """The account that pays for what this address writes; fails with Refused, whose text says how to get one. Fires at once
        where it is known already, so that messages stay in their order."""
        name = self.registered(jid) or self.configured(jid)
        if name:
            account = self._link.context.find_account(name)
            closed = "" if account is None else account.closed(self._link.context.reactor.seconds())
            if account is None:
                return fail(
                    Refused(
                        Reason.NOT_AUTHENTICATED,
                        f"the account {name}, which {jid.bare} was linked to, is gone: register again",
                    )
                )
            return fail(Refused(Reason.NOT_ALLOWED, closed)) if closed else succeed(account)
        door = self._link.context.door
        if jid.node and jid.domain in self._link.settings.user_domains and door is not None:
            asked: Deferred[Any] = door.portal.login(Vouched(jid.bare, jid.bare), None, IAccount)
            return asked.addCallbacks(self._himself, self._stranger, (jid,), {}, (jid,))
        return fail(self._nobody(jid))

    def _himself(self, found: tuple[Any, Any, Any], jid: Jid) -> Any:
        """The portal reads names as people type them (`%61nn` is ann); whom a chat server has logged in is who he is."""
        account = found[1]
        if account.name.lower() != jid.bare:
            raise self._nobody(jid)
        return account

    def _stranger(self, failure: Any, jid: Jid) -> Any:
        """What the portal says of names and passwords means nothing to somebody who has typed neither."""
        failure.trap(Refused)
        raise self._nobody(jid) if failure.value.reason is Reason.BAD_CREDENTIALS else failure.value

    def _nobody(self, jid: Jid) -> Refused:
        service = self._link.domains[0].name
        return Refused(
            Reason.NOT_AUTHENTICATED,
            f"{jid.bare} has no account here: register with {service} in your chat program, "
            "with the name and password of your SMS account, or ask the administrator",
        )

    def registered(self, jid: Jid) -> str:
        """The account that this address has registered with, closed or not; "" for none."""
        return self.preferences(jid).account

    def configured(self, jid: Jid) -> str:
        """The account whose settings name this address, "" for none."""
        return self._link.context.find_jid(jid.bare) or ""

    def jids(self, account: str) -> list[str]:
        """The addresses that have registered with an account, the oldest first."""
        return list(self._of.get(account, ()))

    def everybody(self) -> Iterator[str]:
        """All that have registered."""
        return iter([jid for jid, known in self._known.items() if known.account])

    # -- registering

    def check(self, jid: Jid, user: str, password: str) -> Deferred[IAccount]:
        """Log somebody in with the name and password of his account; fails with Refused."""
        door = self._link.context.door
        if door is None:
            return fail(Refused(Reason.UNAVAILABLE, "nobody can log in just now: try again later"))
        wait = self._wait(jid)
        if wait:
            return fail(Refused(Reason.SLOW_DOWN, wait))
        asked: Deferred[Any] = door.portal.login(Login(user, password, jid.bare), None, IAccount)
        return asked.addCallbacks(lambda found: found[1], self._unchecked, errbackArgs=(jid, user))

    def _unchecked(self, failure: Any, jid: Jid, user: str) -> Any:
        """Whoever tries things out with the sample's account has the right password, and would never find out why it does not
        do: nobody can tell where somebody chats from."""
        failure.trap(Refused)
        if user.lower() != "demo" or failure.value.reason is not Reason.BAD_CREDENTIALS:
            return failure
        raise Refused(
            Reason.BAD_CREDENTIALS,
            "demo is for this server's own machine, and a chat can come from anywhere: the administrator may write"
            f" jids: [{jid.bare}] below it",
        )

    def _wait(self, jid: Jid) -> str:
        """Why this address may not try now, "" when it may; counts the try."""
        if jid.domain in self._link.settings.user_domains:
            return ""
        now = self._link.context.reactor.seconds()
        domain = ".".join(jid.domain.split(".")[-2:])  # below it, its owner makes others as he likes
        since, tries = self._tries.pop(domain, (now, 0))
        if now - since >= TRIES_EVERY:
            since, tries = now, 0
        while len(self._tries) >= MOST_DOMAINS:
            del self._tries[next(iter(self._tries))]
        self._tries[domain] = (since, tries + 1)
        return f"too many logins from {domain}: try again in a minute" if tries >= TRIES else ""

    def link(self, jid: Jid, account: str) -> Deferred[None]:
        """From now on this address writes for `account`, which `check` gave; fires after the commit. Fails with Refused."""
        before = self.preferences(jid)
        if before.account != account and len(self._of.get(account, ())) >= MOST_OF_ONE:
            return fail(
                Refused(
                    Reason.OVER_LIMIT,
                    f"{MOST_OF_ONE} chat addresses are linked to the account {account}: unlink one of them first",
                )
            )
        kept = self._keep(jid, Known(account, before.gateway, before.sender))
        return kept.addCallback(lambda _: self._say(f"is linked to the account {account}", jid))

    def unlink(self, jid: Jid) -> Deferred[None]:
        """It writes for nobody any more, unless settings or policies say for whom; fires after the commit."""
        return self._keep(jid, Known()).addCallback(
            lambda _: self._say("is not linked to any account now", jid)
        )

    def _say(self, what: str, jid: Jid) -> None:
        self.log.info("{gateway}: {jid} {what}", gateway=self._link.name, jid=masked(jid.bare), what=what)

    # -- what somebody prefers

    def preferences(self, jid: Jid) -> Known:
        """What is kept of this address: nothing, for most."""
        return self._known.get(jid.bare, _NOBODY)

    def gateway(self, jid: Jid, account: Any) -> str | None:
        """The gateway that this address has chosen for what it writes; None when it has not, or may not use that any more."""
        chosen = self.preferences(jid).gateway
        return chosen if chosen and chosen in self.gateways(account) else None

    def sender(self, jid: Jid, account: Any) -> str | None:
        """The sender that it has chosen; None when it has not, or may not call itself so any more."""
        chosen = self.preferences(jid).sender
        return chosen if chosen and chosen in self.senders(account) else None

    def gateways(self, account: Any) -> list[str]:
        """Those that an account may choose: its own, which is one, or all that there are for texts."""
        if account.gateway:
            return [account.gateway]
        door = self._link.context.door
        return [] if door is None else sorted(door.sms_gateways)

    def senders(self, account: Any) -> list[str]:
        """The senders that an account may choose: those of its list that are no patterns."""
        return [one for one in account.senders if not one.endswith("*")]

    def prefer(self, jid: Jid, gateway: str | None = None, sender: str | None = None) -> Deferred[None]:
        """Keep what somebody prefers ("": nothing any more; None: as before); fires after the commit. Fails with Refused."""
        known = self.preferences(jid)
        if gateway is not None:
            known = replace(known, gateway=gateway)
        if sender is not None:
            known = replace(known, sender=sender)
        return self._keep(jid, known)

    # -- keeping

    def _keep(self, jid: Jid, known: Known) -> Deferred[None]:
        if len(self._known) >= MOST and jid.bare not in self._known and known.written is not None:
            self.log.error(
                "{gateway}: {n} chat addresses are known: nobody new can register",
                gateway=self._link.name, n=MOST,
            )  # fmt: skip
            return fail(Refused(Reason.OVER_LIMIT, "no more people can register here: ask the administrator"))
        kept: Deferred[None] = self._link.context.memory.remember(KEY + jid.bare, known.written)
        return kept.addCallback(lambda _: self._put(jid.bare, known))

    def _put(self, bare: str, known: Known) -> None:
        before = self._known.pop(bare, _NOBODY)
        if before.account:
            own = self._of[before.account]
            own.pop(bare, None)
            if not own:
                del self._of[before.account]
        if known.written is not None:
            self._known[bare] = known
        if known.account:
            self._of.setdefault(known.account, {})[bare] = None


_NOBODY = Known()
