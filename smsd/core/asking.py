"""The questions of rules, asked outside: what is answered becomes a fact, what is not takes its default.

A database that is away has a question for every message: the log has a line when that begins, and one when it is over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger

from smsd.policy.rules.letter import Answer, Facts, Question
from smsd.values.delivery import Failure as Outcome
from smsd.values.delivery import Kind

Asker = Callable[[Question], "Deferred[Answer]"]
"""Fires with the answer within the question's seconds, or fails."""
_log = Logger()


class Outages:
    """What is known of questions that were not answered: by database, or by statement where that itself is wrong. One that is
    slow beside others that are quick is one outage, however often each is asked."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], set[str]] = {}
        self._defaults: dict[tuple[str, str], int] = {}

    def clear(self) -> None:
        """Begin anew: other rules, or other databases, are in force."""
        self._open.clear()
        self._defaults.clear()

    def failed(self, question: Question, failure: Any) -> None:
        """It was not answered."""
        lasting = failure.check(Outcome) is not None and failure.value.kind is Kind.PERMANENT
        if lasting:  # which is an answer, of a kind
            self._over((question.database, ""), question)
        key = (question.database, question.statement if lasting else "")
        since = self._open.setdefault(key, set())
        if not since:
            _log.warn(
                "a rule's question to the database {database} was not answered, its default counts: {why} (said once, until"
                " it answers again)", database=question.database, why=failure.getErrorMessage(),
            )  # fmt: skip
        since.add(question.statement)
        self._defaults[key] = self._defaults.get(key, 0) + 1

    def answered(self, question: Question) -> None:
        """It was."""
        if self._open:
            self._over((question.database, question.statement), question)
            self._over((question.database, ""), question)

    def _over(self, key: tuple[str, str], question: Question) -> None:
        since = self._open.get(key)
        if since is None:
            return
        since.discard(question.statement)
        if not since:
            del self._open[key]
            _log.info(
                "the database {database} answers again; {n} questions took their defaults",
                database=question.database, n=self._defaults.pop(key),
            )  # fmt: skip


def asked(ask: Asker | None, questions: Sequence[Question], facts: Facts) -> Deferred[Facts]:
    """Fires with the facts and these questions answered, or failed. Never fails."""
    answers, failed = dict(facts.answers), set(facts.failed)

    def answered(result: Answer, question: Question) -> None:
        answers[question] = result

    def missing(failure: Any, question: Question) -> None:
        failed.add(question)

    waiting = []
    for question in questions:
        if ask is None:
            failed.add(question)
            continue
        waiting.append(ask(question).addCallbacks(answered, missing, (question,), {}, (question,), {}))
    return gatherResults(waiting, consumeErrors=True).addCallback(
        lambda _: Facts(facts.lists, answers, frozenset(failed), facts.number)
    )
