"""`smsd token`: what programs show at the API instead of a password."""

from __future__ import annotations

import argparse
from typing import Any

from smsd.cli.client import DONE, call
from smsd.cli.output import as_json, moment, printable, table

SCOPES = ("send", "read", "incoming", "admin")


def add(commands: Any) -> None:
    """Add the verbs to the parser."""
    token = commands.add_parser(
        "token",
        help="what programs show at the API: create, list, revoke",
        epilog="examples:\n"
        "  smsd token create shop\n"
        "  smsd token create shop --scope send --days 365 --note 'the till'\n"
        "  smsd token create --scope admin --note monitoring\n"
        "  smsd token list\n"
        "  smsd token revoke 3",
    )
    verbs = token.add_subparsers(dest="verb", required=True, metavar="VERB")
    making = verbs.add_parser(
        "create", help="make one and show it, this once: it is kept as a hash, and nobody can show it again"
    )
    making.add_argument("account", nargs="?", default="", help="whose; nobody's with --scope admin alone")
    making.add_argument(
        "--scope", action="append", choices=SCOPES,
        help="what it may do; may be repeated (send, read and incoming, if not said)",
    )  # fmt: skip
    making.add_argument("--days", type=float, metavar="N", help="refused after so many days")
    making.add_argument("--note", default="", metavar="TEXT", help="what it is for")
    making.set_defaults(run=_create)
    listing = verbs.add_parser("list", help="those there are, and when each was last used")
    listing.add_argument("account", nargs="?", default="", help="only those of this account")
    listing.set_defaults(run=_list)
    revoking = verbs.add_parser("revoke", help="refuse it from this moment on")
    revoking.add_argument("token", type=int, nargs="+", help="its number in the list")
    revoking.set_defaults(run=_revoke)


def _create(options: argparse.Namespace) -> int:
    scopes = options.scope or ["send", "read", "incoming"]
    made = call(
        options, "token_create", account=options.account, scopes=scopes, days=options.days, note=options.note
    )
    if not as_json(options, made):
        print(made["token"])
    return DONE


def _list(options: argparse.Namespace) -> int:
    found = call(options, "tokens", account=options.account)
    if as_json(options, found):
        return DONE
    if not found:
        print("there is no token")
        return DONE
    table(
        [
            (
                one["id"], one["account"] or "-", ",".join(one["scopes"]), moment(one["created"]),
                moment(one["used"]), moment(one["expires"]), printable(one["note"]),
            )
            for one in found
        ],
        ("TOKEN", "ACCOUNT", "MAY", "MADE", "LAST USED", "EXPIRES", "NOTE"),
    )  # fmt: skip
    return DONE


def _revoke(options: argparse.Namespace) -> int:
    for token in options.token:
        call(options, "token_revoke", token=token)
        print(f"{token}: revoked")
    return DONE
