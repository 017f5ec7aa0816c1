"""What rules say of how a message leaves (cap, digest, hold, escalate), as the store understands it: times instead of hours,
addresses instead of texts. The rest is `smsd.store.gathering`'s and `smsd.store.alerts`'s."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import tzinfo

from smsd.core.effects import read_address
from smsd.policy.gather import hold_until
from smsd.policy.rules.letter import Effect
from smsd.policy.rules.model import Cap, Escalate, Gather, Hold
from smsd.policy.step import MINUTE
from smsd.values.address import Address
from smsd.values.errors import InvalidValue, Reason, Refused
from smsd.values.message import Care, Escalation, Parameters, Pause, Window


def cares(
    effects: Iterable[Effect], now: int, zone: tzinfo | None, failed: Callable[[Effect, Refused], None]
) -> tuple[Care, ...]:
    """What these effects ask for, in their order. `failed` is told of an address that is none; the others are asked."""
    found: list[Care] = []
    for effect in effects:
        action = effect.action
        if isinstance(action, Cap):
            found.append(Window(effect.rule, action.most, action.minutes * MINUTE, action.text, effect.user))
        elif isinstance(action, Gather):
            found.append(Window(effect.rule, 0, action.minutes * MINUTE, action.text, effect.user))
        elif isinstance(action, Hold):
            until = hold_until(action.start, action.until, now, zone)
            if until:
                found.append(Pause(effect.rule, until))
        elif isinstance(action, Escalate):
            to = _addresses(effect, action, failed)
            found.append(Escalation(effect.rule, to, action.minutes * MINUTE, action.answers, effect.user))
    return tuple(found)


def _addresses(
    effect: Effect, action: Escalate, failed: Callable[[Effect, Refused], None]
) -> tuple[tuple[Address, Parameters], ...]:
    found = []
    for text in action.to:
        try:
            found.append(read_address(text))
        except InvalidValue as error:
            failed(effect, Refused(Reason.BAD_REQUEST, str(error)))
    return tuple(found)
