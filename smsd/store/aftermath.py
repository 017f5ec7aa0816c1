"""What became of a delivery, for people: its parts and what networks call them, what they reported of it, what followed from it.

Questions only, asked of a connection that reads.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from smsd.codec import webhooks
from smsd.policy.gather import DOOR as DIGEST
from smsd.store.rows import CALL, DELIVERIES_OF, REPORT
from smsd.values.delivery import State

MOST = 500
FOLLOWED = ("reports", "answers", "copies", "effects", "digests")
"""What can follow from a message: told to its sender, said by the server or a program, the same text to others, what else rules
did, the digest it left in."""


def parts(connection: sqlite3.Connection, delivery: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every part that has left: by which gateway, what the network calls it, what it last reported. One line for a message
    that left whole."""
    found = [
        dict(row)
        for row in connection.execute(
            "select seq as part, gateway, reference, at, reported from piece where delivery=? order by seq",
            (delivery["id"],),
        )
    ]
    if found or not delivery["network_reference"]:
        return found
    return [
        {
            "part": 1,
            "gateway": delivery["gateway"],
            "reference": delivery["network_reference"],
            "at": None,
            "reported": None,
        }
    ]


def heard(connection: sqlite3.Connection, delivery: int) -> list[dict[str, Any]]:
    """Every report of a network, in the order they came: of which part, under which name, when it happened and in its words."""
    rows = connection.execute(
        "select part, name as reference, status, detail as words, at, heard from network_report where delivery=?"
        " order by heard, part limit ?",
        (delivery, MOST),
    )
    return [dict(row) for row in rows]


def followed(connection: sqlite3.Connection, message: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The deliveries that followed from a message, by kind (`FOLLOWED`)."""
    found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in FOLLOWED}
    for child in connection.execute(
        "select id, door, kind, body, headers from message where parent=? order by id limit ?",
        (message["id"], MOST),
    ).fetchall():
        kind = _kind(message, child)
        event = json.loads(child["body"]).get("event", "") if kind == "reports" else ""
        for row in connection.execute(
            f"select id, target, state from delivery where id in (select id from ({DELIVERIES_OF}))",
            {"message": child["id"]},
        ):
            target = webhooks.shown(row["target"])
            one = {"id": row["id"], "target": target, "state": State(row["state"]).name.lower()}
            found[kind].append({"tells": event, **one} if event else one)
    return found


def _kind(message: Mapping[str, Any], row: sqlite3.Row) -> str:
    if row["kind"] == REPORT:
        return "reports"
    if row["door"] == DIGEST:
        return "digests"
    if row["kind"] == CALL:
        return "effects"
    headers = dict(json.loads(row["headers"])) if row["headers"] else {}
    if row["door"] == "answers" or "auto_submitted" in headers:
        return "answers"
    same = (row["kind"], row["body"]) == (message["kind"], message["body"])
    return "copies" if same else "effects"
