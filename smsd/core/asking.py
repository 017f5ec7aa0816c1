"""The questions of rules, asked outside: what is answered becomes a fact, what is not takes its default."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger

from smsd.policy.rules.letter import Answer, Facts, Question

Asker = Callable[[Question], "Deferred[Answer]"]
"""Fires with the answer within the question's seconds, or fails."""
_log = Logger()


def asked(ask: Asker | None, questions: Sequence[Question], facts: Facts) -> Deferred[Facts]:
    """Fires with the facts and these questions answered, or failed. Never fails."""
    answers, failed = dict(facts.answers), set(facts.failed)

    def answered(result: Answer, question: Question) -> None:
        answers[question] = result

    def missing(failure: Any, question: Question) -> None:
        _log.warn(
            "a rule's question to the database {database} was not answered, its default counts: {why}",
            database=question.database, why=failure.getErrorMessage(),
        )  # fmt: skip
        failed.add(question)

    waiting = []
    for question in questions:
        if ask is None:
            failed.add(question)
            continue
        waiting.append(ask(question).addCallbacks(answered, missing, (question,), {}, (question,), {}))
    return gatherResults(waiting, consumeErrors=True).addCallback(
        lambda _: Facts(facts.lists, answers, frozenset(failed))
    )
