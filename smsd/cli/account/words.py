"""What the verbs of `smsd account` have in common on the command line: a name, and of which kind."""

from __future__ import annotations

import argparse
from typing import Any


def verb(verbs: Any, name: str, told: str, run: Any) -> argparse.ArgumentParser:
    """A verb that takes --group and --policy."""
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=told)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--group", dest="kind", action="store_const", const="group", help="of an account group")
    what.add_argument(
        "--policy",
        dest="kind",
        action="store_const",
        const="policy",
        help="of mail users: an address, a domain, *",
    )
    parser.set_defaults(run=run, kind="account")
    return parser


def named(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """One that is about NAME."""
    parser.add_argument("name", metavar="NAME")
    return parser
