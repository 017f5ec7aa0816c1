"""A submission while it is judged, recipient by recipient: what has come of it so far, how much rules may make of it, and when
others have a turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, Union

from smsd.policy.rules.letter import Ask, Facts, Question
from smsd.values.errors import Reason, Refused
from smsd.values.message import Binary, Call, Content, Recipient, Submission, Text

MOST_CHILDREN = 100
"""Messages that rules may make of one message to one recipient."""
MOST_TEXT = 20_000_000
"""Characters (or octets) of all that rules make of one message: each copy is kept by itself."""


class Ruled(NamedTuple):
    """What rules have left of a submission, and for each of its recipients what they send because of it, ruled as well. Where they
    left its one recipient as it was, `trace` is how they came to that."""

    submission: Submission
    besides: tuple[tuple[Ruled, ...], ...]
    trace: str = ""

    def further(self) -> Iterator[Submission]:
        """All that is sent besides."""
        for each in self.besides:
            for one in each:
                yield one.submission
                yield from one.further()


One = Callable[[Submission, Recipient, Facts, "Budget"], Union["tuple[Recipient, tuple[Ruled, ...]]", Ask]]
"""One recipient as the rules leave it and what they send because of it, or what has to be asked first."""


class Budget:
    """How many more messages rules may make of one to one recipient: each may make several, whose rules may do so in their
    turn. `text` is how much all of them hold. `number` is the one of the message that all of them come from, where it is known."""

    def __init__(self, number: int = 0) -> None:
        self.number = number
        self.messages = MOST_CHILDREN
        self.text = 0

    def has_room(self, child: Submission) -> bool:
        """Whether there may be one more; it is counted."""
        self.messages -= 1
        self.text += _size(child)
        return self.messages >= 0


class Judgement:
    """Judges by `one`, from facts that stay the same. What rules send shares the `budget` of the message it comes from; without
    one each recipient has its own."""

    def __init__(self, one: One, submission: Submission, facts: Facts, budget: Budget | None = None) -> None:
        self.submission = submission
        self.facts = facts
        self._one = one
        self._budget = budget
        self._left = iter(submission.recipients)
        self._kept: list[Recipient] = []
        self._besides: list[tuple[Ruled, ...]] = []
        self._questions: list[Question] = []
        self._text = 0

    def go(self, late: Callable[[], bool] | None = None) -> bool:
        """Judge on until it is `late`; True when all are judged. Refused when rules make more of it than can be kept."""
        for recipient in self._left:
            budget = self._budget or Budget(self.submission.number)
            ruled = self._one(self.submission, recipient, self.facts, budget)
            if isinstance(ruled, Ask):
                self._questions += ruled.questions
            else:
                self._kept.append(ruled[0])
                self._besides.append(ruled[1])
            if self._budget is None and budget.text:
                self._count(budget.text)
            if late is not None and late():
                return False
        return True

    def _count(self, text: int) -> None:
        self._text += text
        if self._text > MOST_TEXT:
            raise Refused(
                Reason.TOO_LONG,
                "what the rules send besides is more than can be kept: send a shorter text, or to fewer recipients at once",
            )

    def result(self) -> Ruled | Ask:
        """What has come of it, or what has to be asked first."""
        if self._questions:
            return Ask(tuple(dict.fromkeys(self._questions)))
        return Ruled(with_recipients(self.submission, tuple(self._kept)), tuple(self._besides))


class AllBut(frozenset[Question]):
    """Every question but these."""

    def __contains__(self, question: object) -> bool:
        return not super().__contains__(question)


def with_recipients(s: Submission, recipients: tuple[Recipient, ...]) -> Submission:
    """The submission for these."""
    # Written out because every message needs it: dataclasses.replace takes four times as long.
    return Submission(
        s.door, s.origin, recipients, s.content, s.account, s.ticket, s.wants, s.headers, s.key, s.hops, s.peer, b"", 0, "",
        s.number,
    )  # fmt: skip


def _size(child: Submission) -> int:
    made = (recipient.content for recipient in child.recipients)
    return sum(map(_length, (child.content, *made)))


def _length(content: Content | None) -> int:
    if isinstance(content, Text):
        return len(content.text)
    if isinstance(content, Binary):
        return len(content.data)
    if isinstance(content, Call):
        return sum(map(len, (content.what, content.text, *content.arguments, *dict(content.facts).values())))
    return 0
