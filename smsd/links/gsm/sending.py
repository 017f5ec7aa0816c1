"""Carrying pieces out: one on the line, one behind it, each written at most once and its outcome classified.

Owns the queue of at most `SLOTS` pieces; must never write a PDU twice, segment, or keep anything durable. A piece whose
Ctrl-Z was written and whose answer did not come is unknown; one that was not written is given back at the gateway's cost.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from smsd.codec import at, segment, tpdu
from smsd.codec.dcs import Dcs
from smsd.links.gsm.errors import Lost, Silent
from smsd.links.gsm.session import Urgency
from smsd.values.delivery import Accepted, Failure, Kind, Piece, Scope
from smsd.values.errors import InvalidValue
from smsd.values.message import Binary, Text

if TYPE_CHECKING:
    from smsd.links.gsm.session import Dialogue
    from smsd.links.gsm.startup import Modem

SLOTS = 2
BURST_END = 1.0  # a modem may close the link this long after a message (27.005 3.5.6: 1 to 5 s)
MAX_SILENT = 3


def given_back(reason: str) -> Failure:
    """The gateway's trouble, not the message's: it was not written."""
    return Failure(Kind.TEMPORARY, reason, scope=Scope.GATEWAY)


def pdu(piece: Piece, now: float, reports: bool) -> tuple[str, int]:
    """The hexadecimal line and its length for `AT+CMGS`; `now` in seconds. Failure when it can never be sent."""
    content = piece.content
    try:
        if isinstance(content, Text):
            plan = segment.replan(content.text, piece.code, content.header, piece.total)
        elif isinstance(content, Binary):
            plan = segment.replan(content.data, piece.code, content.header)
        else:
            raise Failure(Kind.PERMANENT, "a modem carries texts and octets only", status="5.6.1")
        dcs = plan.dcs()
        wanted = piece.parameters.coding
        if wanted is not None:
            read = Dcs.read(wanted)
            fits = read.alphabet == plan.alphabet and not read.compressed
            dcs = wanted if fits else plan.dcs(read.message_class)
        octets = tpdu.encode_submit(
            piece.target.target,
            plan.user_data(piece.seq, piece.reference),
            dcs=dcs,
            pid=piece.parameters.protocol_id & 0xFF,
            validity_minutes=_minutes(piece.expires / 1000 - now) if piece.expires else None,
            status_report=piece.report and reports,
        )
    except (InvalidValue, IndexError) as error:
        raise Failure(
            Kind.PERMANENT, f"this message cannot be sent by a modem: {error}", status="5.6.0"
        ) from None
    return tpdu.frame(octets)


def _minutes(left: float) -> int:
    """`left` seconds as minutes, for TP-VP. Its steps grow to days and weeks: what is short of one by the little time that a
    message spent here must not lose the whole step."""
    return math.ceil(left / 60 * 1.01)


class Sender:
    """Sends over one open line. `trouble(verdict, delivery)` hears of refusals that are about the gateway, and tells whether
    they are; `stuck(reason)` of a modem that lets messages end in silence; both before the piece fails, so that the lane can
    close first."""

    log = Logger()

    def __init__(
        self,
        clock: Any,
        gateway: str,
        dialogue: Dialogue,
        modem: Modem,
        reports: bool,
        trouble: Callable[[at.Verdict, int], bool],
        stuck: Callable[[str], None],
    ) -> None:
        self._clock = clock
        self._gateway = gateway
        self._dialogue = dialogue
        self._modem = modem
        self._reports = reports and modem.profile.reports and modem.receives
        self._trouble = trouble
        self._stuck = stuck
        self._next: deque[tuple[Piece, str, int, Deferred[Accepted]]] = deque()
        self._busy = False
        self._stopped: str | None = None
        self._idle: list[Deferred[None]] = []
        self._silent = 0
        self._kept = False
        self._kept_until = 0.0
        self.sent = 0

    def send(self, piece: Piece) -> Deferred[Accepted]:
        """Carry a piece: on the line at once if it is free."""
        result: Deferred[Accepted] = Deferred()
        if self._stopped is not None:
            result.errback(given_back(self._stopped))
            return result
        try:
            text, length = pdu(piece, self._clock.seconds(), self._reports)
        except Failure as failure:
            result.errback(failure)
            return result
        self._next.append((piece, text, length, result))
        self._pump()
        return result

    def stop(self, reason: str) -> Deferred[None]:
        """Give back what was not written; fires when what is on the wire has its outcome."""
        self._stopped = reason
        idle: Deferred[None] = Deferred()
        if self._busy:
            self._idle.append(idle)
        else:
            idle.callback(None)
        self._give_back(reason)
        return idle

    def _give_back(self, reason: str) -> None:
        waiting, self._next = self._next, deque()
        for _, _, _, result in waiting:
            result.errback(given_back(reason))

    def _pump(self) -> None:
        if self._busy or not self._next or self._stopped is not None:
            return
        self._busy = True
        piece, text, length, result = self._next.popleft()
        self._kept = self._kept and self._clock.seconds() < self._kept_until
        if self._modem.burst == 1 and self._next and not self._kept:
            self._kept = True
            kept = self._dialogue.ask("AT+CMMS=1", urgency=Urgency.SEND)
            kept.addErrback(lambda _: None)  # a modem that is silent or gone shows in the message itself
        answered = self._dialogue.submit(f"AT+CMGS={length}", text)
        answered.addCallbacks(
            self._answered, self._unanswered, callbackArgs=(piece, result), errbackArgs=(result,)
        )

    def _done(self) -> None:
        """The line is free: the next PDU leaves before anybody hears of this one."""
        self._busy = False
        self._kept_until = self._clock.seconds() + BURST_END
        self._pump()
        if not self._busy:
            waiting, self._idle = self._idle, []
            for idle in waiting:
                idle.callback(None)

    def _answered(self, answer: at.Answer, piece: Piece, result: Deferred[Accepted]) -> None:
        self._silent = 0
        number = at.reference(answer.lines)
        if answer.ok and number is None and not self._dialogue.certain:
            self._done()
            result.errback(
                Failure(Kind.UNKNOWN, "an OK without reference, which may belong to something else")
            )
            return
        if answer.ok:
            self.sent += 1
            self._done()
            result.callback(Accepted(None if number is None else str(number)))
            return
        if answer.written and number is not None:
            failure = Failure(Kind.UNKNOWN, f"the modem gave a reference, then {answer.outcome.text}")
        else:
            failure = at.failure(answer.outcome, piece.tries)
            if failure.kind is Kind.PERMANENT and not self._dialogue.certain:
                failure = Failure(Kind.TEMPORARY, failure.reason, maybe_sent=failure.maybe_sent)
            verdict = at.judge(answer.outcome)
            if verdict.remedy is not at.Remedy.NOTHING and not self._trouble(verdict, piece.delivery):
                failure = Failure(Kind.TEMPORARY, failure.reason, status="4.0.0")
        self._done()
        result.errback(failure)

    def _unanswered(self, reason: Any, result: Deferred[Accepted]) -> None:
        error = reason.value
        reason.trap(Silent, Lost)
        if error.written:
            failure = Failure(
                Kind.UNKNOWN, f"{error}; the network may have taken the message", scope=Scope.GATEWAY
            )
        else:
            failure = given_back(str(error))
        if isinstance(error, Silent):
            self._silent += 1
            if self._silent >= MAX_SILENT:
                self._stuck(f"{MAX_SILENT} messages in a row could not be sent")
        self._done()
        result.errback(failure)
