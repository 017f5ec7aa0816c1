"""Who was alerted in a chat or on a SIP phone, and answers "OK" there, where his text is no message to anybody.

A text that is taken is looked at by the transaction that takes it. Here are the others: those to the server itself, which is
who an alert comes from when a program has sent it, and those that were refused, for want of an account or of a gateway. Nobody
drives to the cellar twice because of that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

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

    def submitted(self, submission: Submission, submit: Callable[[], Deferred[Receipt]]) -> Deferred[Receipt]:
        """What `submit` makes of it; when nobody gets it, and an alert waits for it, it is taken as that."""
        if not submission.recipients:
            nobody = Refused(Reason.BAD_REQUEST, "the message names nobody that it is for")
            return self._left(Failure(nobody), submission)
        return submit().addBoth(self._looked, submission)

    def _looked(self, outcome: Receipt | Failure, submission: Submission) -> Any:
        """Nearly all are for somebody: they cost no more than this look."""
        if isinstance(outcome, Failure):
            return self._left(outcome, submission) if outcome.check(Refused) else outcome
        if all(isinstance(fate, Declined) for fate in outcome.recipients):
            return self._left(outcome, submission)
        return outcome

    def _left(self, outcome: Receipt | Failure, submission: Submission) -> Deferred[Receipt]:
        return Deferred.fromCoroutine(self._answer(outcome, submission))

    async def _answer(self, outcome: Receipt | Failure, submission: Submission) -> Receipt:
        content = submission.content
        assert isinstance(content, Text)
        answered: Answered = await self._store.answer(submission.origin, content.text)
        for lane in answered.woken:
            self._wake(lane)
        if not answered.alerts:
            if isinstance(outcome, Failure):
                outcome.raiseException()
            return outcome
        self.log.info("{who} has answered an alert", who=masked(submission.origin.target))
        return await self._record(submission, WHY) if submission.recipients else Receipt(0, ())
