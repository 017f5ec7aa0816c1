"""What programs, URLs and databases answered: messages to whoever is to hear it, as the outgoing rules leave them.

Made before the settlement that says the errand is done, which writes them in the same commit.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure as TwistedFailure

from smsd.core.judgement import Ruled, with_recipients, with_trace
from smsd.core.judging import Judge
from smsd.policy.answer import answer
from smsd.values.delivery import Accepted, Failure, Piece
from smsd.values.errors import Refused
from smsd.values.message import Call, Submission

Answers = tuple[Submission, ...]
"""The answer, and what rules send because of it; nothing where nobody is to hear one."""


class Outputs:
    """Makes them; `judge` asks the outgoing rules."""

    log = Logger()

    def __init__(self, judge: Judge) -> None:
        self._judge = judge

    def of(self, piece: Piece, outcome: Accepted | Failure) -> Answers | Deferred[Answers]:
        """The messages that come of an errand; a Deferred where rules look at them. It never fails: the errand
        was run, whatever they say."""
        if not isinstance(piece.content, Call) or not isinstance(outcome, Accepted):
            return ()
        hops, most = piece.hops + 1, self._judge.most_hops
        submission = answer(piece.content, outcome.output, piece.origin, piece.account, hops, most)
        if submission is None:
            return ()
        if not self._judge.at_work:
            return (submission,)
        ruled: Deferred[Any] = maybeDeferred(self._judge.outgoing, submission)
        return ruled.addCallback(_all).addErrback(self._failed, submission)

    def _failed(self, failure: TwistedFailure, submission: Submission) -> Answers:
        if isinstance(failure.value, Refused):
            return (_refused(submission, failure.value),)
        self.log.failure("the rules could not judge the answer of a program, URL or statement", failure)
        return (submission,)


def _all(ruled: Ruled) -> Answers:
    said = ruled.submission
    if ruled.trace:
        said = with_recipients(said, tuple(with_trace(one, ruled.trace) for one in said.recipients))
    return (said, *ruled.further())


def _refused(submission: Submission, refusal: Refused) -> Submission:
    recipients = tuple(replace(one, refused=refusal) for one in submission.recipients)
    return with_recipients(submission, recipients)
