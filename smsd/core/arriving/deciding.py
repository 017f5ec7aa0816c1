"""What is written of an incoming message: a delivery to whoever gets it, or a record that says why nobody does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from twisted.logger import Logger

from smsd.codec.webhooks import shown
from smsd.core.arriving import ruling
from smsd.core.arriving.known import Arrivals, Known, know
from smsd.core.carriers import check_sender
from smsd.core.effects import MOST_ANSWERS, answer_key
from smsd.core.planning import Planner, held
from smsd.core.trying import Seen
from smsd.policy import reply
from smsd.policy.answer import MOST_HOPS
from smsd.policy.rules.letter import Ask, Effect, Facts, Trace, Verdict
from smsd.policy.rules.model import Forward, Respond, Send
from smsd.store.receiving import Arrival, Decided, Desk
from smsd.values.address import Address, masked
from smsd.values.delivery import State
from smsd.values.errors import Reason, Refused
from smsd.values.message import Declined, Parameters, Recipient, Submission, Text, back
from smsd.values.plan import Acceptance, Planned

SELF = Address("account", "smsd")
DOOR = "answers"
ANSWER_MINUTES = 60
"""How long the server's own word to a phone is worth sending."""


class Arriving:
    """Decides. `arrivals` maps gateway ids; `chat_of` tells where an account chats; the service replaces what is public on
    reload."""

    log = Logger()

    def __init__(self, planner: Planner, carried: Callable[[str], bool]) -> None:
        self._planner = planner
        self._carried = carried
        self.arrivals: dict[str, Arrivals] = {}
        self.postmaster = "postmaster@localhost"
        self.server_name = "localhost"
        self.most_hops = MOST_HOPS
        self.replying = reply.Replying()
        self.rules = ruling.Rulebook()
        self.chat_of: Callable[[str], Address | None] = lambda account: None

    def peer(self, arrival: Arrival) -> str:
        """The phone in its normal form."""
        return know(arrival, self.arrivals.get(arrival.gateway), self.replying).peer

    def decide(self, arrival: Arrival, desk: Desk, facts: Facts | None) -> Decided | Ask:
        """What becomes of an incoming message. Without facts nothing can be asked, and defaults count."""
        known = know(arrival, self.arrivals.get(arrival.gateway), self.replying)
        known = replace(known, number=self.rules.number() if facts is None else facts.number)
        if known.blank:  # told to nobody
            return Decided(self._on_record(known, State.CANCELLED, "a message with no body"), trash=True)
        taken = bool(known.text) and desk.answers_alert(known.peer, known.text, arrival.now)
        links = self._reachable(desk.links(known.peer, arrival.now))
        if known.address:
            known = replace(known, answers=reply.message_of(known.address, links, arrival.gateway, known.own))
        else:
            found = reply.choose(links, arrival.gateway, known.own, self._carried) if links else None
            if isinstance(found, reply.Found):
                return Decided(self._answer(known, found))
            if isinstance(found, reply.Shared):
                first, *others = found.found
                unnumbered = replace(known, number=0)
                answers = [self._answer(unnumbered, one, len(found.found)) for one in others]
                return Decided(_with(self._answer(known, first, len(found.found)), answers))
            if isinstance(found, reply.Conflict) and taken:  # "OK" asks for no "who is meant?"
                return Decided(
                    self._on_record(known, State.DELIVERED, "it answered an alert that waited for it")
                )
            if isinstance(found, reply.Conflict):
                return Decided(self._conflict(known, found, desk))
        return self._judged(known, desk, facts)

    # -- the reply log

    def _reachable(self, links: list[reply.Link]) -> list[reply.Link]:
        """Who wrote as an account, and left no address, hears answers in his chat program, if he has one, else in the account's
        mailbox; each person once."""
        if not any(link.origin.startswith("account:") for link in links):
            return links
        found: dict[str, reply.Link] = {}
        for link in links:
            scheme, _, account = link.origin.partition(":")
            where = self._where(account) if scheme == "account" else None
            link = link if where is None else replace(link, origin=str(where))
            before = found.get(link.origin)
            found[link.origin] = link if before is None else reply.joined(before, link)
        return list(found.values())

    def _where(self, account: str) -> Address | None:
        chat = self.chat_of(account)
        found = None if chat is not None else self._planner.account(account)
        return Address("mailto", found.email.lower()) if found is not None and found.email else chat

    def _answer(self, known: Known, found: reply.Found, of: int = 1) -> Acceptance:
        """It goes to whoever wrote to this phone, each `of` those whose messages left in one digest; no rule is asked (feature
        I3)."""
        sent, to = found.sent, found.origin
        known = replace(known, answers=sent)
        submission = known.submission(back(to, sent.link))
        shared = f", as do all {of} of whom the digest {sent.digest} has messages" if of > 1 else ""
        wrote = f"{shown(str(to))} wrote to this phone (delivery {sent.delivery})"
        step = f"reply log: {wrote} and gets its answer{shared}; no rule is asked"
        return self._traced(self._delivered(submission), (step,))

    def _conflict(self, known: Known, conflict: reply.Conflict, desk: Desk) -> Acceptance:
        """Several people may be meant: the phone is told how to say who, and the message stays on record."""
        text, told = self.replying.conflict, None
        words = known.text.strip().casefold()
        if not known.phone or not text.strip():
            asked = "the phone was not asked who is meant"
        elif words in (text.strip().casefold(), reply.CONFLICT.casefold()):
            asked = "it is such a question itself, and not answered"
        else:
            told = self._tell(known, "conflict", text, desk)
            asked = "the phone was asked who is meant" + ("" if told else " within the last hour")
        who = ", ".join(map(shown, conflict.origins[:5])) + (", …" if len(conflict.origins) > 5 else "")
        reason = f"an answer to any of {len(conflict.origins)} ({who}): {asked}"
        acceptance = _with(self._on_record(known, State.HELD, reason), [told] if told else [])
        return self._traced(acceptance, (f"reply log: {reason}",))

    def _tell(self, known: Known, what: str, text: str, desk: Desk) -> Acceptance | None:
        """The server's own word to a phone, once an hour, through the gateway that the phone wrote to. Nobody is told when it
        fails, and nobody awaits an answer to it."""
        if not known.phone or not text.strip() or not desk.hush(known.peer, what, known.arrival.now):
            return None
        for gateway in (known.arrival.gateway, None):
            parameters = Parameters(gateway=gateway, expire_minutes=ANSWER_MINUTES)
            to = Recipient(Address("sms", known.peer), known.peer, parameters)
            child = self._plan(Submission(DOOR, SELF, (to,), Text(text), hops=1))
            if isinstance(child, Acceptance):
                return child
        self.log.warn(
            "gateway {gateway}: {peer} cannot be told {what!r}: no gateway carries SMS",
            gateway=known.arrival.gateway, peer=masked(known.peer), what=what,
        )  # fmt: skip
        return None

    # -- the rules

    def seen(self, arrival: Arrival, facts: Facts) -> Seen | None:
        """What the rules are asked about a message, for trials; None where there are none."""
        known = know(arrival, self.arrivals.get(arrival.gateway), self.replying)
        known = replace(known, number=facts.number)
        made = ruling.letter(known, self.server_name, self.rules.when(arrival.now))
        return None if self.rules.ruleset is None else Seen(self.rules.ruleset, made, facts)

    def _judged(self, known: Known, desk: Desk, facts: Facts | None) -> Decided | Ask:
        made = ruling.letter(known, self.server_name, self.rules.when(known.arrival.now))
        verdict = self.rules.verdict(made, facts)
        if isinstance(verdict, Ask):
            return verdict
        main = known.submission(ruling.recipient(known, verdict, self._receiver(known)))
        further = self._further(known, verdict, main, desk, facts)
        if isinstance(further, Ask):
            return further
        children, handed_on_by, refused = further
        title = verdict.trace.stopped
        if verdict.fate == "reject":
            told = self._tell(known, "reject", verdict.text, desk)
            children += [told] if told else []
            acceptance = self._on_record(known, State.REJECTED, f"rejected by the rule {title!r}")
        elif verdict.fate == "delete":
            acceptance = self._on_record(known, State.CANCELLED, f"deleted by the rule {title!r}")
        elif handed_on_by:
            acceptance = self._on_record(known, State.DELIVERED, f"handed on by the rule {handed_on_by!r}")
        elif known.address or known.arrivals.deliver_to or "to" in verdict.changed:
            acceptance = self._delivered(main)
        else:
            acceptance = held(
                self._delivered(main),
                "nobody is configured to get this gateway's messages: set deliver_to",
            )
        steps = (f"the text names {known.address}; the reply log is not asked",) if known.address else ()
        return Decided(self._traced(_with(acceptance, children), steps, verdict, refused))

    def _further(
        self, known: Known, verdict: Verdict, main: Submission, desk: Desk, facts: Facts | None
    ) -> tuple[list[Acceptance], str, tuple[str, ...]] | Ask:
        """The messages that effects became, the title of the rule that handed the message on ("" for none), and what could not be
        done."""
        planned: list[Acceptance] = []
        handed_on_by = ""
        refused: list[str] = []
        failed = self._not_done(known, refused)
        for effect in verdict.effects:
            if isinstance(effect.action, Respond) and not self._may_respond(known, effect.action.text, desk):
                continue
            for child in ruling.children(effect, known, verdict, main, failed, self.most_hops):
                ruled = self.rules.ruled(child, facts, known.number)
                if isinstance(ruled, Ask):
                    return ruled
                for one in ruled:
                    plan = self._plan(one)
                    if isinstance(plan, Refused) and plan.reason is Reason.NO_GATEWAY:
                        plan = self._planner.unrouted(one)  # not yet, or not just now: it waits for one
                    if isinstance(plan, Acceptance) and self._goes_back(plan, effect, known, desk):
                        plan = Refused(Reason.LOOP, f"{known.peer} has written it itself")
                    if isinstance(plan, Acceptance) and effect.user:
                        plan = self._charged(plan, effect.user, desk, known.arrival.now) or plan
                    if isinstance(plan, Refused):
                        failed(effect, plan)
                        continue
                    planned.append(plan)
                    handed_on_by = effect.rule if ruling.hands_on(effect) else handed_on_by
        return planned, handed_on_by, tuple(refused)

    def _goes_back(self, plan: Acceptance, effect: Effect, known: Known, desk: Desk) -> bool:
        """Whether a phone would get what it has written, or an answer too many: one that answers whatever it gets would get its
        own answers, without end."""
        own = {Address("sms", number) for number in reply.spellings(known.peer)}
        if not known.phone or not any(planned.target in own for planned in plan.planned):
            return False
        if isinstance(effect.action, Send):
            return not self._may_respond(known, effect.action.text, desk)
        return isinstance(effect.action, Forward)

    def _charged(self, plan: Acceptance, user: str, desk: Desk, now: int) -> Refused | None:
        """A user's account pays for the SMS that his rules send, or they are not sent."""
        if plan.planned[0].target.scheme != "sms":
            return None
        account = self._planner.account(user)
        if account is None:
            return Refused(Reason.NOT_ALLOWED, f"there is no account {user}")
        closed = account.closed(now / 1000)
        if closed:
            return Refused(Reason.NOT_ALLOWED, closed)
        try:
            for planned in plan.planned:
                if planned.parameters.sender is not None:
                    check_sender(planned.parameters.sender, account)
                if account.prepaid:
                    self._planner.check_price(planned.target, account)
        except Refused as refusal:
            return refusal
        plan = plan._replace(limit=self._planner.limit(account, now))
        return desk.charge(self._planner.charged(plan, account) if account.prepaid else plan)

    def _may_respond(self, known: Known, text: str, desk: Desk) -> bool:
        """A phone (no code, no name) gets the same answer of a rule once an hour, and not too many different ones."""
        if not known.phone:
            return False
        now = known.arrival.now
        return desk.hush(known.peer, answer_key(text), now) and desk.hush(
            known.peer, "respond", now, MOST_ANSWERS
        )

    def _not_done(self, known: Known, refused: list[str]) -> Callable[[Effect, Refused], None]:
        def told(effect: Effect, refusal: Refused) -> None:
            refused.append(f"{effect.rule!r} could not do what it says: {refusal.text}")
            self.log.warn(
                "gateway {gateway}: the rule {rule!r} could not do what it says with a message from {peer}: {why}",
                gateway=known.arrival.gateway, rule=effect.rule, peer=masked(known.peer), why=refusal.text,
            )  # fmt: skip

        return told

    # -- plans

    def _receiver(self, known: Known) -> Address:
        if known.address:
            return Address("mailto", known.address)
        return known.arrivals.receiver(self.postmaster)

    def _plan(self, submission: Submission) -> Acceptance | Refused:
        """Its plan, or why nothing carries it."""
        try:
            acceptance = self._planner.plan(submission, reserve=False)
        except Refused as refusal:
            return refusal
        if acceptance.planned:
            return acceptance
        declined = [entry for entry in acceptance.order if isinstance(entry, Declined)]
        return declined[0].refusal if declined else Refused(Reason.NO_GATEWAY, "it has no recipient")

    def _delivered(self, submission: Submission) -> Acceptance:
        """Its plan; when nothing carries it just now (a reload may be under way, a rule may name what is not there), it waits
        or is held, and is not lost."""
        (recipient,) = submission.recipients
        if recipient.address.scheme == "hook" and submission.hops > self.most_hops:
            why = f"it has been handed on {submission.hops} times, in a circle: correct who hands on to whom"
            return held(self._planner.unrouted(submission), why)
        acceptance = self._plan(submission)
        if isinstance(acceptance, Acceptance):
            return acceptance
        waiting = _replaced(
            self._planner.unrouted(submission), content=recipient.content, headers=recipient.headers
        )
        if recipient.address.scheme in ("hook", "spool"):
            return waiting
        if recipient.address.scheme != "mailto":
            return held(waiting, f"it cannot be sent to {recipient.address}: {acceptance.text}")
        self.log.warn(
            "gateway {gateway}: no gateway carries mail; the message waits", gateway=submission.door
        )
        return waiting

    def _on_record(self, known: Known, state: State, reason: str) -> Acceptance:
        """The message as it came, sent nowhere."""
        to = self._receiver(known)
        submission = known.submission(Recipient(to, to.target))
        return held(self._planner.unrouted(submission), reason, state)

    def _traced(
        self,
        acceptance: Acceptance,
        steps: tuple[str, ...],
        verdict: Verdict | None = None,
        refused: tuple[str, ...] = (),
    ) -> Acceptance:
        """With how it was decided, for the operator who asks why; without a verdict no rule was asked."""
        if verdict is None:
            return _replaced(acceptance, trace=ruling.unasked(steps))
        if self.rules.judge is None and not steps:
            return acceptance
        trace = verdict.trace
        trace = Trace(trace.decided, (*steps, *trace.steps, *refused), trace.stopped)
        return _replaced(acceptance, trace=self.rules.trace(verdict._replace(trace=trace)))


def _with(acceptance: Acceptance, children: list[Acceptance]) -> Acceptance:
    """With what is sent besides, in the same commit."""
    if not children:
        return acceptance
    return acceptance._replace(
        children=tuple(child._replace(parent=acceptance.message) for child in children)
    )


def _replaced(acceptance: Acceptance, **changes: Any) -> Acceptance:
    """With these fields of each delivery replaced."""
    return acceptance._replace(
        order=tuple(
            entry._replace(**changes) if isinstance(entry, Planned) else entry for entry in acceptance.order
        )
    )
