"""A MESSAGE (RFC 3428) becomes a submission; what it is answered with comes after the commit."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.python.failure import Failure

from smsd.codec.sip import (
    Content,
    Malformed,
    Peer,
    Request,
    Response,
    Uri,
    read_body,
    readable,
    respond,
    warning,
)
from smsd.codec.smsuri import LONGEST_EXPIRY
from smsd.interfaces import FrontendContext
from smsd.links.sip.login import Caller
from smsd.links.sip.packed import unpacked
from smsd.links.sip.receipts import asked_for
from smsd.links.sip.refusals import Rejected
from smsd.links.sip.settings import Settings
from smsd.policy.siprules import SipRule, Verdict, judge
from smsd.values.address import Address
from smsd.values.errors import InvalidValue, Reason, Refused
from smsd.values.message import (
    Declined,
    IdempotencyKey,
    Parameters,
    Priority,
    Receipt,
    Recipient,
    Submission,
    Text,
    Ticket,
    Wants,
)

_PRIORITIES = {"emergency": Priority.URGENT, "urgent": Priority.URGENT, "non-urgent": Priority.BULK}
"""RFC 3261 section 20.26."""


@dataclass(frozen=True, slots=True)
class Done:
    """What became of it: its answer, and a line for the log."""

    response: Response
    told: str
    message: int = 0


class Incoming:
    """`rules` decide what becomes an SMS."""

    def __init__(
        self, settings: Settings, rules: Sequence[SipRule], door: FrontendContext, host: str
    ) -> None:
        self._settings = settings
        self._rules = rules
        self._door = door
        self._host = host

    def verdict(self, request: Request, target: Uri) -> Verdict:
        """What the rules say of any request for this address."""
        return judge(self._rules, readable(number_of(target)), request.method)

    def message(
        self, request: Request, target: Uri, caller: Caller, source: Peer, tag: str
    ) -> Done | Deferred[Done]:
        """Take it. Raises, or fails with, Refused, Rejected or Malformed."""
        verdict = self.verdict(request, target)
        if verdict.sms is None:
            return self._answered(request, caller, source, tag).addErrback(
                self._no_answer, request, verdict, tag
            )
        content = read_body(unpacked(request))
        if content.composing or content.notification is not None:
            return Done(respond(request, 200, tag=tag), "no text: for nobody here")
        try:
            submitted = self._door.dispatcher.submit(
                self._submission(request, number_of(target), caller, source, verdict, content)
            )
        except InvalidValue as error:
            raise Refused(Reason.BAD_REQUEST, str(error)) from None
        return submitted.addCallbacks(
            lambda receipt: self._accepted(request, verdict, receipt, tag), _invalid
        )

    def _answered(self, request: Request, caller: Caller, source: Peer, tag: str) -> Deferred[Done]:
        """It is for nobody, unless it answers an alert; else it fails with Refused."""

        def submit() -> Deferred[Receipt]:
            text, origin = (
                read_body(unpacked(request)).text or "",
                Address("sip", readable(self._origin(caller))),
            )
            made = Submission(self._settings.id, origin, (), Text(text), peer=source.host)
            submitted: Deferred[Receipt] = self._door.dispatcher.submit(made)
            return submitted

        return maybeDeferred(submit).addCallback(
            lambda _: Done(respond(request, int(self._settings.accepted), tag=tag), "answered an alert")
        )

    def _no_answer(self, failure: Failure, request: Request, verdict: Verdict, tag: str) -> Done:
        failure.trap(Refused, Rejected, Malformed, InvalidValue)
        return self._without_sms(request, verdict, tag)

    def _without_sms(self, request: Request, verdict: Verdict, tag: str) -> Done:
        if verdict.response is not None:
            code, phrase = verdict.response.code, verdict.response.phrase
            return Done(respond(request, code, phrase, tag=tag), f"as the rule in {verdict.place} says")
        if verdict.stop:
            raise Rejected(403, "this server does not take messages for this address")
        raise Rejected(404, "this is no number that messages are sent to from here")

    def _submission(
        self,
        request: Request,
        number: str,
        caller: Caller,
        source: Peer,
        verdict: Verdict,
        content: Content,
    ) -> Submission:
        assert verdict.sms is not None
        parameters = verdict.sms
        if parameters.max_parts is None and self._settings.max_parts is not None:
            parameters = replace(parameters, max_parts=self._settings.max_parts)
        parameters = _as_asked(request, parameters)
        origin = Address("sip", readable(self._origin(caller)))
        text = content.text or ""
        account = caller.account.name if caller.account is not None else None
        marks = (request.call_id, str(request.cseq), request.sender.tag, number, account or "")
        identity = hashlib.sha256("\n".join(marks).encode("utf-8", "surrogateescape")).hexdigest()
        receipt, wants = asked_for(content.cpim)
        return Submission(
            door=self._settings.id,
            origin=origin,
            recipients=(Recipient(Address("sms", number), self._typed(request, number), parameters),),
            content=Text(text),
            account=account,
            ticket=Ticket(
                origin,
                envelope_id=receipt,
                message_id=readable(request.call_id)[:255],
                link=self._settings.id,
            ),
            wants=Wants.FAILURE | wants,
            key=IdempotencyKey(
                f"sip:{self._settings.id}", identity, hashlib.sha256(text.encode("utf-8")).digest()
            ),
            peer=source.host,
        )

    def _origin(self, caller: Caller) -> str:
        """Where answers go: the address that he gave, if it is his."""
        identity, domains = caller.identity, self._settings.domains
        if caller.trusted:
            return identity.address.lower() if identity.host else f"{identity.user}@{domains[0]}"
        name = caller.account.name.lower()
        if "@" in name:
            return str(name)
        host = identity.host if identity.host in domains and caller.may_be(identity) else domains[0]
        return f"{name}@{host}"

    def _typed(self, request: Request, number: str) -> str:
        """The number as it was written to: To, which no proxy changes, else the address of the request."""
        to = request.to
        written = to.uri if number_of(to.target) == number else request.uri
        return readable(written)[:1000]

    def _accepted(self, request: Request, verdict: Verdict, receipt: Receipt, tag: str) -> Done:
        (fate,) = receipt.recipients
        if isinstance(fate, Declined):
            raise fate.refusal
        code, phrase = int(self._settings.accepted), ""
        if verdict.response is not None:
            code, phrase = verdict.response.code, verdict.response.phrase
        headers = (warning(self._host, "; ".join(fate.notes)),) if fate.notes else ()
        told = f"message {receipt.message}" + (" (once more)" if receipt.replayed else "")
        return Done(respond(request, code, phrase, tag=tag, headers=headers), told, receipt.message)


def _invalid(failure: Failure) -> NoReturn:
    if failure.check(InvalidValue):
        raise Refused(Reason.BAD_REQUEST, str(failure.value))
    failure.raiseException()


def _as_asked(request: Request, parameters: Parameters) -> Parameters:
    """With how long the text is of use (Expires, RFC 3428 section 4) and how much it hurries, where no rule says that."""
    expires, priority = request.get("Expires").strip(), request.get("Priority").strip().lower()
    if parameters.expire_minutes is None and expires.isascii() and expires.isdigit() and len(expires) < 11:
        minutes = -(-int(expires) // 60)
        if 0 < minutes <= LONGEST_EXPIRY:
            parameters = replace(parameters, expire_minutes=minutes)
    if parameters.priority is Priority.NORMAL and priority in _PRIORITIES:
        parameters = replace(parameters, priority=_PRIORITIES[priority])
    return parameters


def number_of(uri: Uri) -> str:
    """The user part as rules and numbers are read: without the parameters that a phone may put into it."""
    return uri.user.partition(";")[0]
