"""`smsd account list` and `show`: what there is, and everything known of one."""

from __future__ import annotations

import argparse
import shlex
import sys
from typing import Any

from smsd.cli import client
from smsd.cli.account.words import named, verb
from smsd.cli.client import DONE
from smsd.cli.output import as_json, moment, printable, table


def add(verbs: Any) -> None:
    """Add them to the parser."""
    listing = verb(verbs, "list", "accounts, with what they have sent", _list)
    listing.add_argument("--after", default="", metavar="NAME", help="go on behind this one")
    listing.add_argument("--limit", type=int, default=1000, help="so many (default: %(default)s)")

    named(verb(verbs, "show", "everything known of one", _show))


def _list(options: argparse.Namespace) -> int:
    rows = client.call(options, "accounts", kind=options.kind, after=options.after, limit=options.limit)
    if as_json(options, rows):
        return DONE
    if not rows:
        print(f"there is no {options.kind}")
        return DONE
    head: tuple[str, ...]
    lines: list[tuple[Any, ...]]
    if options.kind == "policy":
        head = ("WHO", "ACCESS", "GATEWAY", "GROUP", "IN")
        lines = [
            (row["name"], _switched(row["access"]), row["gateway"] or "-", row["group"] or "-", row["source"])
            for row in rows
        ]
    else:
        head = (
            "NAME",
            "ACTIVE",
            "GATEWAY",
            "EXPIRES",
            "LIMIT",
            "THIS MONTH",
            "LAST MONTH",
            "LAST SENT",
            "IN",
        )
        lines = [
            (
                row["name"],
                "broken" if "active" not in row else _switched(row["active"]),
                row.get("gateway") or "-",
                row.get("expires") or "-",
                row.get("monthly_limit") or "-",
                row["sent_this_month"],
                row["sent_last_month"],
                moment(row["last_sent"]),
                row["source"],
            )
            for row in rows
        ]
    table(lines, head)
    if len(rows) >= options.limit:
        kind = "" if options.kind == "account" else f" --{options.kind}"
        after = shlex.quote(printable(rows[-1]["name"]))
        print(f"perhaps there are more: smsd account list{kind} --after {after}", file=sys.stderr)
    return DONE


def _switched(value: bool | None) -> str:
    return "-" if value is None else "yes" if value else "no"


def _show(options: argparse.Namespace) -> int:
    return tell(options, client.call(options, "account", kind=options.kind, name=options.name))


def tell(options: argparse.Namespace, told: dict[str, Any]) -> int:
    """Print everything known of one."""
    if as_json(options, told):
        return DONE
    lines = []
    linked = [(f"linked by {one['gateway']}", _linked(one)) for one in told.pop("linked", ())]
    for name, value in told.items():
        if name == "last_sent":
            value = moment(value) if value else "never"
        elif isinstance(value, bool) or value is None:
            value = _switched(value)
        elif isinstance(value, list):
            value = ", ".join(map(str, value)) or "-"
        elif isinstance(value, dict):
            continue
        lines.append((name.replace("_", " "), "-" if value == "" else printable(str(value))))
    table(lines + linked)
    return DONE


def _linked(one: dict[str, Any]) -> str:
    """A chat address or a phone, and until when it is registered."""
    until = one["until"]
    return printable(one["address"]) + (f", until {moment(until)}" if until else "")
