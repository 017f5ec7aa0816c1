"""Who gets what a phone wrote, and in which form: the text's own `#address#`, the reply log, the rules, the gateway's mailbox,
in this order (features I1 to I5, R6).

Called inside the store's transaction, for one message; what it may ask there is the desk's. It waits for nothing: what rules
have to ask outside comes back as `Ask`. Nothing is ever dropped: what nobody gets is on record with the reason.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from twisted.logger import Logger

from smsd.codec.mail import headers as mail_headers
from smsd.codec.mail import reply_address
from smsd.codec.number import normalise
from smsd.core import effects
from smsd.core.planning import Planner, held
from smsd.policy import reply
from smsd.policy.rules.letter import Ask, Effect, Facts, Letter, Trace, Verdict
from smsd.policy.rules.model import Folder, Forward, Program, Respond, Url
from smsd.store.receiving import Arrival, Decided
from smsd.store.replies import Desk
from smsd.values.address import Address, masked
from smsd.values.delivery import State
from smsd.values.errors import InvalidValue, Refused
from smsd.values.frozen import frozen
from smsd.values.message import Binary, Content, Parameters, Recipient, Submission, Text
from smsd.values.plan import Acceptance, Planned

SELF = Address("account", "smsd")
DOOR = "answers"
ANSWER_MINUTES = 60
"""How long the server's own word to a phone is worth sending."""
MOST_ANSWERS = 20
"""Answers of rules to one phone within an hour: two machines that answer each other come to rest."""
_FIELD = re.compile(r"[!-9;-~]{1,60}")
_MOST_FIELDS = 50


class Arrivals:
    """Where a gateway's incoming messages go: its mailbox, and the From: pattern of the mail."""

    def __init__(self, deliver_to: str, mail_from: str, country: str | None) -> None:
        self.deliver_to = deliver_to
        self.mail_from = mail_from
        self.country = country


_NOBODY = Arrivals("", "%s", None)


def _local_time(now: int) -> tuple[int, int, str, str]:
    local = datetime.fromtimestamp(now / 1000)
    return local.weekday(), local.hour * 60 + local.minute, f"{local:%Y-%m-%d}", f"{local:%H:%M}"


@dataclass(frozen=True)
class Rulebook:
    """What incoming messages are judged by. `judge` is `engine.judge` with its rules (None: there are none), `further` what
    the outgoing rules make of a message that an incoming rule sends, `lists` the lines of list files by path, `trace` writes
    a verdict's trace as it is kept."""

    judge: Callable[[Letter, Facts], Verdict | Ask] | None = None
    further: Callable[[Submission, Facts], tuple[Submission, list[Submission]] | Ask] | None = None
    lists: Callable[[], Mapping[str, tuple[str, ...]]] = dict
    trace: Callable[[Verdict], str] | None = None
    when: Callable[[int], tuple[int, int, str, str]] = field(default=_local_time)


@frozen
class Known:
    """An arrival and what was found out about it at once. `peer` is the phone in its normal form; only to a `phone` a text
    can be sent back. `text` is the body, `address` what it named between hashes."""

    arrival: Arrival
    arrivals: Arrivals
    peer: str
    phone: bool
    text: str
    address: str = ""

    @property
    def content(self) -> Content:
        """The content that is delivered: without the address that it named."""
        return Text(self.text) if self.address else self.arrival.content


class Arriving:
    """Decides; see the module. `arrivals` maps gateway ids."""

    log = Logger()

    def __init__(self, planner: Planner, carried: Callable[[str], bool]) -> None:
        self._planner = planner
        self._carried = carried
        self.arrivals: dict[str, Arrivals] = {}
        self.postmaster = "postmaster@localhost"
        self.server_name = "localhost"
        self.replying = reply.Replying()
        self.rules = Rulebook()

    def facts(self) -> Facts:
        """What the rules know before they have asked anything."""
        return Facts(self.rules.lists())

    def decide(self, arrival: Arrival, desk: Desk, facts: Facts | None) -> Decided | Ask:
        """What becomes of an incoming message. Without facts nothing can be asked, and defaults count."""
        known = self._known(arrival)
        self.log.info(
            "gateway {gateway}: SMS from {sender}", gateway=arrival.gateway, sender=masked(known.peer)
        )
        if isinstance(arrival.content, Text) and not known.text:
            # Feature I5: what has no body goes to the trash; told to nobody.
            return Decided(self._on_record(known, State.CANCELLED, "a message with no body"), trash=True)
        if not known.address:
            links = desk.links(known.peer, arrival.now)
            found = reply.choose(links, arrival.gateway, self._own(known), self._carried) if links else None
            if isinstance(found, reply.Found):
                return Decided(self._answer(known, found))
            if isinstance(found, reply.Conflict):
                return Decided(self._conflict(known, found, desk))
        return self._judged(known, desk, facts)

    # -- what it is

    def _known(self, arrival: Arrival) -> Known:
        arrivals = self.arrivals.get(arrival.gateway, _NOBODY)
        peer, phone = arrival.sender, False
        try:
            number = normalise(arrival.sender, arrivals.country)
        except InvalidValue:
            pass  # networks let many things be a sender; kept as it came
        else:
            peer, phone = number.value, number.kind in ("international", "national")
        text = arrival.content.text if isinstance(arrival.content, Text) else ""
        tagged = reply.tag(text, self.replying)
        if tagged is not None:
            return Known(arrival, arrivals, peer, phone, tagged.text, tagged.address)
        return Known(arrival, arrivals, peer, phone, text if text.strip() else "")

    def _own(self, known: Known) -> str:
        """The number that was written to, in its normal form; "" when nobody knows."""
        own = known.arrival.own
        if not own:
            return ""
        try:
            return normalise(own, known.arrivals.country).value
        except InvalidValue:
            return own

    def _submission(self, known: Known, recipient: Recipient) -> Submission:
        arrival = known.arrival
        named = [("gateway", arrival.gateway), ("mail_from", known.arrivals.mail_from), *arrival.headers]
        if arrival.own:
            named.append(("own", arrival.own))
        return Submission(
            door=arrival.gateway,
            origin=Address("sms", known.peer or "unknown"),
            recipients=(recipient,),
            content=arrival.content,
            headers=tuple(named),
            key=arrival.key,
        )

    def _mailbox(self, known: Known) -> str:
        return known.arrivals.deliver_to or self.postmaster

    # -- the reply log

    def _answer(self, known: Known, found: reply.Found) -> Acceptance:
        """It goes to whoever wrote to this phone; no rule is asked (feature I3)."""
        sent, to = found.sent, found.origin
        submission = self._submission(known, Recipient(to, to.target))
        about = (
            ("in_reply_to", sent.message_id),
            ("subject", reply.answered(sent.subject)),
            ("answers", str(sent.delivery or "")),
        )
        submission = replace(
            submission, headers=(*submission.headers, *((name, value) for name, value in about if value))
        )
        step = f"reply log: {to} wrote to this phone (delivery {sent.delivery}) and gets its answer; no rule is asked"
        return self._traced(self._sent(submission) or self._waiting(submission), (step,))

    def _conflict(self, known: Known, conflict: reply.Conflict, desk: Desk) -> Acceptance:
        """Several people may be meant: the phone is told how to say who, and the message stays on record."""
        who = ", ".join(conflict.origins[:5]) + (", …" if len(conflict.origins) > 5 else "")
        reason = f"it may answer any of {len(conflict.origins)}: {who}; smsd asked the phone to name one"
        text = self.replying.conflict
        own_words = known.text.strip().casefold() in (text.strip().casefold(), reply.CONFLICT.casefold())
        if not text or not known.phone or own_words:
            reason = reason.replace("smsd asked the phone to name one", "the phone was not asked")
            told = None
        else:
            told = self._tell(known, "conflict", text, desk)
        acceptance = self._on_record(known, State.HELD, reason)
        return self._traced(_with(acceptance, [told]), ("reply log: conflict: " + reason,))

    def _tell(self, known: Known, what: str, text: str, desk: Desk) -> Acceptance | None:
        """The server's own word to a phone, once an hour, through the gateway that the phone wrote to. Nobody is told when it
        fails; nobody awaits an answer to it."""
        if not known.phone or not text.strip() or not desk.hush(known.peer, what, known.arrival.now):
            return None
        for gateway in (known.arrival.gateway, None):
            to = Recipient(
                Address("sms", known.peer),
                known.peer,
                Parameters(gateway=gateway, expire_minutes=ANSWER_MINUTES),
            )
            child = self._sent(Submission(DOOR, SELF, (to,), Text(text), hops=1))
            if child is not None:
                return child
        self.log.warn(
            "gateway {gateway}: {peer} cannot be told {what!r}: no gateway carries SMS",
            gateway=known.arrival.gateway, peer=masked(known.peer), what=what,
        )  # fmt: skip
        return None

    # -- the rules

    def _judged(self, known: Known, desk: Desk, facts: Facts | None) -> Decided | Ask:
        letter = self._letter(known)
        verdict = self._verdict(letter, facts)
        if isinstance(verdict, Ask):
            return verdict
        main = self._submission(known, self._recipient(known, verdict))
        further = self._further(known, verdict, main, desk, facts)
        if isinstance(further, Ask):
            return further
        children, delivered_by = further
        steps = (f"the text names {known.address}; the reply log is not asked",) if known.address else ()
        acceptance: Acceptance | None
        if verdict.fate == "reject":
            children.append(self._tell(known, "reject", verdict.text, desk))
            acceptance = self._on_record(
                known, State.REJECTED, f"rejected by the rule {verdict.trace.stopped!r}"
            )
        elif verdict.fate == "delete":
            acceptance = self._on_record(
                known, State.CANCELLED, f"deleted by the rule {verdict.trace.stopped!r}"
            )
        elif delivered_by:
            acceptance = self._on_record(known, State.DELIVERED, f"handed on by the rule {delivered_by!r}")
        else:
            acceptance = self._delivered(known, main, verdict)
        return Decided(self._traced(_with(acceptance, children), steps, verdict))

    def _letter(self, known: Known) -> Letter:
        content, now = known.arrival.content, known.arrival.now
        binary = isinstance(content, Binary)
        size = (
            len(content.data) if isinstance(content, Binary) else len(known.text.encode("utf-8", "replace"))
        )
        return Letter(
            outgoing=False, sender=self._sender(known), to=known.address, body=known.text, number=known.peer, size=size,
            door=known.arrival.gateway, gateway=known.arrival.gateway, binary=binary, when=self.rules.when(now),
        )  # fmt: skip

    def _sender(self, known: Known) -> str:
        """What the gateway's From: pattern makes of the number, as rules read it: `sms:+1555…@domain` (feature R6)."""
        try:
            envelope = reply_address(known.arrivals.mail_from, known.peer, self.server_name).envelope
        except InvalidValue:
            envelope = reply_address("%s", known.peer, self.server_name).envelope
        local, _, where = envelope.rpartition("@")
        if local.startswith('"'):
            local = re.sub(r"\\(.)", r"\1", local[1:-1])
        return f"{local}@{where}"

    def _verdict(self, letter: Letter, facts: Facts | None) -> Verdict | Ask:
        judge = self.rules.judge
        if judge is None:
            return Verdict("accept", letter)
        try:
            known = self.facts() if facts is None else facts
            verdict = judge(letter, known)
            while isinstance(verdict, Ask) and facts is None:
                missing = frozenset(verdict.questions) - known.failed
                if not missing:
                    break
                known = replace(known, failed=known.failed | missing)
                verdict = judge(letter, known)
        except Exception:  # whatever is wrong with the rules, the modem must be able to forget this message
            self.log.failure("the rules could not judge a message from {peer}", peer=masked(letter.number))
            return Verdict("accept", letter)
        if isinstance(verdict, Ask) and facts is None:
            return Verdict("accept", letter)
        return verdict

    def _recipient(self, known: Known, verdict: Verdict) -> Recipient:
        """Who gets it when no rule has handed it on, with what the rules have rewritten."""
        mailbox = known.address or self._mailbox(known)
        address, parameters = Address("mailto", mailbox), Parameters()
        if "to" in verdict.changed and verdict.letter.to.strip():
            address, parameters = self._rewritten_to(verdict.letter.to, address)
        content: Content | None = None
        headers = None
        if "body" in verdict.changed and isinstance(known.arrival.content, Text):
            content = Text(verdict.letter.body)
        elif known.address or verdict.changed & _SHOWN:
            content = known.content
        if verdict.changed & _SHOWN:
            headers = self._headers(known, verdict)
        if "priority" in verdict.changed:
            parameters = replace(parameters, priority=verdict.letter.priority)
        return Recipient(address, address.target, parameters, content=content, headers=headers)

    def _rewritten_to(self, to: str, otherwise: Address) -> tuple[Address, Parameters]:
        named = mail_headers.mailbox(to.encode("utf-8", "replace")) if "<" in to else to
        try:
            return effects.read_address(named)
        except InvalidValue as error:
            self.log.warn("a rule wrote a To: that is no address ({error}): it is not followed", error=error)
            return otherwise, Parameters()

    def _headers(self, known: Known, verdict: Verdict) -> tuple[tuple[str, str], ...]:
        """The headers of the mail as rules left them (`smsd.gateways.smtp.letters` reads these names)."""
        letter = verdict.letter
        found = list(self._submission(known, _NONE).headers)
        if "from" in verdict.changed and letter.sender.strip():
            found = [pair for pair in found if pair[0] != "mail_from"] + [("mail_from", letter.sender)]
        if letter.subject:
            found.append(("subject", letter.subject))
        for name, value in letter.headers[:_MOST_FIELDS]:
            if _FIELD.fullmatch(name):
                found.append((f"header:{name}", value))
        return tuple(found)

    def _delivered(self, known: Known, main: Submission, verdict: Verdict) -> Acceptance:
        """No rule has handed it on: it goes to the address that it names, or a rule wrote, or to the gateway's mailbox."""
        (recipient,) = main.recipients
        decided = bool(known.address) or "to" in verdict.changed
        acceptance = self._sent(main)
        if acceptance is None and recipient.address.scheme == "mailto":
            acceptance = self._waiting(main)
        elif acceptance is None:
            why = f"nothing carries it to {recipient.address}, where a rule sends it"
            return self._on_record(known, State.HELD, why)
        if decided or known.arrivals.deliver_to:
            return acceptance
        return held(acceptance, "nobody is configured to get this gateway's messages: set deliver_to")

    # -- what rules send besides

    def _further(
        self, known: Known, verdict: Verdict, main: Submission, desk: Desk, facts: Facts | None
    ) -> tuple[list[Acceptance | None], str] | Ask:
        """The messages that effects became, and the title of the rule that handed the message on ("" for none)."""
        planned: list[Acceptance | None] = []
        delivered_by = ""
        for effect in verdict.effects:
            if isinstance(effect.action, Respond) and not self._may_respond(known, effect.action.text, desk):
                continue
            one = replace(verdict, effects=(effect,))
            for child in effects.submissions(one, main, known.arrival.now, self._not_done(known)):
                ruled = self._ruled(self._dressed(child, effect, known, verdict), facts)
                if isinstance(ruled, Ask):
                    return ruled
                done = [made for made in map(self._sent, ruled) if made is not None]
                planned += done
                if done and _hands_on(effect):
                    delivered_by = effect.rule
                if not done:
                    self._not_done(known)(effect, "nothing can carry it")
        return planned, delivered_by

    def _dressed(self, child: Submission, effect: Effect, known: Known, verdict: Verdict) -> Submission:
        """What is forwarded by mail bears the headers that rules wrote, and the To: that they wrote (feature I1)."""
        if not isinstance(effect.action, (Forward, Folder)) or not verdict.changed & (_SHOWN | {"to"}):
            return child
        about = dict(self._headers(known, verdict))
        kept = [pair for pair in child.headers if pair[0] not in about]
        if "to" in verdict.changed and verdict.letter.to:
            kept.append(("to", verdict.letter.to))
        return replace(child, headers=(*kept, *self._headers(known, verdict)))

    def _ruled(self, child: Submission, facts: Facts | None) -> list[Submission] | Ask:
        if self.rules.further is None:
            return [child]
        known = self.facts() if facts is None else facts
        ruled = self.rules.further(child, known)
        while isinstance(ruled, Ask):
            missing = frozenset(ruled.questions) - known.failed
            if facts is not None:
                return ruled
            if not missing:
                return [child]
            known = replace(known, failed=known.failed | missing)
            ruled = self.rules.further(child, known)
        first, more = ruled
        return [first, *more]

    def _may_respond(self, known: Known, text: str, desk: Desk) -> bool:
        """A phone (no code, no name) gets the same answer of a rule once an hour, and not too many different ones."""
        if not known.phone:
            return False
        now, digest = known.arrival.now, hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]
        return desk.hush(known.peer, f"respond:{digest}", now) and desk.hush(
            known.peer, "respond", now, MOST_ANSWERS
        )

    def _not_done(self, known: Known) -> Callable[[Effect, Refused | str], None]:
        def told(effect: Effect, why: Refused | str) -> None:
            self.log.warn(
                "gateway {gateway}: the rule {rule!r} could not do what it says with a message from {peer}: {why}",
                gateway=known.arrival.gateway, rule=effect.rule, peer=masked(known.peer),
                why=why if isinstance(why, str) else why.text,
            )  # fmt: skip

        return told

    # -- plans

    def _sent(self, submission: Submission) -> Acceptance | None:
        """Its plan; None when nothing carries it."""
        try:
            acceptance = self._planner.plan(submission, reserve=False)
        except Refused as refusal:
            self.log.warn("{door}: cannot be sent: {why}", door=submission.door, why=refusal.text)
            return None
        return acceptance if acceptance.planned else None

    def _waiting(self, submission: Submission) -> Acceptance:
        """Nothing carries mail just now (a reload may be under way): it waits for what will."""
        self.log.warn(
            "gateway {gateway}: no gateway carries mail; the message waits", gateway=submission.door
        )
        (recipient,) = submission.recipients
        return _replaced(
            self._planner.unrouted(submission), content=recipient.content, headers=recipient.headers
        )

    def _on_record(self, known: Known, state: State, reason: str) -> Acceptance:
        """The message as it came, sent nowhere."""
        to = known.address or self._mailbox(known)
        submission = self._submission(known, Recipient(Address("mailto", to), to))
        return held(self._planner.unrouted(submission), reason, state)

    def _traced(
        self, acceptance: Acceptance, steps: tuple[str, ...], verdict: Verdict | None = None
    ) -> Acceptance:
        """With how it was decided, for the operator who asks why."""
        trace = verdict.trace if verdict is not None else Trace()
        if self.rules.trace is None or not (steps or trace.steps or trace.decided):
            return acceptance
        told = replace(
            verdict or Verdict("accept", _NO_LETTER), trace=replace(trace, steps=(*steps, *trace.steps))
        )
        return _replaced(acceptance, trace=self.rules.trace(told))


_SHOWN = frozenset({"subject", "from", "headers"})
_NONE = Recipient(Address("mailto", "nobody"))
_NO_LETTER = Letter(False, "", "", "")


def _hands_on(effect: Effect) -> bool:
    """Whether the message counts as delivered by this."""
    action = effect.action
    return isinstance(action, (Program, Url)) or (isinstance(action, (Forward, Folder)) and not action.copy)


def _with(acceptance: Acceptance, children: list[Acceptance | None]) -> Acceptance:
    """With what is sent besides, in the same commit."""
    own = tuple(child._replace(parent=acceptance.message) for child in children if child is not None)
    return acceptance._replace(children=own) if own else acceptance


def _replaced(acceptance: Acceptance, **changes: object) -> Acceptance:
    """With these fields of each delivery replaced."""
    return acceptance._replace(
        order=tuple(
            entry._replace(**changes) if isinstance(entry, Planned) else entry  # type: ignore[arg-type]
            for entry in acceptance.order
        )
    )
