"""What people write to phones: read, its writer's account found, handed in, answered.

"Taken" is said by silence, as chat programs expect; what is refused is answered with an error stanza. Messages of one person
keep their order. While many are under way nothing more is read (`busy`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.words.xish.domish import Element

from smsd.codec.jid import Jid
from smsd.links.xmpp.domains import Domain
from smsd.links.xmpp.link import Link
from smsd.links.xmpp.people import People
from smsd.links.xmpp.reading import Unwilling, Written, read
from smsd.links.xmpp.stanzas import error, received, refusal, stanza
from smsd.values.address import Address, masked
from smsd.values.errors import InvalidValue, Reason, Refused
from smsd.values.message import (
    Declined,
    IdempotencyKey,
    Parameters,
    Queued,
    Receipt,
    Recipient,
    Submission,
    Text,
    Ticket,
    Wants,
)

HELP_EVERY, MOST_HELPED = 60.0, 1_000
"""Seconds until the same person is told again what can be done here, and how many people that is known of: a program that answers
whatever it gets would do so for ever."""
NORMAL = "normal:"
"""In front of a writer's address in a ticket when he wrote no chat message, so that receipts are of the same type."""


class Incoming:
    """Takes message stanzas of one link. `command` is asked what to say to who writes to a domain itself; `changed` hears
    whenever the number that is under way changes."""

    log = Logger()

    def __init__(
        self,
        link: Link,
        people: People,
        command: Callable[[Domain, Jid, str], str],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._link = link
        self._people = people
        self._command = command
        self._changed = changed
        self._asking: dict[str, Deferred[Any]] = {}  # by writer: whose account is being looked for
        self._helped: dict[str, float] = {}  # by writer: when he was told what can be done
        self.busy = 0

    def message(self, domain: Domain, element: Element) -> None:
        """One message stanza for this domain; whatever it is, this raises nothing."""
        settings = self._link.settings
        try:
            written = read(element, domain, settings.subject, settings.max_recipients)
        except Unwilling as unwilling:
            self._log(element.getAttribute("from", "").partition("/")[0], element, unwilling.condition)
            self._link.send(domain, error(element, unwilling.condition, unwilling.kind, unwilling.text))
            return
        except InvalidValue as invalid:
            self._refuse(domain, element, Refused(Reason.BAD_REQUEST, str(invalid)))
            return
        if written is None:
            return
        self.busy += 1
        self._changed()
        if written.wanted:
            taking = self._account(written.sender)
            taking.addCallbacks(self._submit, self._unpaid, (domain, written), {}, (written,), {})
            taking.addCallbacks(
                self._accepted, self._failed, (domain, element, written), {}, (domain, element), {}
            )
        else:
            taking = self._answer(written)
            taking.addErrback(self._help, domain, written)
        taking.addErrback(self._untold)
        taking.addBoth(self._done)

    def _answer(self, written: Written) -> Deferred[Any]:
        """To nobody, and paid by nobody: it is taken if it answers an alert, and else fails with Refused."""
        origin, door = Address("xmpp", written.sender.bare), self._link.context.door
        assert door is not None
        submitted: Deferred[Receipt] = maybeDeferred(
            lambda: door.dispatcher.submit(Submission(self._link.name, origin, (), Text(written.text)))
        )
        return submitted

    def _help(self, failure: Failure, domain: Domain, written: Written) -> None:
        failure.trap(Refused, InvalidValue)
        # Else two programs would talk without end.
        if written.sender.node and self._may_help(written.sender.bare):
            self._tell(domain, written.sender, self._command(domain, written.sender, written.text))

    def _unpaid(self, failure: Failure, written: Written) -> Deferred[Any]:
        """Nobody pays for what he writes, but he may have been alerted."""
        return self._answer(written).addErrback(lambda _: failure)

    def _may_help(self, bare: str) -> bool:
        now = self._link.context.reactor.seconds()
        if now - self._helped.get(bare, -HELP_EVERY) < HELP_EVERY:
            return False
        self._helped.pop(bare, None)
        while len(self._helped) >= MOST_HELPED:
            del self._helped[next(iter(self._helped))]
        self._helped[bare] = now
        return True

    def _untold(self, failure: Failure) -> None:
        self.log.failure(
            "{gateway}: nobody is told what became of a chat message", failure, gateway=self._link.name
        )

    def _done(self, result: Any) -> None:
        self.busy -= 1
        self._changed()

    def _account(self, writer: Jid) -> Deferred[Any]:
        """The writer's account; when it has to be looked for, his next messages wait behind this one."""
        before = self._asking.get(writer.bare)
        if before is None:
            asked = maybeDeferred(self._people.account, writer)
            if asked.called and not asked.paused:
                return asked
            return self._wait(writer.bare, asked)
        behind: Deferred[Any] = Deferred()

        def turn(_: object) -> None:
            maybeDeferred(self._people.account, writer).chainDeferred(behind)

        before.addBoth(turn)
        return self._wait(writer.bare, behind)

    def _wait(self, bare: str, asked: Deferred[Any]) -> Deferred[Any]:
        """What fires with `asked`, and before whoever waits behind it."""
        mine: Deferred[Any] = Deferred()
        turn: Deferred[Any] = Deferred()
        self._asking[bare] = turn

        def came(result: Any) -> None:
            if self._asking.get(bare) is turn:
                del self._asking[bare]
            (mine.errback if isinstance(result, Failure) else mine.callback)(result)
            turn.callback(None)

        asked.addBoth(came)
        return mine

    def _submit(self, account: Any, domain: Domain, written: Written) -> Deferred[Receipt]:
        try:
            made = self._submission(account, domain, written)
        except InvalidValue as invalid:
            raise Refused(Reason.BAD_REQUEST, str(invalid)) from None
        door = self._link.context.door
        assert door is not None
        submitted: Deferred[Receipt] = door.dispatcher.submit(made)
        return submitted

    def _submission(self, account: Any, domain: Domain, written: Written) -> Submission:
        link, origin = self._link, Address("xmpp", written.sender.bare)
        parameters = self._parameters(domain, written.sender, account)
        headers = [("subject", written.subject)] if written.subject else []
        if any(one.address.scheme == "mailto" for one in written.wanted):
            headers.append(("chat_from", self._mailbox(written.sender, account) or "-"))
        return Submission(
            door=link.name,
            origin=origin,
            recipients=tuple(
                Recipient(one.address, one.typed, parameters if one.address.scheme == "sms" else Parameters())
                for one in written.wanted
            ),
            content=Text(written.text),
            account=account.name,
            ticket=Ticket(
                origin,
                envelope_id=written.sender.full if written.kind == "chat" else NORMAL + written.sender.full,
                message_id=written.id,
                subject=written.subject,
                link=link.name,
            ),
            wants=Wants.FAILURE | Wants.SUCCESS
            if written.receipt and link.settings.receipts == "delivered"
            else Wants.FAILURE,
            headers=tuple(headers),
            key=IdempotencyKey(f"link:{link.name}", written.key) if written.key else None,
        )

    def _mailbox(self, writer: Jid, account: Any) -> str:
        """Where mail that somebody writes comes from: his account's mailbox, or his address where that is one of this server's;
        "" for neither."""
        if account.email and self._link.settings.mail_from == "account":
            return str(account.email)
        return writer.bare if writer.domain in self._link.settings.user_domains else ""

    def _parameters(self, domain: Domain, writer: Jid, account: Any) -> Parameters:
        """For every SMS: what the domain says, then what its writer prefers, then what holds for the link."""
        said, most = domain.parameters, self._link.settings.max_parts
        return replace(
            said,
            gateway=self._people.gateway(writer, account) if said.gateway is None else said.gateway,
            sender=self._people.sender(writer, account) if said.sender is None else said.sender,
            max_parts=most if said.max_parts is None else said.max_parts,
        )

    # -- answers

    def _accepted(self, receipt: Receipt, domain: Domain, element: Element, written: Written) -> None:
        declined = [fate for fate in receipt.recipients if isinstance(fate, Declined)]
        taken = len(receipt.recipients) - len(declined)
        if taken:
            said = f"message {receipt.message}" + (" (a repeat)" if receipt.replayed else "")
            if len(receipt.recipients) > 1:
                said += f", {taken} of {len(receipt.recipients)}"
            self._log(written.sender.bare, element, said)
        if declined:
            self._decline(domain, element, written, declined)
        elif written.receipt and self._link.settings.receipts == "accepted":
            self._received(domain, element, written)
        if not receipt.replayed:
            for note in _notes(receipt, self._link.settings.tell_parts):
                self._tell(domain, written.sender, note)

    def _received(self, domain: Domain, element: Element, written: Written) -> None:
        """Say that it is stored here; also of a repeat, whose writer has not heard it perhaps."""
        sender = element.getAttribute("to", "").partition("/")[0]
        self._link.send(domain, received(sender, written.sender.full, written.kind, written.id))

    def _tell(self, domain: Domain, to: Jid, text: str) -> None:
        told = stanza("message", sender=domain.name, to=to.full, kind="chat")
        told.addElement("body", content=text)
        self._link.send(domain, told)

    def _decline(self, domain: Domain, element: Element, written: Written, declined: list[Declined]) -> None:
        """One error for a message to one phone; for a group text one that names who does not get it."""
        if len(written.wanted) == 1:
            self._refuse(domain, element, declined[0].refusal)
            return
        lines = [f"{one.typed}: {one.refusal.text}" for one in declined]
        rest = len(written.wanted) - len(declined)
        said = (
            f"{len(declined)} of {len(written.wanted)} do not get it, {rest} do" if rest else "nobody gets it"
        )
        text = "\n".join([said, *lines[:20], *(["…"] if len(lines) > 20 else [])])
        self._refuse(domain, element, Refused(declined[0].refusal.reason, text))

    def _failed(self, failure: Failure, domain: Domain, element: Element) -> None:
        if isinstance(failure.value, Refused):
            self._refuse(domain, element, failure.value)
            return
        self.log.failure("{gateway}: a chat message could not be handed in", failure, gateway=self._link.name)
        self._refuse(
            domain,
            element,
            Refused(Reason.UNAVAILABLE, "something went wrong here: it is logged; please try again later"),
        )

    def _log(self, sender: str, element: Element, said: str) -> None:
        """A line for each message, without its text and whole addresses."""
        to = element.getAttribute("to", "").partition("/")[0]
        self.log.info(
            "{gateway}: {sender} to {to}: {said}",
            gateway=self._link.name, sender=masked(sender), to=_masked(to), said=said,
        )  # fmt: skip

    def _refuse(self, domain: Domain, element: Element, refused: Refused) -> None:
        self._log(element.getAttribute("from", "").partition("/")[0], element, refused.reason.name)
        self._link.send(domain, refusal(element, refused))


def _masked(to: str) -> str:
    """A number at a domain, as logs may show it."""
    node, at, domain = to.rpartition("@")
    return f"{masked(node)}@{domain}" if at else to


def _notes(receipt: Receipt, tell_parts: int) -> list[str]:
    """What the writer should know: what was cut, and how many SMS a long text makes."""
    taken = [fate for fate in receipt.recipients if isinstance(fate, Queued)]
    notes = dict.fromkeys(note for fate in taken for note in fate.notes if note.startswith("cut "))
    most = max((fate.parts for fate in taken), default=1)
    if notes:
        return [f"Your message was {note}." for note in notes]
    if tell_parts and most >= max(2, tell_parts):
        why = " (it has letters that only go as Unicode)" if taken[0].encoding == "UCS-2" else ""
        return [f"Your message goes as {most} SMS{why}."]
    return []
