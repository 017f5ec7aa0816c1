"""`smsd account`: accounts, account groups and policies of the running server, and what they have sent.

A password is asked for or read from standard input, made a hash here, and only the hash goes to the server: it is in no list of
processes and in no history of a shell.
"""

from __future__ import annotations

from typing import Any

from smsd.cli.account import changing, counting, looking
from smsd.cli.account.changing import SETTINGS, is_setting

__all__ = ["add", "is_setting"]


def add(commands: Any) -> None:
    """Add the verbs to the parser."""
    account = commands.add_parser(
        "account",
        help="who may send: list, show, add, set, remove, password, reset, release, switch, unlink",
        epilog="examples:\n"
        "  smsd account list\n"
        "  smsd account add ann gateway=gsm1 monthly_limit=500 expires=2027-12-31\n"
        "  smsd account set ann phone=+420776047467 senders=+420776047467,ACME\n"
        "  smsd account switch ann off\n"
        "  smsd account reset ann\n"
        "  smsd account add --group sales monthly_limit=1000\n"
        "  smsd account add --policy example.org access=yes\n\n" + SETTINGS,
    )
    verbs = account.add_subparsers(dest="verb", required=True, metavar="VERB")

    looking.add(verbs)
    changing.add(verbs)
    counting.add(verbs)
