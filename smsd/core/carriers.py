"""Who may carry a message: gateways, groups and pins as planning asks for them, and what an account may call itself.

Decides nothing about the message itself: that is `planning`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from smsd.policy import route as routes
from smsd.policy import senders
from smsd.values.account import Account
from smsd.values.errors import Reason, Refused
from smsd.values.message import Parameters


class Slots(Protocol):
    """What planning asks the queue."""

    def ways(self) -> list[routes.Way]:
        """All gateways that are configured and active; the same list until one comes or goes."""

    def reserve(self, route: str, flow: str, target: str, parts: int = 1) -> str | None:
        """A free slot of an idle gateway that may carry so many SMS at once, or None."""

    @property
    def groups(self) -> Mapping[str, routes.Group]:
        """Groups of gateways, by id; others mean other `ways`."""


@dataclass(frozen=True, slots=True)
class Carriers:
    """The gateways that may carry a delivery, as planning needs them: their route, the national tables all of them allow,
    the width of their concatenation references, whether any can set a sender."""

    route: str
    national: frozenset[int]
    width: int
    sender: bool


def pinned(parameters: Parameters, account: Account | None, scheme: str = "sms") -> str | None:
    """The id of the one gateway, or group, that may carry it: the caller's wish, else the account's, which is one for SMS."""
    if parameters.gateway is None:
        return account.gateway if account and scheme == "sms" else None
    return parameters.gateway or None


def check_sender(sender: str, account: Account) -> None:
    """Refused when an account may not call itself so."""
    if not senders.allowed(account.senders, sender, account.country):
        raise Refused(
            Reason.NOT_ALLOWED,
            f"account {account.name} may not send as {sender[:40]!r}: use {', '.join(account.senders[:10])}, or no sender",
        )


def find_route(
    ways: list[routes.Way],
    groups: Mapping[str, routes.Group],
    scheme: str,
    wanted: tuple[str, ...],
    pin: str | None,
) -> tuple[str, list[routes.Way]]:
    """The route, and the gateways that may carry it; Refused when there are none."""
    if pin is None:
        able = [way for way in ways if routes.can(way.abilities, scheme, wanted)]
        if not able:
            raise Refused(
                Reason.NO_GATEWAY,
                f"no gateway here carries this ({', '.join((scheme, *wanted))}): the administrator can add one",
            )
        return routes.pool(scheme, wanted), able
    if pin in groups:
        route = routes.group(pin, scheme, wanted)
        able = [way for way in ways if routes.serves(way, route, groups)]
        if not able:
            raise Refused(
                Reason.NO_GATEWAY, f"no gateway of group {pin} carries this ({', '.join((scheme, *wanted))})"
            )
        return route, able
    named = [way for way in ways if way.name == pin]
    if not named:
        raise Refused(Reason.UNKNOWN_GATEWAY, f"there is no gateway {pin!r}: leave the id away or correct it")
    if not routes.can(named[0].abilities, scheme, wanted):
        raise Refused(Reason.NO_GATEWAY, f"gateway {pin} cannot carry this ({', '.join((scheme, *wanted))})")
    return f"gw:{pin}", named
