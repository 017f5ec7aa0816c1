"""`smsd account reset` and `release`: the counters of an account, and the hold on one that has sent far more than usual."""

from __future__ import annotations

import argparse
import time
from typing import Any

from smsd.cli import client
from smsd.cli.account.looking import tell
from smsd.cli.account.words import named, verb
from smsd.cli.client import DONE, Refusal
from smsd.cli.output import as_json, printable


def add(verbs: Any) -> None:
    """Add them to the parser."""
    reset = named(verb(verbs, "reset", "set what it is said to have sent", _reset))
    reset.add_argument(
        "--this-month", type=int, metavar="N", help="messages (default, if nothing is given: 0)"
    )
    reset.add_argument("--last-month", type=int, metavar="N", help="messages of the month before")
    reset.add_argument("--last-sent", metavar="WHEN", help='"2026-11-21 13:05", or never')

    release = verbs.add_parser(
        "release",
        help="let an account that is held (it has sent far more than usual) go on, with what has waited",
    )
    release.add_argument("name", metavar="NAME")
    release.add_argument(
        "--cancel", action="store_true", help="cancel what has waited, instead of sending it"
    )
    release.set_defaults(run=_release)


def _reset(options: argparse.Namespace) -> int:
    given = {
        "sent": options.this_month,
        "sent_before": options.last_month,
        "last_sent": _moment(options.last_sent),
    }
    said = {name: value for name, value in given.items() if value is not None} or {"sent": 0}
    return tell(options, client.call(options, "account_reset", kind=options.kind, name=options.name, **said))


def _release(options: argparse.Namespace) -> int:
    told = client.call(options, "account_release", name=options.name, cancel=options.cancel)
    if as_json(options, told):
        return DONE
    what = "cancelled" if options.cancel else "on their way"
    print(f"{printable(options.name)}: is not held any more; {told['done']} messages are {what}")
    if told["left"]:
        print(
            f"{told['left']} wait on: smsd queue list --account {printable(options.name)} --state held has the reason"
        )
    return DONE


def _moment(text: str | None) -> int | None:
    if text is None:
        return None
    if text == "never":
        return 0
    for form in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d"):
        try:
            return int(time.mktime(time.strptime(text, form)) * 1000)
        except (ValueError, OverflowError):
            continue
    raise Refusal(f'{text!r} is no time: write "2026-11-21 13:05", or never')
