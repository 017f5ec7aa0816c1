"""What doors are tested against: a dispatcher, an inbound side and a portal that hold nothing but what they
were told.

They keep the promises of `smsd.interfaces` (and are verified against them in `test_fakes`), answer at once
unless told to hold, and record their calls in lists.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from zope.interface import Interface, implementer

from smsd.core.accounts import Vouched
from smsd.core.credentials import Login
from smsd.interfaces import FrontendContext, IAccount, IDispatcher, IInbound, MessageIn, PartIn, Session
from smsd.values.errors import Reason, Refused
from smsd.values.message import Declined, Queued, Receipt, Recipient, Submission


@implementer(IDispatcher)
class FakeDispatcher:
    """Takes everything, except the targets in `refusals` (as typed: `"+1555"` → Refused).

    `failure` makes `submit` fail as a whole; with `holding` its answers wait for `release()`. `notes` go to
    every recipient, `replayed` marks the receipt. Delivery ids count from 1001, message ids from 1.
    """

    def __init__(self) -> None:
        self.submissions: list[Submission] = []
        self.recorded: list[tuple[Submission, str]] = []
        self.bounced: list[tuple[int, str]] = []
        self.vetted: list[tuple[Session, Recipient]] = []
        self.refusals: dict[str, Refused] = {}
        self.failure: Exception | None = None
        self.holding = False
        self.parts = 1
        self.notes: tuple[str, ...] = ()
        self.replayed = False
        self._waiting: list[tuple[Deferred[Receipt], Receipt]] = []
        self._delivery = 1000

    def vet(self, session: Session, recipient: Recipient) -> Deferred[None]:
        self.vetted.append((session, recipient))
        refusal = self.refusals.get(recipient.address.target)
        return succeed(None) if refusal is None else fail(refusal)

    def submit(self, submission: Submission) -> Deferred[Receipt]:
        self.submissions.append(submission)
        if self.failure is not None:
            return fail(self.failure)
        receipt = Receipt(len(self.submissions), tuple(map(self._fate, submission.recipients)), self.replayed)
        if not self.holding:
            return succeed(receipt)
        answer: Deferred[Receipt] = Deferred()
        self._waiting.append((answer, receipt))
        return answer

    def _fate(self, recipient: Recipient) -> Queued | Declined:
        target = recipient.address.target
        refusal = self.refusals.get(target)
        if refusal is not None:
            return Declined(recipient.typed or target, refusal)
        self._delivery += 1
        return Queued(self._delivery, target, self.parts, "gsm7", self.notes)

    def record(self, submission: Submission, reason: str) -> Deferred[Receipt]:
        self.recorded.append((submission, reason))
        return succeed(Receipt(0))

    def bounce(self, submission: Submission, message: int, declined: Sequence[Declined]) -> Deferred[None]:
        self.bounced += [(message, one.typed) for one in declined]
        return succeed(None)

    def release(self) -> None:
        """Answer everything that was held, in order."""
        waiting, self._waiting = self._waiting, []
        for answer, receipt in waiting:
            answer.callback(receipt)


@implementer(IInbound)
class FakeInbound:
    """Takes what comes in; the same `MessageIn.id` (unless empty) has the same message id. `failure`
    refuses."""

    def __init__(self) -> None:
        self.parts: list[PartIn] = []
        self.messages: list[MessageIn] = []
        self.failure: Exception | None = None
        self._known: dict[tuple[str, str], int] = {}

    def part(self, incoming: PartIn) -> Deferred[int | None]:
        self.parts.append(incoming)
        return succeed(len(self.parts)) if self.failure is None else fail(self.failure)

    def message(self, incoming: MessageIn) -> Deferred[int]:
        if self.failure is not None:
            return fail(self.failure)
        known = self._known.get((incoming.gateway, incoming.id)) if incoming.id else None
        if known is not None:
            return succeed(known)
        self.messages.append(incoming)
        self._known[incoming.gateway, incoming.id] = len(self.messages)
        return succeed(len(self.messages))


@implementer(IAccount)
@dataclass(frozen=True)
class FakeAccount:
    """An avatar."""

    name: str
    gateway: str | None = None
    email: str | None = None
    phone: str | None = None
    group: str | None = None
    senders: tuple[str, ...] = ()
    text: str = "as_is"
    prepaid: bool = False
    payer: str = ""
    max_parts_refuse: int = 0


class FakeAccounts:
    """Realm and checker: `passwords` maps user to password, `avatars` may replace the plain FakeAccount of a
    user.

    `logins` records (user, password, peer); with `holding` a login waits for `release()`; `refusal` fails
    every login.
    """

    def __init__(self, passwords: dict[str, str]) -> None:
        self.passwords = passwords
        self.avatars: dict[str, FakeAccount] = {}
        self.logins: list[tuple[str, str, str]] = []
        self.refusal: Exception | None = None
        self.holding = False
        self._waiting: list[tuple[Deferred[Any], Login | Vouched]] = []

    def login(
        self, credentials: Login | Vouched, mind: object, *interfaces: type[Interface]
    ) -> Deferred[Any]:
        """The same promise as Portal.login."""
        assert interfaces == (IAccount,), interfaces
        password = getattr(credentials, "password", "(vouched)")
        self.logins.append((credentials.username, password, credentials.peer))
        if not self.holding:
            return self._answer(credentials)
        answer: Deferred[Any] = Deferred()
        self._waiting.append((answer, credentials))
        return answer

    def _answer(self, credentials: Login | Vouched) -> Deferred[Any]:
        if self.refusal is not None:
            return fail(self.refusal)
        vouched = isinstance(credentials, Vouched) and credentials.username in self.passwords
        if not vouched and self.passwords.get(credentials.username) != getattr(credentials, "password", 0):
            return fail(UnauthorizedLogin("unknown user or wrong password"))
        avatar = self.avatars.get(credentials.username, FakeAccount(credentials.username))
        return succeed((IAccount, avatar, lambda: None))

    def release(self) -> None:
        """Answer every login that was held."""
        waiting, self._waiting = self._waiting, []
        for answer, credentials in waiting:
            self._answer(credentials).chainDeferred(answer)


def context(**changes: Any) -> FrontendContext:
    """A door's context of fakes: account john/johnpw, gateways gw1 and HTTP, PIN 1234 for HTTP, domain
    sms.example.

    Reach the fakes as `.dispatcher`, `.inbound`, `.portal` (FakeAccounts) and `.reactor` (Clock).
    """
    settings: dict[str, Any] = {
        "reactor": Clock(),
        "dispatcher": FakeDispatcher(),
        "inbound": FakeInbound(),
        "portal": FakeAccounts({"john": "johnpw"}),
        "server_name": "sms.example",
        "domains": frozenset({"sms.example"}),
        "gateways": frozenset({"gw1", "HTTP"}),
        "deliver_pins": {"HTTP": "1234"},
        **changes,
    }
    return FrontendContext(**settings)


def refused(reason: Reason, text: str = "no") -> Refused:
    """A refusal for `FakeDispatcher.refusals` and `.failure`."""
    return Refused(reason, text)
