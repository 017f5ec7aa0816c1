"""`smsd callbacks`: events that programs are told by HTTP: what waits, what is dead, and that again."""

from __future__ import annotations

import argparse
import base64
import secrets
from typing import Any

from smsd.cli.client import DONE, Refusal, call
from smsd.cli.output import as_json, moment, printable, table

OCTETS = 32


def add(commands: Any) -> None:
    """Add the verbs to the parser."""
    callbacks = commands.add_parser(
        "callbacks",
        help="what programs are told by HTTP: list, replay, secret",
        epilog="examples:\n"
        "  smsd callbacks list\n"
        "  smsd callbacks list --dead --subscriber shop\n"
        "  smsd callbacks replay 911813352047513600\n"
        "  smsd callbacks replay --subscriber shop\n"
        "  smsd callbacks secret",
    )
    verbs = callbacks.add_subparsers(dest="verb", required=True, metavar="VERB")
    listing = verbs.add_parser("list", help="events that wait or, with --dead, those nobody wanted in time")
    listing.add_argument("--dead", action="store_true", help="those that expired or were refused for ever")
    listing.add_argument("--subscriber", metavar="ID", help="only those of this subscriber")
    listing.add_argument("--limit", type=int, default=50, help="so many (default: %(default)s)")
    listing.add_argument("--before", type=int, default=0, metavar="EVENT", help="older than this one")
    listing.set_defaults(run=_list)
    again = verbs.add_parser(
        "replay", help="tell dead events again, under the same ids; a subscriber that has stopped goes on"
    )
    again.add_argument("event", type=int, nargs="*", help="its number in the list")
    again.add_argument("--subscriber", metavar="ID", help="all dead ones of this subscriber")
    again.add_argument("--all", action="store_true", help="all dead ones")
    again.set_defaults(run=_replay)
    secret = verbs.add_parser("secret", help="make a secret for a subscriber; it is kept nowhere")
    secret.set_defaults(run=_secret)


def _list(options: argparse.Namespace) -> int:
    rows = call(
        options,
        "callbacks",
        dead=options.dead,
        subscriber=options.subscriber,
        before=options.before,
        limit=options.limit,
    )
    if as_json(options, rows):
        return DONE
    if not rows:
        print("no event is dead" if options.dead else "no event waits")
        return DONE
    table(
        [
            (
                row["id"],
                moment(row["arrived"]),
                row["event"],
                printable(row["to"]),
                row["state"],
                row["attempts"],
                moment(row["expires"]),
                printable(row["reason"]),
            )
            for row in rows
        ],
        ("EVENT", "HAPPENED", "WHAT", "TO", "STATE", "TRIES", "UNTIL", "WHY"),
    )
    return DONE


def _replay(options: argparse.Namespace) -> int:
    chosen = [bool(options.event), options.subscriber is not None, options.all]
    if sum(chosen) != 1:
        raise Refusal("name events, or --subscriber ID, or --all")
    if options.event:
        count = sum(call(options, "replay", delivery=event) for event in options.event)
    else:
        count = call(options, "replay", subscriber=options.subscriber, all=options.all)
    if not as_json(options, count):
        print(f"{count} event{'' if count == 1 else 's'} will be told again")
    return DONE


def _secret(options: argparse.Namespace) -> int:
    print("whsec_" + base64.b64encode(secrets.token_bytes(OCTETS)).decode("ascii"))
    return DONE
