"""What every address of the post office has: who may write to it, and the way from a mail to submissions.

`Postbox` is `IPostbox`; the three kinds say who may write (`_allowed`) and what is made of a mail (`_deliver`). A box is made
anew when the configuration is read and never changes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import implementer

from smsd.codec.mail import headers
from smsd.core.networks import Networks
from smsd.core.postoffice.members import Here, Member, MembersFile, Roster, read
from smsd.core.postoffice.paying import Payer, Paying
from smsd.core.postoffice.sending import Errand, Share, send
from smsd.core.postoffice.settings import SENDER, PostboxSettings
from smsd.interfaces import IPostbox, MailIn, Posted, Session
from smsd.values.address import Address
from smsd.values.errors import Reason, Refused
from smsd.values.message import Content, Parameters, Recipient, Text, Ticket

MOST_LOOPS = 8
MOST_VETTED = 500

LOG_IN = "authentication required: log in (AUTH) to write to this address"


@dataclass(frozen=True, slots=True)
class Desk:
    """What boxes work with. `now` gives Unix milliseconds, `in_thread` runs what takes long, `whole` completes an address,
    `postmaster` hears what nobody else does."""

    dispatcher: Any
    accounts: Any
    paying: Paying
    here: Here
    now: Callable[[], int]
    in_thread: Callable[..., Deferred[Any]]
    whole: Callable[[str], str]
    postmaster: str
    zone: tzinfo | None = None


@implementer(IPostbox)
class Postbox:
    """See `IPostbox`."""

    log = Logger()
    settings: PostboxSettings

    def __init__(self, settings: Any, desk: Desk) -> None:
        self.settings = settings
        self.desk = desk
        self.address = desk.whole(settings.address)
        self.owner = settings.owner or desk.postmaster
        self._networks = Networks(settings.networks)

    def admit(self, session: Session, sender: str, anonymous: bool) -> Deferred[None]:
        """See `IPostbox`."""
        return Deferred.fromCoroutine(self._admit(session, sender, anonymous))

    def deliver(self, mail: MailIn) -> Deferred[Posted]:
        """See `IPostbox`."""
        return Deferred.fromCoroutine(self._take(mail))

    async def _admit(self, session: Session, sender: str, anonymous: bool) -> None:
        if not self.settings.active:
            raise Refused(Reason.NOT_ALLOWED, f"{self.address} is switched off")
        refusal = self._allowed(session, sender, anonymous) or await self._reachable(session, anonymous)
        if refusal is not None:
            raise refusal

    def _allowed(self, session: Session, sender: str, anonymous: bool) -> Refused | None:
        """Why this sender may not write; None when it may."""
        raise NotImplementedError

    async def _reachable(self, session: Session, anonymous: bool) -> Refused | None:
        """Why a mail would certainly reach nobody; None when it may reach somebody."""
        raise NotImplementedError

    async def _deliver(self, mail: MailIn) -> Posted:
        raise NotImplementedError

    async def _take(self, mail: MailIn) -> Posted:
        been = loops(mail)
        if self.address.lower() in map(str.lower, been) or len(been) > MOST_LOOPS:
            raise Refused(Reason.NOT_ALLOWED, f"mail loop: this mail has been at {self.address} before")
        return await self._deliver(mail)

    def errand(self, mail: MailIn) -> Errand:
        """The mail on its way: reports and answers go to the owner, or where `reply_to` says."""
        reply_to = getattr(self.settings, "reply_to", None) or self.owner
        if reply_to == SENDER:
            reply_to = mail.sender
        ticket = Ticket(
            Address("mailto", reply_to), message_id=mail.message_id, subject=mail.subject, full=False
        )
        return Errand(mail, self.address, self.owner, ticket)


def loops(mail: MailIn) -> tuple[str, ...]:
    """The addresses that a mail has come through."""
    return tuple(
        value.strip() for name, value in headers.all_fields(mail.head) if name.lower() == "x-loop" and value
    )


def notice_of_attachments(mail: MailIn) -> str:
    """What a mailbox is told of what it does not get."""
    if not mail.attachments:
        return ""
    some = "1 attachment was" if mail.attachments == 1 else f"{mail.attachments} attachments were"
    return f"\n\n[{some} not passed on]"


class Sending(Postbox):
    """A box whose mail goes to members: notifications and lists."""

    def __init__(self, settings: Any, desk: Desk, members: list[str], path: str | None = None) -> None:
        super().__init__(settings, desk)
        self._maxmsgs: int = settings.maxmsgs
        self._written = tuple(read(text, desk.here) for text in members)
        self._file = None if path is None else MembersFile(path, desk.here, desk.in_thread)
        self._roster: tuple[int, Roster] | None = None

    async def roster(self) -> Roster:
        """Who the members are at this moment."""
        more: tuple[Member, ...] = () if self._file is None else await self._file.members()
        version = 0 if self._file is None else self._file.version
        if self._roster is None or self._roster[0] != version:
            self._roster = (version, Roster.of((*self._written, *more), self.desk.here.country))
        return self._roster[1]

    def payer(self, session: Session, anonymous: bool) -> Payer:
        """Who pays for members that pay nothing themselves."""
        account = self.settings.account or session.account
        return Payer(account, anonymous and account is None)

    def parameters(self, own: Parameters) -> Parameters:
        """A member's parameters, with this box's `maxmsgs` where the member says nothing."""
        return own if own.max_parts is not None else replace(own, max_parts=self._maxmsgs)

    async def _reachable(self, session: Session, anonymous: bool) -> Refused | None:
        roster, payer = await self.roster(), self.payer(session, anonymous)
        refusal = await self.desk.paying.refusal(roster, payer)
        if refusal is None and not roster.others:
            refusal = await self._vet(roster, payer, session)
        if refusal is None:
            return None
        self.log.warn("{box}: nobody can be reached: {why}", box=self.address, why=refusal.text)
        if refusal.reason is Reason.NOT_AUTHENTICATED:
            return Refused(refusal.reason, LOG_IN)
        return Refused(
            Reason.NOT_ALLOWED,
            f"{self.address}: nobody can be reached; the owner of this address has to see to it",
        )

    async def _vet(self, roster: Roster, payer: Payer, session: Session) -> Refused | None:
        """Why nothing could be sent to any number: none is one, no gateway carries it; None when something can."""
        shares = await self.desk.paying.share(
            Roster(roster.members[:MOST_VETTED], roster.logins), payer, self.parameters
        )
        found: Refused | None = None
        for account, recipients in shares.phones.items():
            as_account = Session(session.door, account, session.peer, session.trusted, session.host)
            for one in recipients:
                try:
                    await self.desk.dispatcher.vet(as_account, one)
                except Refused as refusal:
                    found = found or refusal
                else:
                    return None
        return None if len(roster.members) > MOST_VETTED else found

    async def send(
        self, mail: MailIn, sms: Content, text: str, headers: tuple[tuple[str, str], ...], subject: str
    ) -> Posted:
        """To all members: `sms` to phones; `text` with these further `headers` to mailboxes."""
        payer = self.payer(mail.session, mail.anonymous)
        shares = await self.desk.paying.share(await self.roster(), payer, self.parameters)
        told = (
            *headers,
            ("list", self.address),
            ("owner", self.owner),
            ("writer", mail.from_ or mail.sender),
            ("loop", " ".join(loops(mail))),
        )
        errand = self.errand(replace(mail, subject=subject))
        parts = [Share(account, phones, sms, "sms") for account, phones in shares.phones.items()]
        if shares.mailboxes:
            parts.append(Share(None, unique(shares.mailboxes), Text(text), "mail", told))
        return await send(self.desk.dispatcher, errand, parts, shares.declined)


def unique(recipients: list[Recipient]) -> list[Recipient]:
    """Each mailbox once: an account's may be a member by itself too."""
    return list({one.address.target.lower(): one for one in recipients}.values())
