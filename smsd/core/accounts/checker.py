"""Logins: a cred portal, checker and realm over the accounts there are (features U4, U5).

Every door asks the portal with one of two credentials: `Vouched`, the user of a session that a trusted peer answers for, or
`Login`, a name and a password: a mail user's by policy, or an account's. Order of a login: the name as S4 reads it, the guessing
locks, the password (never on the reactor; a mail user's may be known to a source outside), then whether the account may be used
from there and today. Strangers get one answer for everything; only the right
password learns that an account is closed. Logged are names of accounts that exist, never a password. How many
messages an account may send is counted elsewhere.
"""

from __future__ import annotations

import hmac
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import ICredentials, IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import IRealm, Portal
from twisted.internet.defer import Deferred, DeferredLock, fail, succeed
from twisted.logger import Logger
from zope.interface import implementer

from smsd.codec.smsuri import login_names
from smsd.core.accounts.directory import Directory, Entry
from smsd.core.accounts.settings import AccountSettings
from smsd.core.credentials import Login
from smsd.core.digests import Secret, read_secret
from smsd.core.guessing import Guessing, origin
from smsd.core.passwords import LONGEST, NOBODY, TooBusy, Verifier, is_hash
from smsd.interfaces import IAccount
from smsd.values.account import Account
from smsd.values.errors import Reason, Refused

_log = Logger()
_MOST_WAITING = 200
"""Logins of one address that wait for each other."""
_PATIENCE = 30.0
"""Seconds that one of them waits for its turn, when a source answers slowly."""


class Denied(Refused, UnauthorizedLogin):
    """A login that is not let in, for doors (Refused) and for cred (UnauthorizedLogin); `wait`: for so many seconds."""

    def __init__(self, reason: Reason, text: str, wait: int | None = None) -> None:
        super().__init__(reason, text)
        self.wait = wait


class IVouched(ICredentials):
    """A user whom a trusted peer vouches for (feature U5). Only doors that checked the peer may make one."""


@implementer(IVouched)
class Vouched:
    """`authenticated=1` from a trusted network: a name without a password."""

    def __init__(self, username: str, peer: str) -> None:
        self.username = username
        self.peer = peer


class Source(Protocol):
    """Something that knows passwords of mail users: a directory, a mail server. It limits its own time and number. `name` is its
    id, `status` one line for people."""

    name: str

    @property
    def status(self) -> str:
        """How it is."""

    def serves(self, name: str) -> bool:
        """Whether it is to be asked for this mail user."""

    def stop(self) -> None:
        """Give up what is under way, for good."""

    def check(self, name: str, password: str, peer: str) -> Deferred[bool]:
        """Whether this is the user's password; `peer` is the address that he logs in from. Fails with `Denied` (SLOW_DOWN) when
        that cannot be known now."""


def _stranger() -> Denied:
    return Denied(Reason.BAD_CREDENTIALS, "unknown user or wrong password")


class _QuickPortal(Portal):
    """A portal whose one checker is its realm: what is known at once is answered at once, for half of what the general way
    through twisted.cred costs. Every message that comes with a password asks."""

    def __init__(self, accounts: Accounts) -> None:
        super().__init__(accounts, [accounts])
        self._accounts = accounts

    @property
    def by_policy(self) -> bool:
        """Whether policies say which users of mail may send; if not, a trusted peer may answer for whom it likes."""
        return self._accounts.directory.by_policy

    def login(self, credentials: Any, mind: Any, *interfaces: Any) -> Deferred[Any]:
        """See twisted.cred.portal.Portal."""
        if IAccount not in interfaces or not isinstance(credentials, (Login, Vouched)):
            refused: Deferred[Any] = super().login(credentials, mind, *interfaces)
            return refused
        try:
            name = self._accounts.requestAvatarId(credentials)
        except Denied:
            return fail()
        if isinstance(name, Deferred):
            return name.addCallback(self._accounts.requestAvatar, mind, *interfaces)
        return succeed(self._accounts.requestAvatar(name, mind, *interfaces))


@implementer(ICredentialsChecker, IRealm)
class Accounts:
    """The accounts, their checker and their realm. `portal` logs in `Login` and `Vouched`, and fails with
    `Denied`. `sources` are asked, one after the other, for passwords of mail users that no policy has.

    `run` replaces the thread pool in tests (see `Verifier`).
    """

    credentialInterfaces = (IUsernamePassword, IVouched)

    def __init__(
        self,
        settings: Iterable[AccountSettings],
        reactor: Any,
        percent_logins: bool = False,
        run: Callable[..., Deferred[bool]] | None = None,
        directory: Directory | None = None,
        sources: Sequence[Source] = (),
    ) -> None:
        self.directory = Directory() if directory is None else directory
        self._sources = tuple(sources)
        self._reactor = reactor
        self._percent = percent_logins
        self._verifier = Verifier(reactor, run)
        self.guessing = Guessing()
        self._lines: dict[str, DeferredLock] = {}
        self.portal = _QuickPortal(self)
        self.replace(settings)

    def replace(
        self, settings: Iterable[AccountSettings], groups: Iterable[Any] = (), policies: Iterable[Any] = ()
    ) -> None:
        """The accounts, account groups and policies of a configuration read again; everything verified so far is forgotten,
        failures are not."""
        self.directory.use({"account": settings, "group": groups, "policy": policies})
        self._verifier.forget()

    @property
    def sources(self) -> tuple[Source, ...]:
        """Those that are asked."""
        return self._sources

    def ask(self, sources: Sequence[Source]) -> None:
        """Ask these from now on, in this order; what those before have said is forgotten."""
        before, self._sources = self._sources, tuple(sources)
        for source in before:
            source.stop()
        self._verifier.forget()

    def find(self, name: str) -> Account | None:
        """The account called exactly `name`, active or not."""
        return self.directory.find(name)

    def stop(self) -> None:
        """End the threads that verify passwords, and what sources are asked."""
        self.ask(())
        self._verifier.stop()

    def requestAvatar(self, avatarId: Any, mind: object, *interfaces: Any) -> Any:
        """IRealm: the account of a name that has just been checked."""
        if IAccount not in interfaces:
            raise NotImplementedError("accounts are IAccount and nothing else")
        entry = self.directory.get(avatarId)
        assert entry is not None, "a name that has just been checked"
        return IAccount, entry.account, _nothing

    def requestAvatarId(self, credentials: Any) -> Any:
        """ICredentialsChecker: the account's name, or Denied; at once when it was verified lately."""
        peer = getattr(credentials, "peer", "")
        name, entry = self._look_up(credentials.username)
        if isinstance(credentials, Vouched):
            if entry is None:
                raise _stranger()
            return self._admit(entry, peer)
        return self._check(name, entry, credentials.password, peer)

    def _look_up(self, username: str) -> tuple[str, Entry | None]:
        entry = self.directory.get(username)
        if entry is not None:
            return entry.account.name, entry
        for name in login_names(username[:512], self._percent):
            entry = self.directory.get(name)
            if entry is not None:
                return entry.account.name, entry
        return username[:128], None

    def _check(self, name: str, entry: Entry | None, password: str, peer: str) -> Any:
        now = self._reactor.seconds()
        self._slow_down(name, peer, now)
        if entry is not None and not entry.password and peer in entry.networks:
            return self._admit(entry, peer)
        try:
            mark = self._verifier.mark(name, password, _known_by(entry))
        except UnicodeEncodeError:
            raise _stranger() from None
        known = self._verifier.known(mark)
        if known is not None:
            return self._decided(known, name, entry, peer)
        address = origin(peer)
        line = self._lines.get(address)
        if line is None:
            line = self._lines[address] = DeferredLock()
        elif len(line.waiting) >= _MOST_WAITING:
            raise Denied(Reason.SLOW_DOWN, "too many logins from your address at once: try again in a minute")
        # One after the other per address, so that many guesses at the same time are counted like many in a row.
        asked = line.run(self._verify, name, entry, mark, password, peer, now)
        return asked.addBoth(self._left, address, line)

    def _left(self, result: Any, address: str, line: DeferredLock) -> Any:
        if not line.locked and not line.waiting and self._lines.get(address) is line:
            del self._lines[address]
        return result

    def _verify(
        self, name: str, entry: Entry | None, mark: bytes, password: str, peer: str, since: float
    ) -> Any:
        now = self._reactor.seconds()
        self._slow_down(name, peer, now)
        known = self._verifier.known(mark)
        if known is not None:
            return self._decided(known, name, entry, peer)
        if now - since > _PATIENCE:
            raise Denied(Reason.SLOW_DOWN, "too many logins at once: try again in a minute")
        hashed = NOBODY
        if entry is not None and entry.password and len(password) <= LONGEST:
            if entry.demo and not is_hash(entry.password):
                right = hmac.compare_digest(entry.password.encode(), password.encode())
                self._verifier.remember(mark, right)
                return self._found(right, name, entry, peer)
            hashed = entry.password
        elif entry is not None and entry.user and len(password) <= LONGEST and self._asked_for(name):
            asked = self._verifier.ask(
                mark, lambda: Deferred.fromCoroutine(self._ask_sources(name, password, peer))
            )
            return asked.addCallbacks(self._found, _busy, callbackArgs=(name, entry, peer))
        verified = self._verifier.verify(mark, hashed, password)
        return verified.addCallbacks(
            lambda right: self._found(right and hashed is not NOBODY, name, entry, peer), _busy
        )

    def _asked_for(self, name: str) -> bool:
        return any(source.serves(name) for source in self._sources)

    async def _ask_sources(self, name: str, password: str, peer: str) -> bool:
        sources, away = self._sources, None
        right = wrong = False
        for source in sources:
            if not source.serves(name):
                continue
            try:
                right = await source.check(name, password, peer)
                wrong = wrong or not right
            except Denied as error:
                away = error  # the next one may know
            if right:
                break
        if sources is not self._sources:
            raise Denied(Reason.SLOW_DOWN, "who knows passwords has just changed: try again")
        if away is not None and not right:
            if wrong:  # else whoever guesses could do so undisturbed while one of them is away
                self.guessing.failed(peer, name, self._reactor.seconds())
            raise away
        return right

    def _found(self, right: bool, name: str, entry: Entry | None, peer: str) -> str:
        """A fresh answer: failures count."""
        if entry is not None and not _same(entry, self.directory.get(name)):
            raise Denied(Reason.SLOW_DOWN, "the accounts have just changed: try again")
        if not right:
            outside = entry is not None and not entry.reachable_from(peer)
            self.guessing.failed(peer, name, self._reactor.seconds(), outside)
            _log.info(
                "login refused: wrong password for {account}, from {peer}",
                account=name if entry is not None else "an unknown user",
                peer=peer,
            )
        return self._decided(right, name, entry, peer)

    def digest_secret(self, user: str, realm: str, peer: str) -> Secret | None:
        """See `smsd.core.accounts.digests.Digests`."""
        name, entry = self._look_up(user)
        self._slow_down(name, peer, self._reactor.seconds())
        if entry is None or not entry.sip_secret:
            return None
        secret = read_secret(entry.sip_secret)
        return secret if secret.realm.lower() == realm.lower() else None

    def digest_shown(self, user: str, peer: str, right: bool) -> Account:
        """See `smsd.core.accounts.digests.Digests`."""
        name, entry = self._look_up(user)
        account = self.directory.find(self._found(right, name, entry, peer))
        assert account is not None, "a name that has just been checked"
        return account

    def _decided(self, right: bool, name: str, entry: Entry | None, peer: str) -> str:
        if not right or entry is None:
            raise _stranger()
        self.guessing.succeeded(peer, name, self._reactor.seconds())
        return self._admit(entry, peer)

    def _admit(self, entry: Entry, peer: str) -> str:
        account = entry.account
        if not entry.reachable_from(peer):
            _log.warn("login refused: {account} may not be used from {peer}", account=account.name, peer=peer)
            raise _stranger()
        closed = account.closed(self._reactor.seconds())
        if closed is not None:
            _log.warn(
                "login refused: {account} from {peer}: {closed}",
                account=account.name,
                peer=peer,
                closed=closed,
            )
            raise Denied(Reason.NOT_ALLOWED, closed)
        return account.name

    def _slow_down(self, name: str, peer: str, now: float) -> None:
        wait = self.guessing.wait(peer, name, now)
        if wait > 0:
            _log.debug("login put off for {wait} s, from {peer}", wait=wait, peer=peer)
            seconds = math.ceil(wait)
            raise Denied(Reason.SLOW_DOWN, f"too many wrong passwords: try again in {seconds} s", seconds)


def _known_by(entry: Entry | None) -> str:
    """Whose answer is remembered: what was no stranger's password may be right once a policy lets him send."""
    if entry is None:
        return ""
    return "outside" if entry.user and not entry.password else entry.password


def _same(entry: Entry, now: Entry | None) -> bool:
    return now is entry or (
        now is not None
        and (now.account, now.password, now.sip_secret) == (entry.account, entry.password, entry.sip_secret)
    )


def _busy(failure: Any) -> Any:
    failure.trap(TooBusy)
    raise Denied(Reason.SLOW_DOWN, "too many logins at once: try again in a minute")


def _nothing() -> None:
    """Nothing to do at logout."""
