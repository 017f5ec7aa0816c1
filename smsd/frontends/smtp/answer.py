"""The answer after the lone dot: who was taken, who was not, and what the client is told of it.

With one recipient queued the mail is taken, since a retry would send it twice; a mail that nobody gets is refused. Those who
were declined besides are named, and their sender gets a report.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger
from twisted.python.failure import Failure

from smsd.frontends.smtp.dialects.dialect import Taken
from smsd.frontends.smtp.letter import Letter
from smsd.frontends.smtp.making import Group, Maker, of_box
from smsd.interfaces import Posted
from smsd.values.address import masked
from smsd.values.errors import Reason, Refused
from smsd.values.message import Declined, Queued, Receipt, Submission

if TYPE_CHECKING:
    from smsd.frontends.smtp.factory import DoorFactory

LATER = (Reason.UNAVAILABLE, Reason.SLOW_DOWN)
"""Refusals of a moment."""
_NAMED = {"\u2192": "->"}


def spelt(note: str) -> str:
    """A note in ASCII, as SMTP has it: characters by name, so that what was changed in a text can be read."""
    if note.isascii():
        return note
    return "".join(char if char.isascii() else _NAMED.get(char) or _name(char) for char in note)


def _name(char: str) -> str:
    return unicodedata.name(char, "").lower() or f"U+{ord(char):04X}"


class Answer:
    """The answer to one mail."""

    log = Logger()

    def __init__(self, door: DoorFactory, maker: Maker) -> None:
        self.door = door
        self.maker = maker
        self.session = maker.session

    def of_all(
        self,
        results: list[tuple[bool, Any]],
        submissions: list[Submission],
        boxes: Sequence[Any],
        letter: Letter,
    ) -> str | Deferred[str]:
        """See `of`; `results` are those of the submissions, then those of the boxes (IPostbox)."""
        receipts = []
        for (ok, result), submission in zip(results, submissions, strict=False):
            if ok:
                receipts.append((submission, result))
                continue
            refusal = self._refusal(result)
            declined = tuple(Declined(recipient.typed, refusal) for recipient in submission.recipients)
            receipts.append((submission, Receipt(0, declined)))
        # When the mail comes again, is what was taken of it known?
        known = bool(self.maker.scope(letter)) and all(submission.key for submission in submissions)
        posted: list[Posted] = []
        for (ok, result), box in zip(results[len(submissions) :], boxes, strict=True):
            if ok:
                self._log(result.queued, result.total, result.messages[0], box.address)
                posted.append(result)
                continue
            refusal = self._refusal(result)
            if refusal.reason in LATER and known:
                raise refusal
            recipient = of_box(box)
            about = self.maker.submission(Group(self.session.account), [recipient], letter)
            receipts.append((about, Receipt(0, (Declined(recipient.typed, refusal),))))
        return self.of(receipts, posted, letter.text.notes)

    def _refusal(self, failure: Failure) -> Refused:
        if isinstance(failure.value, Refused):
            return failure.value
        self.log.failure("a submission failed", failure)
        return Refused(Reason.UNAVAILABLE, "local error, try again later")

    def of(
        self,
        receipts: Sequence[tuple[Submission, Receipt]],
        posted: Sequence[Posted],
        notes: tuple[str, ...],
    ) -> str | Deferred[str]:
        """The text of the 250; Refused when nobody was queued, a temporary refusal before a permanent one. With
        recipients of both fates it is given when the sender's report about the declined ones is committed."""
        ids: list[str] = []
        numbers: list[str] = []
        lines = dict.fromkeys(notes)
        declined: list[Declined] = []
        for submission, receipt in receipts:
            for recipient, fate in zip(submission.recipients, receipt.recipients, strict=False):
                if isinstance(fate, Queued):
                    ids.append(str(receipt.message))
                    numbers.append(recipient.typed)
                    lines.update((spelt(f"{recipient.typed}: {note}"), None) for note in fate.notes)
                else:
                    declined.append(fate)
        if ids:
            self._log(len(ids), len(ids) + len(declined), int(ids[0]), account=receipts[0][0].account)
        ids += [str(one.messages[0]) for one in posted]
        if not ids:
            if not declined:
                raise Refused(Reason.UNAVAILABLE, "nothing was queued, try again later")
            raise min(declined, key=lambda one: one.refusal.reason.smtp).refusal
        for one in declined:
            self.log.warn(
                "a recipient was declined after others were queued: {number} {reason}",
                number=masked(one.typed),
                reason=one.refusal.reason.name,
                message=ids[0],
            )
        losses = dict.fromkeys((one.typed, one.refusal.text) for one in declined)
        answer = self.door.dialect.taken(
            Taken(tuple(dict.fromkeys(ids)), tuple(dict.fromkeys(numbers)), tuple(lines), tuple(losses))
        )
        if not declined:
            return answer
        telling = [
            self.door.dispatcher.bounce(
                submission, int(ids[0]), [fate for fate in receipt.recipients if isinstance(fate, Declined)]
            )
            for submission, receipt in receipts
        ]
        return gatherResults(telling, consumeErrors=True).addCallback(lambda _: answer)

    def _log(self, queued: int, total: int, message: int, to: str = "", account: str | None = None) -> None:
        account = account or self.session.account
        self.door.calls.add(
            f"{self.session.door}: {self.session.peer} {account or '-'}: mail from {masked(str(self.maker.mail.sender))}"
            f"{f' to {to}' if to else ''}, {queued} of {total} queued, message {message}",
            account=account,
            message=message,
        )
