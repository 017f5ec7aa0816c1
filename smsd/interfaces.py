"""The promises between the rooms. Everything that plugs in provides one of these; `docs/architecture.rst` tells why.

Doors (`IFrontend`) turn a protocol into submissions; the dispatcher (`IDispatcher`) decides and commits; gateways
(`IGateway`) carry pieces and tell their outlet (`IOutlet`) when they can. A link is both at once. Each module in
`smsd.frontends`, `smsd.gateways` and `smsd.links` exports `Settings` (a pydantic model) and `make(settings, context)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from twisted.cred.portal import Portal
    from twisted.internet.defer import Deferred

    from smsd.values.address import Address
    from smsd.values.delivery import Accepted, NetworkReport, Piece
    from smsd.values.message import Content, Declined, Receipt, Recipient, Submission, Wants


@dataclass(frozen=True, slots=True)
class Session:
    """Who is at a door: the door's id, the account if somebody logged in, the peer's address, and the name that it gives itself
    (`host`: HELO), which proves nothing.

    `trusted` is true for peers in the door's `trusted_networks`, who may vouch for a sender (feature U5).
    """

    door: str
    account: str | None = None
    peer: str = ""
    trusted: bool = False
    host: str = ""


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a gateway can carry. `schemes`: address schemes; `parts`: True when one part goes at a time (a modem),
    False when the whole message does (a mail relay); `whole_text`: parts go one at a time, but a text goes whole (HTTP
    providers, feature G13); `binary`, `reports`, `sender`: whether it takes octets, gives
    delivery reports, lets us choose the sender; `national`: shift tables that may be used (3GPP TS 23.038 6.2.1.2)."""

    schemes: frozenset[str]
    parts: bool = False
    whole_text: bool = False
    binary: bool = False
    reports: bool = False
    sender: bool = False
    national: frozenset[int] = frozenset()
    reference_width: int = 8
    apart: bool = False  # each target is reached in a way of its own: that one does not answer says nothing of the others
    abreast: bool = False  # one target may have several at once (a program, a server): they need no order


@dataclass(frozen=True, slots=True)
class PartIn:
    """One SMS as it came from a network: its TPDU octets, and where it was found.

    `slot` is the memory and index on the SIM ("SM:3"), or "" for one handed over directly; slot and octets together
    are its identity, so that reading it again after a crash adds nothing.
    """

    gateway: str
    octets: bytes
    slot: str = ""


@dataclass(frozen=True, slots=True)
class MessageIn:
    """A whole message as another server or a provider handed it in (`/sms/deliver.html`). `id` is its transport's id. Where the
    provider hands in the parts of a long message one by one, `content` is part `seq` of `total`, and `join` is what they share.
    `at`: when the phone sent it, in milliseconds UTC, None when that is not known; `hops`: how often it was handed on before."""

    gateway: str
    sender: str
    content: Content
    own: str = ""
    id: str = ""
    join: str = ""
    seq: int = 1
    total: int = 1
    at: int | None = None
    hops: int = 0


class IDispatcher(Interface):
    """The one way in for every direction."""

    def vet(session: Session, recipient: Recipient) -> Deferred[None]:
        """Early and advisory: fires None, or fails with Refused when `submit` would certainly decline this recipient."""

    def submit(submission: Submission) -> Deferred[Receipt]:
        """Fires after the commit with an id or a refusal per recipient; fails with Refused only when nothing was taken
        (empty content, conflict of the idempotency key, store not available). What somebody writes in a chat or on a SIP phone
        may have no recipients: it is taken when it answers an alert that waits for it."""

    def record(submission: Submission, reason: str) -> Deferred[Receipt]:
        """Keep a message on record that is not sent, for a reason the operator can read (a robot's answer, feature I6);
        fires after the commit."""

    def bounce(submission: Submission, message: int, declined: Sequence[Declined]) -> Deferred[None]:
        """Tell the submission's ticket of recipients that were declined while others were taken as `message`, for doors
        that can only answer for all of them at once; fires after the commit. Asked again, it tells nobody twice."""


@dataclass(frozen=True, slots=True)
class MailIn:
    """A whole mail as a door took it, for an address that is no phone number. `sender` is the envelope's ("" for none),
    `from_` the address in From, `head` the header as it came. `text` is what the mail says, `sms` the same as this door makes an
    SMS of it; `titled`: the subject stands in front of that. `sent` is its Date (milliseconds), None without one; `size` counts
    octets. `scope` and `digest` (of what follows the header) belong to its idempotency key, together with `message_id`;
    without a scope it has none. `anonymous`: who has not logged in may send here."""

    session: Session
    sender: str
    text: str
    sms: str
    subject: str = ""
    message_id: str = ""
    from_: str = ""
    head: bytes = b""
    titled: bool = False
    sent: int | None = None
    size: int = 0
    attachments: int = 0
    scope: str = ""
    digest: bytes = b""
    anonymous: bool = False


@dataclass(frozen=True, slots=True)
class Posted:
    """What a postbox did with a mail: the ids of the messages made of it (at least one), how many recipients got one, and of
    how many."""

    messages: tuple[int, ...]
    queued: int
    total: int


class IPostOffice(Interface):
    """The addresses of this server that are no phone numbers: notifications, mailing lists, programs."""

    def find(local: str, domain: str, ours: bool) -> IPostbox | None:
        """What `local@domain` is, None when it is nothing here; `ours`: the domain (or its absence) means this server."""


class IPostbox(Interface):
    """One such address."""

    address = Attribute("The whole address (str).")

    def admit(session: Session, sender: str, anonymous: bool) -> Deferred[None]:
        """Early: fires None, or fails with Refused when a mail of this sender would be refused. `anonymous` as in MailIn."""

    def deliver(mail: MailIn) -> Deferred[Posted]:
        """Fires after the last commit; fails with Refused when nothing was taken, or when the rest has to wait and the mail may
        safely come again: what was taken before is known then, and is not sent twice."""


class IInbound(Interface):
    """What comes in from networks; both fire after the commit, so that the network may be told to forget it."""

    def part(incoming: PartIn) -> Deferred[int | None]:
        """Keep one SMS; fires with the message id when it (or the long message it completes) was accepted, None while parts
        are missing or for a repeat. Unreadable octets are kept, logged, and fire None."""

    def message(incoming: MessageIn) -> Deferred[int]:
        """Accept a whole incoming message; fires with its id (the same id for a repeat of `incoming.id`). A part of one is
        kept; fires with the id of the message that it completes, 0 while others are missing and for a repeat."""


class IOutlet(Interface):
    """What a gateway tells the queue. Every gateway gets its own."""

    def opened(slots: int) -> None:
        """The gateway can carry `slots` pieces at once, from now on."""

    def closed(reason: str) -> None:
        """It cannot, until it says `opened` again; pinned deliveries wait, others go elsewhere. Pieces on the wire are
        not called back: their Deferreds still have to fire or fail."""

    def back(target: Address) -> Deferred[None]:
        """Somebody who was away is there again: what waits for him to be tried again is tried now; fires after the commit."""

    def reported(report: NetworkReport) -> Deferred[bool]:
        """A delivery report arrived; fires after the commit, False when nothing is known under this reference (it is kept
        for a while, in case the answer to the submission comes later)."""


class IReports(Interface):
    """Where doors bring what networks say of messages that they took."""

    def reported(gateway: str, report: NetworkReport) -> Deferred[bool]:
        """A report for the gateway with this id, whether it runs or not; as `IOutlet.reported`."""


class ICallbacks(Interface):
    """Programs that are told by HTTP what becomes of messages: what doors need of them."""

    def way_back(
        account: str | None, named: str | None = None, events: Iterable[str] | None = None
    ) -> tuple[Address, Wants] | None:
        """Where reports and answers of an account's message go, and which; None for nowhere. `named`: the subscriber or URL
        that the sender wants; `events`: what he wants to hear. Raises Refused."""

    def fetch(account: str, named: str | None, cursor: str, limit: int) -> Deferred[tuple[list[Any], str]]:
        """Confirm what `cursor` stands for; fires after that commit with the next events (`smsd.codec.webhooks.Event`, oldest
        first) of the subscriber that this account may fetch, and the cursor that confirms those. Fails with Refused."""


class ICredit(Interface):
    """Balances, for doors that show them."""

    def shown(account: str) -> Deferred[str]:
        """What a prepaid account may still spend, as people read it ("12.50 EUR"); "" for one that is not prepaid."""


class IMemory(Interface):
    """Small durable facts of one gateway (a refused PIN, by the hash of its SIM; who has registered)."""

    def recall(key: str) -> Deferred[str | None]:
        """What was remembered, or None."""

    def everything(prefix: str = "") -> Deferred[dict[str, str]]:
        """All that was remembered under keys that begin so."""

    def remember(key: str, value: str | None) -> Deferred[None]:
        """Fires after the commit; None forgets."""


class IGateway(Interface):
    """Something that carries messages out. Also a twisted.application.service.IService. Keeps nothing durable, retries
    nothing, segments nothing. `startService` begins connecting; `stopService` lets what is on the wire finish."""

    name = Attribute("The id from the configuration (str).")
    abilities = Attribute("An Abilities value; constant over the gateway's life.")
    status = Attribute("One line for people: what it is doing now (str).")

    def send(piece: Piece) -> Deferred[Accepted]:
        """Carry one piece; fails with `smsd.values.delivery.Failure`. Called at most `slots` times at once."""


class IFrontend(Interface):
    """A door: also an IService; listens from startService to stopService. Holds no policy."""

    name = Attribute("The id from the configuration (str).")


class IAccount(Interface):
    """The cred avatar: who is logged in."""

    name = Attribute("The account's user name (str).")
    gateway = Attribute("The gateway id this account is bound to, or None.")
    email = Attribute("Where the account's reports go when the door knows nobody better, or None.")
    phone = Attribute("The account's phone number in international form, or None (%sender_phonealias%).")
    group = Attribute("The id of the account group it belongs to, or None.")
    senders = Attribute("Patterns of what it may call itself (tuple of str); none: what gateways allow.")
    text = Attribute("What is done to its texts: as_is, tidy or national.")
    prepaid = Attribute("Whether it pays before it sends (bool).")
    payer = Attribute("Whose balance it pays from (its group's); its own when empty (str).")
    max_parts_refuse = Attribute("Of how many SMS a text may be at most, before it is refused; 0: any (int).")


@dataclass(frozen=True, slots=True)
class GatewayContext:
    """What a gateway is given. `reactor` has IReactorTime, IReactorTCP and for serial lines IReactorFDSet."""

    reactor: Any
    outlet: Any  # IOutlet
    inbound: Any  # IInbound
    memory: Any  # IMemory
    server_name: str = "localhost"
    country: str | None = None
    postmaster: str = ""
    spool: Callable[[str], str] = str  # a writable path for a file of this gateway's own (conversation log)
    find_data: Callable[[str], str] = (
        str  # the path of a data file by name ("modems.yaml"), beside the configuration or installed
    )
    databases: Any = None  # smsd.core.databases.Databases: those of the configuration, by name
    find_account: Callable[[str], Any] = lambda name: (
        None
    )  # an account by name (IAccount's attributes), or None
    find_jid: Callable[[str], str | None] = lambda jid: (
        None
    )  # the name of the account whose settings name this bare JID, or None
    door: FrontendContext | None = None  # for a link that also takes messages from people, as a door does


@dataclass(frozen=True, slots=True)
class SourceContext:
    """What a password source is given."""

    reactor: Any
    server_name: str = "localhost"


@dataclass(frozen=True, slots=True)
class FrontendContext:
    """What a door is given. `portal` logs in `smsd.core.credentials.Login` credentials and gives IAccount avatars;
    `domains` are those whose local parts are phone numbers; `gateways` the ids that may be named after an @, `sms_gateways`
    those of them that texts to phones can be for;
    `deliver_pins` maps a gateway id to the PIN that `/sms/deliver.html` must show for it."""

    reactor: Any
    dispatcher: Any  # IDispatcher
    inbound: Any  # IInbound
    portal: Portal
    server_name: str = "localhost"
    domains: frozenset[str] = frozenset()
    gateways: frozenset[str] = frozenset()
    sms_gateways: frozenset[str] = frozenset()
    deliver_pins: dict[str, str] | None = None
    guessing: Any = None  # smsd.core.guessing.Guessing of the accounts, for secrets that are no account's
    country: str | None = None
    percent_logins: bool = False
    post_office: Any = None  # IPostOffice, or None
    reports: Any = None  # IReports
    providers: Any = (
        None  # smsd.core.provided.Provided of the gateways whose providers hand messages in, by id
    )
    callbacks: Any = None  # ICallbacks
    clerk: Any = None  # smsd.core.clerk.Clerk
    tokens: Any = None  # smsd.core.tokens.Tokens
    digests: Any = None  # smsd.core.accounts.digests.Digests
    credit: Any = None  # ICredit
    jobs: Any = None  # smsd.core.jobs.Jobs
    auditor: Any = None  # smsd.core.auditing.Auditor
    carries: Callable[..., bool] | None = None
    """carries(gateway, scheme="sms"): whether this gateway (None: any) carries SMS just now, or what the scheme stands for."""
