"""A submission while it is judged, recipient by recipient: what has come of it so far, how much rules may make of it, and when
others have a turn; and values with something changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple, Union

from smsd.policy.rules.letter import Ask, Facts, Letter, Question
from smsd.values.errors import Reason, Refused
from smsd.values.message import Binary, Call, Content, Parameters, Recipient, Submission, Text

MOST_CHILDREN = 100
"""Messages that rules may make of one message to one recipient."""
MOST_TEXT = 20_000_000
"""Characters (or octets) of all that rules make of one message: each copy is kept by itself."""
_FIELDS_OF_PARAMETERS = tuple(Parameters.__dataclass_fields__)


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


def with_trace(r: Recipient, trace: str) -> Recipient:
    """The recipient, and how the rules came to it."""
    return Recipient(
        r.address, r.typed, r.parameters, r.wants, r.original, r.content, r.headers, trace, r.refused, r.dropped, r.gather,
        r.named_by_rule,
    )  # fmt: skip


@lru_cache(maxsize=256)
def with_gateway(p: Parameters, gateway: str) -> Parameters:
    """The same for this gateway; remembered, because mostly nothing else is said."""
    return Parameters(
        gateway, p.sender, p.sender_required, p.max_parts, p.expire_minutes, p.priority, p.protocol_id, p.coding, p.values
    )  # fmt: skip


def differences(said: Parameters) -> dict[str, Any]:
    """What is said at all, by name."""
    default = Parameters()
    return {
        name: getattr(said, name)
        for name in _FIELDS_OF_PARAMETERS
        if getattr(said, name) != getattr(default, name)
    }


def rewritten(headers: tuple[tuple[str, str], ...], letter: Letter) -> tuple[tuple[str, str], ...]:
    """The headers with From and Subject as rules have left them."""
    kept = tuple((name, value) for name, value in headers if name not in ("subject", "from"))
    named = (("subject", letter.subject), ("from", letter.sender))
    return (*kept, *((name, value) for name, value in named if value))


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
