"""Who was alerted in a chat or on a SIP phone, and answers "OK" there, where his text is no message to anybody.

A text that is taken is looked at by the transaction that takes it. Here are the others: those to the server itself, which is
who an alert comes from when a program has sent it, and those that were refused, for want of an account or of a gateway. Nobody
drives to the cellar twice because of that.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from smsd.policy.alert import CHATS
from smsd.store.alerts import Answered
from smsd.store.sqlite import SqliteStore
from smsd.values.address import masked
from smsd.values.errors import Reason, Refused
from smsd.values.message import Declined, Receipt, Submission, Text

WHY = "it answered an alert that waited for it"


class Alerted:
    """`wake` is the queue's; `record` keeps a message that goes nowhere."""

    log = Logger()

    def __init__(
        self,
        store: SqliteStore,
        wake: Callable[[int], object],
        record: Callable[[Submission, str], Deferred[Receipt]],
    ) -> None:
        self._store = store
        self._wake = wake
        self._record = record

    def may_answer(self, submission: Submission) -> bool:
        """Whether it comes from where alerts are answered."""
        return submission.origin.scheme in CHATS and isinstance(submission.content, Text)

    async def submitted(self, submission: Submission, submit: Callable[[], Deferred[Receipt]]) -> Receipt:
        """What `submit` makes of it; when nobody gets it, and an alert waits for it, it is taken as that."""
        receipt, refusal = Receipt(0, ()), None
        try:
            if not submission.recipients:
                raise Refused(Reason.BAD_REQUEST, "the message names nobody that it is for")
            receipt = await submit()
            if not all(isinstance(fate, Declined) for fate in receipt.recipients):
                return receipt
        except Refused as refused:
            refusal = refused
        content = submission.content
        assert isinstance(content, Text)
        answered: Answered = await self._store.answer(submission.origin, content.text)
        for lane in answered.woken:
            self._wake(lane)
        if not answered.alerts:
            if refusal is not None:
                raise refusal
            return receipt
        self.log.info("{who} has answered an alert", who=masked(submission.origin.target))
        return await self._record(submission, WHY) if submission.recipients else Receipt(0, ())
