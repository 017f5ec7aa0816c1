"""The books of a server that is killed: they add up after every kill, and in the end everybody has paid for what was sent."""

from __future__ import annotations

import sqlite3
from typing import Any

from smsd.store import credit
from tests.rig.processes import until
from tests.rig.server import PASSWORD, USER, Server

PRICE, FUNDS = 125, 10_000_000
"""Of one SMS, and what the account has: 0.0125 and 1000, in ten-thousandths."""
EXTRA: dict[str, Any] = {
    "accounts": [{"user": USER, "password": PASSWORD, "demo": True, "prepaid": True}],
    "prices": {"currency": "EUR", "default": "0.0125"},
}


def fund(server: Server) -> None:
    """Run it for once, and pay."""
    server.start()
    server.ready()
    control = server.folder / "var" / "control.sock"
    until(control.exists, 20, "the control socket", server.process)
    server.ask("top_up", account=USER, amount="1000", reference="the first")
    server.stop()


def wrong(server: Server) -> list[str]:
    """Where the books of the store do not add up, as the last process has left it."""
    connection = sqlite3.connect(f"file:{server.database}?mode=ro", uri=True, timeout=120)
    try:
        return [f"books: {what}" for what in credit.wrong(connection)]
    finally:
        connection.close()


def paid(server: Server) -> tuple[dict[str, int], list[str]]:
    """Figures, and what is wrong when everything has left."""
    violations = wrong(server)
    ((sent,),) = server.rows(
        "select coalesce(sum(pieces), 0) from delivery where state in (2, 10) and target like 'sms:%'"
    )
    ((charged, twice),) = server.rows(
        "select count(*), count(*) - count(distinct delivery || '.' || seq) from ledger where kind='charged'"
    )
    ((available, reserved),) = server.rows("select available, reserved from balance")
    if (charged, twice) != (sent, 0):
        violations.append(f"books: {sent} SMS were sent and {charged} charged, {twice} of them twice")
    if (available, reserved) != (FUNDS - sent * PRICE, 0):
        violations.append(f"books: {available} is left and {reserved} reserved after {sent} SMS")
    return {"SMS sent": sent, "charged": charged, "charged twice": twice, "reserved": reserved}, violations
