"""One submission, recipient by recipient: targets in their normal form, routes, texts cut into parts, deadlines. What `planning`
makes acceptances of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smsd.codec import segment, udh
from smsd.codec.dcs import Alphabet, Dcs
from smsd.core import fitting
from smsd.core.carriers import Carriers, check_sender, pinned
from smsd.core.subscribers import flow as whose
from smsd.policy import route as routes
from smsd.policy.alert import DOOR as ALERT
from smsd.policy.step import MINUTE
from smsd.store.digests import DOOR as DIGEST
from smsd.values.account import Account
from smsd.values.address import Address
from smsd.values.delivery import State
from smsd.values.errors import Reason, Refused
from smsd.values.message import Binary, Content, Declined, Parameters, Recipient, Submission, Text, Wants
from smsd.values.plan import Planned

if TYPE_CHECKING:
    from smsd.core.planning import Planner

ENCODINGS = {Alphabet.GSM7: "GSM-7", Alphabet.OCTETS: "8-bit", Alphabet.UCS2: "UCS-2"}
_DELAY, _FAILURE = int(Wants.DELAY), int(Wants.FAILURE)
_DELIVERY = int(Wants.SUCCESS | Wants.BUFFERED)  # flags of the enum module cost a microsecond each
LATER = (ALERT, DIGEST)
"""Doors of what is made later of messages that were accepted: it leaves whatever their account may be refused since then, for
nobody is there any more to hear of it."""


def check_recipient(recipient: Recipient, account: Account | None) -> None:
    """Refused when its account may not call itself so. The administrator's rules may make anybody anything."""
    sender = recipient.parameters.sender
    if account is not None and sender is not None and not recipient.named_by_rule:
        check_sender(sender, account)


class Draft:
    """The deliveries of one submission: what its recipients share is worked out once."""

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
                check_recipient(recipient, self._account)
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
                self._planner.ids.next(), recipient.address, typed, route, self._submission.account or self._submission.door,
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
        gateway = planner.slots.reserve(route, flow, str(target), parts) if reserve else None
        return Planned(
            delivery=planner.ids.next(), target=target, typed=typed, route=route, flow=flow,
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
