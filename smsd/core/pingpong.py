"""Two machines that answer each other: a program in a chat (or on a SIP phone) that answers whatever a phone writes, and a phone
that answers whatever it gets. In mail most such answers say what they are and never become an SMS; in chats nothing does.

What gives them away is that they answer at once, again and again. So answers that follow a phone's message within seconds are
counted for each pair, and the one too many is refused, which ends the circle: nobody has anything to answer then. Whoever
takes his time to read is never counted. In memory: who starts anew after a restart is stopped again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from twisted.logger import Logger

from smsd.policy.alert import CHATS
from smsd.values.address import Address, masked
from smsd.values.delivery import State
from smsd.values.errors import Reason, Refused
from smsd.values.plan import Acceptance

AT_ONCE = 10_000
"""Milliseconds within which an answer counts."""
HOUR = 3_600_000
MOST_PAIRS = 10_000
ANSWERING = (*CHATS, "mailto")
_ANSWERED = -AT_ONCE
"""When a phone was heard whose message has been answered."""


@dataclass(slots=True)
class _Pair:
    heard: int
    began: int = 0
    answers: int = 0


class PingPong:
    """`most` answers at once each hour, for each pair; 0 lets all pass. `now` gives Unix milliseconds."""

    log = Logger()

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._pairs: dict[tuple[str, str], _Pair] = {}
        self.most = 0

    def came(self, accepted: Acceptance) -> None:
        """What a phone wrote: those who get it may answer it."""
        phone = accepted.submission.origin
        if not self.most or phone.scheme != "sms":
            return
        for one in (accepted, *accepted.children):
            for planned in one.planned:
                if planned.target.scheme in ANSWERING and planned.state < State.DELIVERED:
                    self._heard(_pair(phone, planned.target))

    def _heard(self, key: tuple[str, str]) -> None:
        pair = self._pairs.pop(key, None) or _Pair(0)
        pair.heard = self._now()
        while len(self._pairs) >= MOST_PAIRS:
            del self._pairs[next(iter(self._pairs))]
        self._pairs[key] = pair

    def check(self, accepted: Acceptance) -> None:
        """What somebody writes; Refused when it goes in a circle. A text to many is no answer."""
        who = accepted.submission.origin
        if not self.most or not self._pairs or who.scheme not in ANSWERING or len(accepted.planned) != 1:
            return
        (planned,) = accepted.planned
        pair = self._pairs.get(_pair(planned.target, who)) if planned.target.scheme == "sms" else None
        now = self._now()
        if pair is None or planned.state >= State.DELIVERED or now - pair.heard > AT_ONCE:
            return
        if now - pair.began >= HOUR:
            pair.began, pair.answers = now, 0
        if pair.answers >= self.most:
            self.log.warn(
                "{who} and {phone} answer each other at once, {n} times within the hour: stopped, for two machines may do so"
                " without end (replies.answers_at_once)",
                who=masked(who.target), phone=masked(planned.target.target), n=self.most,
            )  # fmt: skip
            raise Refused(
                Reason.LOOP,
                f"not sent: {self.most} answers to this phone within an hour came in the very seconds after its messages, as when"
                f" two machines answer each other without end. Wait {AT_ONCE // 1000} seconds and send it again",
            )
        pair.answers += 1
        pair.heard = _ANSWERED


def _pair(phone: Address, who: Address) -> tuple[str, str]:
    """A number may be written without its plus where no country is configured."""
    return phone.target.removeprefix("+"), str(who).lower()
