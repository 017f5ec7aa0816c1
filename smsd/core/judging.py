"""Rules at work on what goes out: a submission becomes letters, the engine judges them, and the verdicts become recipients with
what was changed for each, and further messages.

Owns the way from a submission to a `Letter` and back, and the asking of the engine's questions; decides nothing itself.
Messages to phones that rules send are judged in their turn, before anything is committed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, tzinfo
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger

from smsd.codec.mail import headers as mail_headers
from smsd.codec.smsuri import read_parameters
from smsd.core import effects
from smsd.core.gathering import cares
from smsd.core.planning import Planner, pinned
from smsd.policy.rules import engine, target
from smsd.policy.rules.letter import Answer, Ask, Effect, Facts, Letter, Question, Verdict
from smsd.values.address import Address, masked
from smsd.values.errors import InvalidValue, Reason, Refused
from smsd.values.message import Binary, Parameters, Recipient, Submission, Text

Ruling = tuple[Submission, list[Submission]]
"""What is left of a submission, and what rules send besides."""
Asker = Callable[[Question], "Deferred[Answer]"]

_FIELDS_OF_PARAMETERS = tuple(Parameters.__dataclass_fields__)


class Judge:
    """Judges what goes out. `lists` gives the lines of list files by path, `ask` answers questions, `account` finds one by
    name, `zone` is the administrator's time zone (None: this machine's)."""

    log = Logger()

    def __init__(self, planner: Planner, now: Callable[[], int], account: Callable[[str], Any]) -> None:
        self._planner = planner
        self._now = now
        self._account = account
        self.ruleset: engine.Ruleset | None = None
        self.version = 0
        self.lists: Callable[[], Mapping[str, tuple[str, ...]]] = dict
        self.ask: Asker | None = None
        self.zone: tzinfo | None = None
        self.domains: frozenset[str] = frozenset()
        self.gateways: frozenset[str] = frozenset()
        self._minute: tuple[int, tuple[int, int, str, str]] = (-1, (0, 0, "", ""))

    @property
    def at_work(self) -> bool:
        """Whether there are rules for what goes out."""
        return self.ruleset is not None

    def outgoing(self, submission: Submission, facts: Facts | None = None) -> Ruling | Deferred[Ruling]:
        """What the rules make of a submission; a Deferred only when something has to be asked outside."""
        known = Facts(self.lists()) if facts is None else facts
        kept: list[Recipient] = []
        children: list[Submission] = []
        questions: dict[Question, None] = {}
        for recipient in submission.recipients:
            if recipient.address.scheme != "sms" or self.ruleset is None:
                kept.append(recipient)
                continue
            letter = self.letter(submission, recipient)
            verdict = engine.judge(self.ruleset, letter, known)
            if isinstance(verdict, Ask):
                questions.update(dict.fromkeys(verdict.questions))
                continue
            applied = self._applied(verdict, recipient, submission)
            if verdict.effects and verdict.fate == "accept":
                told = self._not_done(submission)
                children += effects.submissions(verdict, submission, self._now(), told)
                if wishes := cares(verdict.effects, self._now(), self.zone, told):
                    applied = replace(applied, gather=wishes)
            kept.append(applied)
        if questions:
            return self._asked(list(questions), known).addCallback(
                lambda answered: self.outgoing(submission, answered)
            )
        ruled = replace(submission, recipients=tuple(kept), head=b"")
        if not children:
            return ruled, []
        return self._grown(ruled, children, known)

    def _grown(
        self, ruled: Submission, children: list[Submission], facts: Facts
    ) -> Ruling | Deferred[Ruling]:
        """The messages that rules send, judged in their turn where they go to phones."""
        grown = [self.outgoing(child, facts) for child in children]
        if not any(isinstance(one, Deferred) for one in grown):
            return ruled, _flat([one for one in grown if not isinstance(one, Deferred)])
        waiting = gatherResults(
            [one if isinstance(one, Deferred) else _fired(one) for one in grown], consumeErrors=True
        )
        return waiting.addCallback(lambda rulings: (ruled, _flat(rulings)))

    # -- a submission as a letter

    def letter(self, submission: Submission, recipient: Recipient) -> Letter:
        """The message to one recipient as the rules see it."""
        account = self._account(submission.account) if submission.account else None
        about = dict(submission.headers)
        content = submission.content if recipient.content is None else recipient.content
        body = content.text if isinstance(content, Text) else ""
        binary = isinstance(content, Binary)
        try:
            number = self._planner.target(recipient, account).target
        except Refused:
            number = recipient.address.target
        pin = pinned(recipient.parameters, account)
        sender = about.get("from") or submission.origin.target
        return Letter(
            outgoing=True, sender=sender, to=f"{number}@{pin}" if pin else number, body=body, number=number,
            subject=about.get("subject", ""), headers=self._headers(submission),
            size=len(content.data) if isinstance(content, Binary) else len(body.encode("utf-8", "replace")),
            account=submission.account or "", phone=(account and account.phone) or "", email=(account and account.email) or "",
            door=submission.door, gateway=pin or "", ip=submission.peer, authenticated=account is not None,
            local=sender.rpartition("@")[2].lower() in self.domains, attachment=bool(submission.attachments), binary=binary,
            priority=recipient.parameters.priority, when=self.when(self._now()),
        )  # fmt: skip

    def _headers(self, submission: Submission) -> tuple[tuple[str, str], ...]:
        if submission.head and self.ruleset is not None and self.ruleset.reads_headers:
            return mail_headers.all_fields(submission.head)
        return ()

    def when(self, now: int) -> tuple[int, int, str, str]:
        """Local time as `Letter.when` has it, worked out once a minute."""
        minute = now // 60_000
        if self._minute[0] != minute:
            local = datetime.fromtimestamp(now / 1000, self.zone)
            self._minute = (
                minute,
                (local.weekday(), local.hour * 60 + local.minute, f"{local:%Y-%m-%d}", f"{local:%H:%M}"),
            )
        return self._minute[1]

    # -- a verdict applied

    def _applied(self, verdict: Verdict, recipient: Recipient, submission: Submission) -> Recipient:
        trace = trace_json(verdict, self.version)
        if verdict.fate == "reject":
            return replace(
                recipient,
                trace=trace,
                refused=Refused(Reason.NOT_ALLOWED, verdict.text or "refused by a rule"),
            )
        if verdict.fate == "delete":
            title = verdict.trace.stopped
            return replace(recipient, trace=trace, dropped=f"deleted by the rule {title!r}")
        if not verdict.changed:
            return replace(recipient, trace=trace)
        changed, letter = verdict.changed, verdict.letter
        address, parameters = recipient.address, recipient.parameters
        try:
            if "to" in changed:
                address, parameters = self._routed(letter, address, parameters)
        except (InvalidValue, Refused) as error:
            refusal = error if isinstance(error, Refused) else Refused(Reason.BAD_REQUEST, str(error))
            return replace(recipient, trace=trace, refused=refusal)
        if "priority" in changed:
            parameters = replace(parameters, priority=letter.priority)
        content = recipient.content
        if "body" in changed and not isinstance(submission.content, Binary):
            content = Text(letter.body)
        headers = recipient.headers
        if changed & {"subject", "from", "headers"}:
            headers = _rewritten(submission.headers, letter)
            content = submission.content if content is None else content
        return replace(
            recipient,
            address=address,
            parameters=parameters,
            content=content,
            headers=headers,
            trace=trace,
        )

    def _routed(self, letter: Letter, address: Address, parameters: Parameters) -> tuple[Address, Parameters]:
        """What a rewritten To says (feature R4). InvalidValue or Refused when it leads nowhere."""
        to = target.read(letter.to)
        said = read_parameters(to.parameters).parameters if to.parameters else None
        if said is not None:
            parameters = replace(parameters, **_differences(said))
        where = to.at
        if not where or where.lower() in self.domains or where.lower() == _domain(letter.sender):
            wanted = (said is not None and said.gateway) or ""
            return Address("sms", to.number), replace(parameters, gateway=wanted)
        if where in self.gateways:
            return Address("sms", to.number), replace(parameters, gateway=where)
        if "." in where:
            return Address("mailto", f"{to.number}@{where}"), replace(parameters, gateway=None)
        raise Refused(
            Reason.UNKNOWN_GATEWAY,
            f"a rule sends this to {where[:80]!r}, which is neither a gateway nor a domain: the administrator can correct it",
        )

    def _not_done(self, submission: Submission) -> Callable[[Effect, Refused], None]:
        def told(effect: Effect, refusal: Refused) -> None:
            self.log.warn(
                "the rule {rule!r} could not do what it says with a message from {origin}: {text}",
                rule=effect.rule, origin=masked(submission.origin.target), text=refusal.text,
            )  # fmt: skip

        return told

    # -- questions

    def _asked(self, questions: list[Question], facts: Facts) -> Deferred[Facts]:
        """The facts with these questions answered; what cannot be answered takes its default."""
        answers, failed = dict(facts.answers), set(facts.failed)

        def answer(result: Answer, question: Question) -> None:
            answers[question] = result

        def missing(failure: Any, question: Question) -> None:
            self.log.warn(
                "a rule's question to the database {database} was not answered, its default counts: {why}",
                database=question.database, why=failure.getErrorMessage(),
            )  # fmt: skip
            failed.add(question)

        waiting = []
        for question in questions:
            if self.ask is None:
                failed.add(question)
                continue
            waiting.append(self.ask(question).addCallbacks(answer, missing, (question,), {}, (question,), {}))
        return gatherResults(waiting, consumeErrors=True).addCallback(
            lambda _: Facts(facts.lists, answers, frozenset(failed))
        )


def trace_json(verdict: Verdict, version: int) -> str:
    """How the rules came to it, as it is kept with each delivery: version of the rules, what decided, lines for people, which
    rule ended it."""
    trace = verdict.trace
    return json.dumps(
        [version, trace.decided.hex(), trace.steps, trace.stopped], ensure_ascii=False, separators=(",", ":")
    )


def _flat(rulings: list[Any]) -> list[Submission]:
    return [one for ruled, more in rulings for one in (ruled, *more)]


def _fired(ruling: Ruling) -> Deferred[Ruling]:
    done: Deferred[Ruling] = Deferred()
    done.callback(ruling)
    return done


def _domain(sender: str) -> str:
    return sender.rpartition("@")[2].strip("<> ").lower() if "@" in sender else ""


def _differences(said: Parameters) -> dict[str, Any]:
    default = Parameters()
    return {
        name: getattr(said, name)
        for name in _FIELDS_OF_PARAMETERS
        if getattr(said, name) != getattr(default, name)
    }


def _rewritten(headers: tuple[tuple[str, str], ...], letter: Letter) -> tuple[tuple[str, str], ...]:
    kept = tuple((name, value) for name, value in headers if name not in ("subject", "from"))
    named = (("subject", letter.subject), ("from", letter.sender))
    return (*kept, *((name, value) for name, value in named if value))
