"""`smsd audit`: who changed what."""

from __future__ import annotations

import argparse
import re
import time
from typing import Any

from smsd.cli.client import DONE, Refusal, call
from smsd.cli.output import as_json, moment, printable, table

_AGO = re.compile(r"([0-9]{1,6})([mhdw])")
_SECONDS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_FORMS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d")


def add(commands: Any) -> None:
    """Add the verb to the parser."""
    audit = commands.add_parser(
        "audit",
        help="who changed what",
        epilog="examples:\n"
        "  smsd audit\n"
        "  smsd audit --since 2h\n"
        "  smsd audit --since 2026-11-01 --subject ann\n"
        "  smsd audit --who root --verb account_set --limit 1000",
    )
    audit.add_argument(
        "--since", metavar="WHEN", help="from then on: 30m, 2h, 7d, 4w ago, or 2026-11-21 13:05"
    )
    audit.add_argument("--until", metavar="WHEN", help="before then")
    audit.add_argument("--who", default="", metavar="USER", help="only what this user or account did")
    audit.add_argument(
        "--verb", dest="wanted", default="", metavar="VERB", help="only this: account_set, retry"
    )
    audit.add_argument("--subject", default="", metavar="NAME", help="only what was done to this")
    audit.add_argument("--before", type=int, metavar="ID", help="go on behind this one")
    audit.add_argument("--limit", type=int, default=100, help="so many (default: %(default)s)")
    audit.set_defaults(run=_audit)


def _audit(options: argparse.Namespace) -> int:
    rows = call(
        options, "audit", since=_when(options.since), until=_when(options.until), who=options.who, what=options.wanted,
        subject=options.subject, before=options.before, limit=options.limit,
    )  # fmt: skip
    if as_json(options, rows):
        return DONE
    if not rows:
        print("nothing was changed")
        return DONE
    table(
        [
            (
                one["id"], moment(one["at"]), printable(one["who"]), one["verb"], printable(one["subject"]) or "-",
                _change(one),
            )
            for one in rows
        ],
        ("ID", "WHEN", "WHO", "WHAT", "SUBJECT", "CHANGE"),
    )  # fmt: skip
    return DONE


def _change(one: dict[str, Any]) -> str:
    before, after = printable(one["before"] or ""), printable(one["after"] or "")
    return f"{before} → {after}" if before else after


def _when(text: str | None) -> int | None:
    if text is None:
        return None
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return int((time.time() - int(ago[1]) * _SECONDS[ago[2]]) * 1000)
    for form in _FORMS:
        try:
            return int(time.mktime(time.strptime(text, form)) * 1000)
        except (ValueError, OverflowError):
            continue
    raise Refusal(f'{text!r} is no time: write 30m, 2h, 7d, 4w or "2026-11-21 13:05"')
