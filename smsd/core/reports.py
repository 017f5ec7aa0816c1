"""Where networks' reports come in, from gateways and from doors alike: whichever gateway they are for, running or not.

What a report names means something only at the provider account that the message went through, so several gateways with one
account there share a `Space`. What becomes of the message is decided in the store (`store.ledger`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import implementer

from smsd.codec.number import normalise
from smsd.interfaces import IReports
from smsd.store.ledger import KEEP, Reported, names_of
from smsd.store.sqlite import SqliteStore
from smsd.values.delivery import Accepted, NetworkReport
from smsd.values.errors import InvalidValue
from smsd.values.plan import Settlement

HOUR = 60 * 60_000


@dataclass(frozen=True, slots=True)
class Space:
    """Where references mean something: `name` is the account at the provider, `country` how it spells numbers, `way` how its
    reports spell references (`policy.reference.WAYS`)."""

    name: str
    country: str | None = None
    way: str = ""


@implementer(IReports)
class Reports:
    """See `IReports`. `spaces` has those of the configured gateways; any other gateway is one for itself. `keep` is how long a
    report waits for its message (ms). `wake` is told of lanes that got something new."""

    def __init__(self, store: SqliteStore, wake: Callable[[int], None]) -> None:
        self._store = store
        self._wake = wake
        self.spaces: dict[str, Space] = {}
        self.keep = KEEP

    def use(self, gateways: Iterable[Any], country: str | None, hours: int) -> None:
        """Take the accounts of configured gateways; `country` is the server's."""
        self.spaces = {
            gateway.id: Space(
                gateway.report_account or gateway.id,
                gateway.country or country,
                "" if gateway.report_ids == "any" else gateway.report_ids,
            )
            for gateway in gateways
        }
        self.keep = hours * HOUR

    def space(self, gateway: str) -> Space:
        """The space of a gateway's references."""
        return self.spaces.get(gateway) or Space(gateway)

    def awaited(self, settlement: Settlement, outcome: Accepted) -> Settlement:
        """The settlement of a piece that somebody wants a report of: with its space, if the network has named it."""
        if not names_of(outcome):
            return settlement
        space = self.space(settlement.piece.gateway)
        return settlement._replace(space=space.name, way=space.way)

    def reported(self, gateway: str, report: NetworkReport) -> Deferred[bool]:
        """See `IReports`; fires after the commit."""
        space = self.space(gateway)
        if not report.delivery:
            # Networks spell numbers as they like: what is none is compared as it came.
            with contextlib.suppress(InvalidValue):
                report = replace(report, number=normalise(report.number, space.country).value)
        said = Reported(space.name, report, self._store.now(), self.keep, space.way)
        return self._store.reported(said).addCallback(self._applied)

    def _applied(self, woken: tuple[int, ...] | None) -> bool:
        for lane in woken or ():
            self._wake(lane)
        return woken is not None
