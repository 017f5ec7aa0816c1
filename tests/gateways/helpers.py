"""What gateway tests share: an outlet that remembers, pieces, a context."""

from __future__ import annotations

from typing import Any

from zope.interface import implementer

from smsd.interfaces import GatewayContext, IOutlet
from smsd.values.address import Address
from smsd.values.delivery import Piece
from smsd.values.message import Text


@implementer(IOutlet)
class RecordingOutlet:
    """Keeps what it was told, in order: ("opened", slots) and ("closed", reason)."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []

    def opened(self, slots: int) -> None:
        self.told.append(("opened", slots))

    def closed(self, reason: str) -> None:
        self.told.append(("closed", reason))

    def reported(self, report: Any) -> Any:
        raise AssertionError("these gateways give no reports")


def context(reactor: Any) -> GatewayContext:
    """A context with a recording outlet, server name and postmaster."""
    return GatewayContext(
        reactor=reactor,
        outlet=RecordingOutlet(),
        inbound=None,
        memory=None,
        server_name="sms.example.org",
        postmaster="admin@example.org",
    )


def piece(**changes: Any) -> Piece:
    """An incoming SMS for a mailbox, with what a test wants changed."""
    values: dict[str, Any] = {
        "delivery": 77,
        "message": 42,
        "lane": 1,
        "gateway": "relay",
        "target": Address("mailto", "ann@example.org"),
        "content": Text("Hello from the phone"),
        "origin": Address("sms", "+15551234567"),
        "headers": (
            ("date", "1704103200000"),
            ("gateway", "modem1"),
            ("mail_from", "sms:%s@sms.example.org"),
        ),
        "arrived": 1704103201000,
    }
    values.update(changes)
    return Piece(**values)
