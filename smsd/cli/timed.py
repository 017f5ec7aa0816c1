"""`smsd timed`: the rules that run at a time, when they run next, and what came of the last time."""

from __future__ import annotations

import argparse
from typing import Any

from smsd.cli.client import DONE, call
from smsd.cli.output import as_json, moment, table


def add(commands: Any) -> None:
    """Add the verb to the parser."""
    timed = commands.add_parser(
        "timed",
        help="the rules that run at a time: what runs next",
        epilog="examples:\n  smsd timed\n  smsd timed --json",
    )
    timed.set_defaults(run=_timed)


def _timed(options: argparse.Namespace) -> int:
    rules = call(options, "timed")
    if as_json(options, rules):
        return DONE
    if not rules:
        print("no rule runs at a time")
        return DONE
    # Those that never run come last.
    rules.sort(key=lambda rule: (rule["next"] is None, rule["next"] or 0, rule["title"]))
    table(
        [
            (
                _next(rule),
                rule["title"],
                rule["times"],
                moment(rule["last"])[:16],
                rule["result"],
            )
            for rule in rules
        ],
        ("NEXT", "TITLE", "TIMES", "LAST", "WHAT CAME OF IT"),
    )
    return DONE


def _next(rule: Any) -> str:
    if not rule["active"]:
        return "not active"
    when = moment(rule["next"])[:16]
    return f"{when} (late)" if rule["waits"] else when
