"""`smsd explain`: why a message went where it went, and what would become of one that does not exist."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from smsd.cli.aftermath import after
from smsd.cli.client import DONE, REFUSED, Refusal, call
from smsd.cli.output import as_json, moment, printable, shortened, table, until


def add(commands: Any) -> None:
    """Add the verb to the parser."""
    explain = commands.add_parser(
        "explain",
        help="why a message went where it went",
        epilog="examples:\n"
        "  smsd explain 911813352047513600\n"
        "  smsd explain --dry-run --from ann@example.org --to +15551234567 --text 'The cellar is under water'\n"
        "  smsd explain --dry-run --account shop --at 23:30 --to +15551234567@gsm1 --text Hello\n"
        "  smsd explain --dry-run --incoming --gateway gsm1 --from +15551234567 --text 'STOP'",
    )
    add_argument = explain.add_argument
    add_argument(
        "delivery",
        type=int,
        nargs="?",
        help="its number in `smsd queue list` or `smsd log`, or its message's",
    )
    add_argument("--dry-run", action="store_true", help="try a message; nothing is sent or kept")
    add_argument("--incoming", action="store_true", help="one that comes from a phone")
    add_argument("--from", dest="sender", default="", metavar="ADDRESS", help="who writes")
    add_argument(
        "--to", default="", metavar="NUMBER", help="who gets it; NUMBER@GATEWAY and &maxmsgs=1 are possible"
    )
    add_argument("--text", default="", help="what it says")
    add_argument("--subject", default="", help="its subject, if it is a mail")
    add_argument("--account", default="", help="whose account sends it")
    add_argument(
        "--gateway", default="", metavar="ID", help="which one the sender asks for, or it comes in by"
    )
    add_argument(
        "--at", default="", metavar="TIME", help='when: 23:30, or "2026-12-24 23:30"; now, if not said'
    )
    add_argument("--door", default="", metavar="ID", help="the listener that takes it")
    add_argument("--ip", default="", metavar="ADDRESS", help="where its client is")
    add_argument("--host", default="", metavar="NAME", help="what its client calls itself")
    add_argument(
        "--header", action="append", metavar="NAME: VALUE", help="a header, if it is a mail; may be repeated"
    )
    add_argument("--all", action="store_true", help="every rule, however many did not match in a row")
    explain.set_defaults(run=_explain)


def _explain(options: argparse.Namespace) -> int:
    if options.dry_run:
        return _trial(options)
    if options.delivery is None:
        raise Refusal("give the number of a delivery, or --dry-run with --from, --to and --text")
    told = call(options, "explain", delivery=options.delivery)
    if as_json(options, told):
        return DONE
    about = told["about"]
    print(f"{told['target']}: {told['state']}{', perhaps sent twice' if told['maybe_twice'] else ''}")
    print(f"came {moment(about['arrived'])} from {about['origin']} through {about['door']}")
    errand = told["target"].partition(":")[0] in _ERRANDS
    if about["parent"] and errand:
        print(f"the rule {told['typed']!r} wants it, because of message {about['parent']}")
    elif about["parent"]:
        print(f"{_WHY.get(about['door'], 'sent')} because of message {about['parent']}")
    print("\nrules:")
    _rules(told["rules"], options.all)
    if errand:
        print(f"\nwhat is run: {printable(shortened(about['body'], 1000))}")
    if told.get("made") is not None:
        print(f"\nsent as: {printable(shortened(told['made'], 1000))}")
    print(f"\nroute: {told['route']}{', carried by ' + told['gateway'] if told['gateway'] else ''}")
    if told.get("tried"):
        print(f"already asked: {', '.join(told['tried'].split(','))}")
    if told["reason"]:
        print(f"why: {printable(told['reason'])}{until(told)}")
    for gateway, why in told.get("waits", {}).items():
        if why:
            print(f"waits for {gateway}: {printable(why)}")
    if told.get("nobody"):
        print(
            f"waits: {printable(told['nobody'])}: add it again (smsd reload), or smsd queue cancel {told['id']}"
        )
    for alert in told["alerts"]:
        print(f"alert: {printable(_alert(alert))}")
    after(told)
    return DONE


def _rules(lines: Sequence[str], every: bool) -> None:
    """A line for each rule; of very many in a row that did nothing only the first few, for the others are not read anyway."""
    for idle, run in groupby(lines, _idle):
        shown = list(run)
        left = len(shown) - _FEW if idle and not every and len(shown) > _MANY else 0
        for line in shown[: len(shown) - left]:
            print(f"  {printable(line)}")
        if left:
            print(f"  … {left:,} rules more that did nothing (--all shows them)")


def _idle(line: str) -> bool:
    return any(f": {how}" in line for how in ("did not match", "not asked", "switched off"))


_MANY, _FEW = 40, 3

_ERRANDS = ("program", "url", "sql")
"""Schemes of what rules do outside."""
_WHY = {
    "rules": "sent by a rule",
    "notice": "a report",
    "answers": "the server's own word",
    "digest": "a digest",
}
"""What a message is that came from another, by the door it has instead of a door."""


def _alert(alert: dict[str, Any]) -> str:
    """One line: where the asking stands."""
    told = f"the rule {alert['rule']!r} asked {', '.join(alert['asked'])}: {alert['state']}"
    if alert["answered_by"]:
        told += f" by {alert['answered_by']}"
    if alert["next"]:
        told += f", {'the next one is asked' if alert['left'] else 'ends'} at {moment(alert['next'])}"
    return told + (f"; {alert['more']} more joined it" if alert["more"] else "")


def _trial(options: argparse.Namespace) -> int:
    given: dict[str, Any] = {
        "from": options.sender, "to": options.to, "text": options.text, "subject": options.subject,
        "account": options.account, "gateway": options.gateway, "incoming": options.incoming, "door": options.door,
        "ip": options.ip, "host": options.host, "headers": options.header or [], "at": options.at,
    }  # fmt: skip
    if not options.incoming and not options.to:
        raise Refusal("--dry-run needs --to: whose phone the message is for")
    told = call(options, "trial", **given)
    if as_json(options, told):
        return DONE
    print("rules:")
    _rules(told["rules"], options.all)
    print(f"\nfate: {told['fate']}{': ' + printable(told['why']) if told.get('why') else ''}")
    if told["fate"] != "refused":
        table(
            [
                (name, printable(str(told[name])))
                for name in ("to", "route", "text", "parts", "encoding")
                if told.get(name)
            ]
        )
    for note in told.get("notes", ()):
        print(f"note: {printable(note)}")
    for one in told.get("sends", ()):
        print(f"also sends to {one['to']}: {printable(one['what'])}")
    return REFUSED if told["fate"] == "refused" else DONE
