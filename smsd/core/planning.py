"""From a submission to what will be written: numbers normalised, gateways chosen, texts segmented, deadlines set.

Nothing here waits: a plan is made in one go from the configuration and what the queue knows, and the store writes it as it is.
What cannot be sent is declined here, per recipient, with a reason for the person who sent it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone, tzinfo

from smsd.codec import segment, udh
from smsd.codec.dcs import Alphabet, Dcs
from smsd.codec.number import normalise
from smsd.core import fitting
from smsd.core.carriers import Carriers, Slots, check_sender, find_route, pinned
from smsd.core.subscribers import flow as whose
from smsd.policy import charge as charges
from smsd.policy import route as routes
from smsd.policy.alert import DOOR as ALERT
from smsd.policy.step import MINUTE
from smsd.store.digests import DOOR as DIGEST
from smsd.store.ids import Ids
from smsd.values.account import Account
from smsd.values.address import Address
from smsd.values.delivery import State
from smsd.values.errors import InvalidValue, Reason, Refused
from smsd.values.message import Binary, Content, Declined, Parameters, Recipient, Submission, Text, Wants
from smsd.values.plan import Acceptance, Charge, Limit, Planned

ENCODINGS = {Alphabet.GSM7: "GSM-7", Alphabet.OCTETS: "8-bit", Alphabet.UCS2: "UCS-2"}
KEY_LIFE = 24 * 60 * MINUTE
_DELAY, _FAILURE = int(Wants.DELAY), int(Wants.FAILURE)
_DELIVERY = int(Wants.SUCCESS | Wants.BUFFERED)  # flags of the enum module cost a microsecond each
MOST_RECIPIENTS = 500
LATER = (ALERT, DIGEST)
"""Doors of what is made later of messages that were accepted: it leaves whatever their account may be refused since then, for
nobody is there any more to hear of it."""


@dataclass(frozen=True, slots=True)
class Policies:
    """The numbers that planning goes by. `warn_minutes` 0 never warns. `reports`: `wanted` asks networks for reports
    only when a sender wants to hear of delivery, `failures` also when one wants to hear of failures, `always` for every
    message."""

    expire_minutes: int = 7200
    warn_minutes: int = 240
    country: str | None = None
    reports: str = "wanted"
    max_parts: int = 255


class Planner:
    """Makes acceptances. `now` gives Unix milliseconds, `find_account` an account by name or None. `redirect` may name a program
    instead of a mail address that is one's, and knows the gateways of programs that are told by HTTP."""

    def __init__(
        self, ids: Ids, now: Callable[[], int], slots: Slots, find_account: Callable[[str], Account | None]
    ) -> None:
        self._ids = ids
        self._now = now
        self._slots = slots
        self._find_account = find_account
        self._reference = ids.next() & 0xFFFF
        self._period = ("", 0)
        self.zone: tzinfo = timezone.utc
        self._ways: list[routes.Way] | None = None
        self._carriers: dict[tuple[str, tuple[str, ...], str | None], Carriers] = {}
        self._normalised: tuple[Address | None, str | None, Address] = (None, None, Address("sms", "0"))
        self.policies = Policies()
        self.tariffs = charges.Tariffs()
        self.texts: Mapping[str, str] = {}  # doors' policies, where accounts have none
        self.redirect: Callable[[Submission, Recipient], Recipient] | None = None

    def plan(
        self, submission: Submission, parent: int | None = None, *, reserve: bool = True, trace: str = ""
    ) -> Acceptance:
        """The plan for a submission; Refused when nothing of it can be taken at all (empty, unknown account). `trace` is how the
        rules came to it where they left its one recipient as it was."""
        now = self._now()
        content = submission.content
        if isinstance(content, Text) and not content.text and not _rewritten(submission):
            raise Refused(Reason.EMPTY, "the message is empty: write a text")
        if len(submission.recipients) > MOST_RECIPIENTS:
            raise Refused(
                Reason.TOO_MANY_RECIPIENTS,
                f"at most {MOST_RECIPIENTS} recipients per message: send it in several",
            )
        # A report is told about an account's message; it is not one of them.
        own = submission.account and submission.door != "notice"
        account = self._find_account(submission.account) if submission.account and own else None
        if account is not None and parent is None and (closed := account.closed(now / 1000)):
            raise Refused(Reason.NOT_ALLOWED, closed)  # since whoever sends this has logged in
        one = _OneMessage(self, submission, account, now, trace)
        order = tuple(one.recipient(recipient, reserve) for recipient in submission.recipients)
        limit = None if account is None else self.limit(account, now)
        made = Acceptance(
            submission.number or self._ids.next(), submission, order, now, limit, now + KEY_LIFE, parent
        )
        return self.charged(made, account) if account is not None and account.prepaid else made

    def unrouted(self, submission: Submission) -> Acceptance:
        """A plan for what no gateway can carry (yet): one delivery per recipient in the lane of its kind, cut so that every
        gateway can carry it that may come."""
        now = self._now()
        account = self._find_account(submission.account) if submission.account else None
        one = _OneMessage(self, submission, account, now)
        order = tuple(one.waiting(recipient) for recipient in submission.recipients)
        made = Acceptance(submission.number or self._ids.next(), submission, order, now, None, now + KEY_LIFE)
        return self.charged(made, account) if account is not None and account.prepaid else made

    def charged(self, acceptance: Acceptance, account: Account) -> Acceptance:
        """The same, paid by an account that pays before it sends."""
        costs = charges.costs(self.tariffs.of(account), acceptance.planned)
        return acceptance._replace(
            charge=Charge(
                account.payer or account.name, account.name, costs, self.tariffs.late, self.tariffs.currency
            )
        )

    def check_price(self, target: Address, account: Account) -> None:
        """Refused when an account that pays before it sends would not know how much."""
        if target.scheme == "sms" and self.tariffs.of(account).price(target.target) is None:
            raise Refused(
                Reason.NOT_ALLOWED, f"there is no price for {target.target}: ask the administrator to set one"
            )

    def number(self) -> int:
        """The id of a message that is going to be planned, for who has to know it before."""
        return self._ids.next()

    def account(self, name: str) -> Account | None:
        """The account with this name, None when there is none."""
        return self._find_account(name)

    def check_open(self, name: str) -> None:
        """Refused when this account is closed, or not there any more."""
        account = self._find_account(name)
        closed = f"there is no account {name}" if account is None else account.closed(self._now() / 1000)
        if closed:
            raise Refused(Reason.NOT_ALLOWED, closed)

    def check(self, recipient: Recipient, content: Text | Binary, account_name: str | None) -> None:
        """Refused when `plan` would certainly decline this recipient: its number, its gateway."""
        account = self._find_account(account_name) if account_name else None
        target = self.target(recipient, account)
        _check_sender(recipient, account)
        if account is not None and account.prepaid:
            self.check_price(target, account)
        wanted = routes.needs(target.scheme, content, recipient.parameters)
        self.carriers(target.scheme, wanted, pinned(recipient.parameters, account, target.scheme))

    def target(self, recipient: Recipient, account: Account | None) -> Address:
        """The recipient's address in its normal form; Refused when it is no number."""
        address = recipient.address
        if address.scheme != "sms":
            return address
        country = (account.country if account else None) or self.policies.country
        before = self._normalised  # the rules have asked just now
        if before[0] is address and before[1] == country:
            return before[2]
        try:
            number = normalise(address.target, country)
        except InvalidValue as error:
            raise Refused(Reason.BAD_NUMBER, str(error)) from None
        if number.kind == "name":
            raise Refused(
                Reason.BAD_NUMBER, "a name cannot receive an SMS: write a number, for example +15551234567"
            )
        normal = address if number.value == address.target else Address("sms", number.value)
        self._normalised = (address, country, normal)
        return normal

    def period(self, now: int) -> str:
        """The month a message counts in, in the administrator's zone: "2026-11"."""
        quarter = now // 900_000  # of an hour: some zones differ from others by that much
        if self._period[1] != quarter:
            self._period = (datetime.fromtimestamp(now / 1000, self.zone).strftime("%Y-%m"), quarter)
        return self._period[0]

    def limit(self, account: Account, now: int) -> Limit:
        """What an account, and its group, may still send."""
        return Limit(
            account.name, self.period(now), account.monthly_limit, account.group or "", account.group_limit,
            not account.may_surge,
        )  # fmt: skip

    def carriers(self, scheme: str, wanted: tuple[str, ...], pin: str | None) -> Carriers:
        """Who may carry it; Refused when nobody can. Remembered until gateways come or go, because every message asks."""
        ways = self._slots.ways()
        if ways is not self._ways:
            self._ways = ways
            self._carriers.clear()
        known = self._carriers.get((scheme, wanted, pin))
        if known is None:
            route, able = find_route(ways, self._slots.groups, scheme, wanted, pin)
            known = self._carriers[scheme, wanted, pin] = Carriers(
                route,
                frozenset.intersection(*(way.abilities.national for way in able)),
                able[0].abilities.reference_width,
                any(way.abilities.sender for way in able),
            )
        return known

    def next_reference(self) -> int:
        """A concatenation reference; the message's width decides how many of its bits count."""
        self._reference = (self._reference + 1) & 0xFFFF
        return self._reference


def _check_sender(recipient: Recipient, account: Account | None) -> None:
    """Refused when its account may not call itself so. The administrator's rules may make anybody anything."""
    sender = recipient.parameters.sender
    if account is not None and sender is not None and not recipient.named_by_rule:
        check_sender(sender, account)


class _OneMessage:
    """The plan of one submission: what its recipients share is worked out once."""

    def __init__(
        self, planner: Planner, submission: Submission, account: Account | None, now: int, trace: str = ""
    ) -> None:
        self._planner = planner
        self._submission = submission
        self._account = account
        self._now = now
        self._trace = trace
        self._seen: dict[tuple[object, ...], Planned] = {}
        self._segmented: dict[tuple[object, ...], segment.Segmentation] = {}

    def recipient(self, recipient: Recipient, reserve: bool) -> Planned | Declined:
        """A delivery, or the refusal for this recipient; the same number twice is one delivery."""
        typed = recipient.typed or recipient.address.target
        if recipient.refused is not None:
            return Declined(typed, recipient.refused)
        if recipient.address.scheme != "sms" and self._planner.redirect is not None:
            recipient = self._planner.redirect(self._submission, recipient)
        try:
            target = self._planner.target(recipient, self._account)
            key = (target, recipient.parameters, recipient.content)
            known = self._seen.get(key) if self._seen else None
            if known is not None:
                return known
            if recipient.parameters.sender is not None and self._submission.door not in LATER:
                _check_sender(recipient, self._account)
            planned = self._delivery(
                recipient, target, typed, reserve and not (recipient.dropped or recipient.gather)
            )
            if recipient.dropped:
                planned = planned._replace(state=State.CANCELLED, deadline=0, reason=recipient.dropped)
        except Refused as refusal:
            return Declined(typed, refusal)
        if len(self._submission.recipients) > 1:
            self._seen[key] = planned
        return planned

    def waiting(self, recipient: Recipient) -> Planned:
        """A delivery for whatever gateway may come; one that cannot be sent is as it was wished."""
        typed = recipient.typed or recipient.address.target
        if recipient.address.scheme in ("hook", "dlr") and self._planner.redirect is not None:
            recipient = self._planner.redirect(self._submission, recipient)
        scheme, parameters = recipient.address.scheme, recipient.parameters
        content = self._submission.content if recipient.content is None else recipient.content
        route = routes.pool(scheme, routes.needs(scheme, content, parameters))
        if scheme not in ("sms", "mailto") and parameters.gateway:
            route = f"gw:{parameters.gateway}"  # each program has its own, and each chat its link
        try:
            target = self._planner.target(recipient, self._account)
            return self._delivery(recipient, target, typed, False, Carriers(route, frozenset(), 8, True))
        except Refused:
            expires = self._now + self._planner.policies.expire_minutes * MINUTE
            return Planned(
                self._planner._ids.next(), recipient.address, typed, route, self._submission.account or self._submission.door,
                State.READY, self._now, expires, expires, parameters=parameters, original=recipient.original,
                content=recipient.content, headers=recipient.headers, trace=recipient.trace,
            )  # fmt: skip

    def _delivery(
        self,
        recipient: Recipient,
        target: Address,
        typed: str,
        reserve: bool,
        carriers: Carriers | None = None,
    ) -> Planned:
        planner, policies, submission = self._planner, self._planner.policies, self._submission
        parameters = recipient.parameters
        content = submission.content if recipient.content is None else recipient.content
        account = self._account
        if account is not None and account.prepaid and submission.door not in LATER:
            planner.check_price(target, account)
        if carriers is None:
            wanted = routes.needs(target.scheme, content, parameters)
            carriers = planner.carriers(target.scheme, wanted, pinned(parameters, account, target.scheme))
        route = carriers.route
        flow = whose(submission, target) if target.scheme == "hook" else submission.account or submission.door
        expires = self._now + (parameters.expire_minutes or policies.expire_minutes) * MINUTE
        asked = submission.wants if recipient.wants is None else recipient.wants
        wants = int(asked)
        deadline = expires
        if wants & _DELAY and submission.ticket and policies.warn_minutes:
            deadline = min(expires, self._now + policies.warn_minutes * MINUTE)
        notes: tuple[str, ...] = ()
        code, parts, reference, encoding, report = 0, 1, 0, "", False
        own, trace = recipient.content, self._trace or recipient.trace
        if target.scheme == "sms":
            if isinstance(content, Text) and not content.text:
                raise Refused(Reason.EMPTY, "nothing is left of the text")
            policy = account.text if account is not None else "as_is"
            if policy == "as_is" and planner.texts:
                policy = planner.texts.get(submission.door, policy)
            if policy != "as_is" and parameters.coding is None:
                changed, replaced = fitting.fitted(content, policy, carriers.national)
                if replaced:
                    content = own = changed
                    notes = (f"tidied: {replaced}",)
                    trace = fitting.with_step(trace, f"tidied, else it would go as Unicode: {replaced}")
            made = self._segment(content, parameters, carriers)
            code, parts, encoding = made.code, made.total, ENCODINGS[made.alphabet]
            reference = planner.next_reference() if parts > 1 else 0
            report = bool(wants & _DELIVERY) or _asked(policies.reports, wants)
            if account is not None and account.prepaid and planner.tariffs.late:
                report = True
            if made.truncated or parameters.sender:
                notes += _notes(made, parameters, carriers)
        gateway = planner._slots.reserve(route, flow, str(target), parts) if reserve else None
        return Planned(
            delivery=planner._ids.next(), target=target, typed=typed, route=route, flow=flow,
            state=State.SENDING if gateway else State.READY, due=self._now, deadline=deadline, expires=expires,
            wants=asked, report=report, code=code, parts=parts, reference=reference, encoding=encoding,
            parameters=parameters, original=recipient.original, gateway=gateway, notes=notes,
            content=own, headers=recipient.headers, trace=trace, gather=recipient.gather,
        )  # fmt: skip

    def _segment(self, content: Content, parameters: Parameters, carriers: Carriers) -> segment.Segmentation:
        national, width, max_parts = carriers.national, carriers.width, parameters.max_parts
        most = self._account.max_parts_refuse if self._account is not None else 0
        if most and self._submission.door in LATER:
            most, max_parts = 0, min(most, max_parts or most)
        elif most:
            most, max_parts = min(most, max_parts or most), None
        key = (content, parameters.max_parts, parameters.coding, national, width)
        known = self._segmented.get(key)
        if known is not None:
            return known
        try:
            if isinstance(content, Binary):
                made = segment.plan_binary(content.data, udh=content.header, width=width)
            elif isinstance(content, Text):
                made = segment.plan_text(
                    content.text, national=national, width=width, max_parts=max_parts,
                    alphabet=_forced(parameters.coding), elements=content.header,
                )  # fmt: skip
                if content.header and made.total > 1 and udh.concat(udh.read(content.header)) is not None:
                    raise Refused(
                        Reason.TOO_LONG,
                        "the header already says which part this is, and the text does not fit beside it",
                    )
            else:
                raise Refused(Reason.NO_GATEWAY, "a report cannot go out as SMS")
        except segment.TooManyParts as error:
            raise Refused(Reason.TOO_LONG, str(error)) from None
        except ValueError as error:
            raise Refused(
                Reason.BAD_REQUEST, f"the text does not fit the coding asked for: {error}"
            ) from None
        if most and made.total > most:
            why = f", because of {made.culprit!r} it goes as Unicode" if made.culprit else ""
            raise Refused(
                Reason.TOO_LONG,
                f"the text needs {made.total} SMS{why}, and at most {most} are sent: make it shorter",
            )
        self._segmented[key] = made
        return made


def _asked(reports: str, wants: int) -> bool:
    """Whether the network is asked for a report that the sender does not want to hear of as such."""
    return reports == "always" or (reports == "failures" and bool(wants & _FAILURE))


def _rewritten(submission: Submission) -> bool:
    return any(recipient.content is not None for recipient in submission.recipients)


def _notes(made: segment.Segmentation, parameters: Parameters, carriers: Carriers) -> tuple[str, ...]:
    """What the sender should know of how it will be sent."""
    notes = []
    if made.truncated:
        notes.append(f"cut to the first {made.total} SMS")
    if parameters.sender and not carriers.sender:
        notes.append("sender not set: this gateway sends with its own number")
    return tuple(notes)


def _forced(coding: int | None) -> Alphabet | None:
    """The alphabet that a caller's DCS asks for; octets only come as binary messages."""
    if coding is None:
        return None
    alphabet = Dcs.read(coding).alphabet
    if alphabet is Alphabet.OCTETS:
        raise Refused(Reason.BAD_REQUEST, "this dcs is for octets: send binary=1 with base64 data")
    return alphabet


def held(acceptance: Acceptance, reason: str, state: State = State.HELD) -> Acceptance:
    """The same acceptance with its deliveries not on their way, for the reason given."""
    final = state >= State.DELIVERED
    return acceptance._replace(
        charge=None if final else acceptance.charge,
        order=tuple(
            entry._replace(state=state, gateway=None, reason=reason, deadline=0 if final else entry.deadline)
            if isinstance(entry, Planned)
            else entry
            for entry in acceptance.order
        ),
    )
