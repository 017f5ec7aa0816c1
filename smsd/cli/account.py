"""`smsd account`: accounts, account groups and policies of the running server, and what they have sent.

A password is asked for or read from standard input, made a hash here, and only the hash goes to the server: it is in no list of
processes and in no history of a shell.
"""

from __future__ import annotations

import argparse
import getpass
import shlex
import sys
import time
from typing import Any

from smsd.cli.client import DONE, Refusal, call
from smsd.cli.output import as_json, moment, printable, table

SETTINGS = """settings are written NAME=VALUE; several values with commas; nothing after the = is the default again:
  accounts  active description gateway expires monthly_limit phone email country
            group networks senders jids text max_parts_refuse prepaid may_surge
  groups    active description gateway expires monthly_limit prepaid
  policies  access description gateway expires monthly_limit phone email country
            group senders text max_parts_refuse prepaid may_surge"""


def add(commands: Any) -> None:
    """Add the verbs to the parser."""
    account = commands.add_parser(
        "account",
        help="who may send: list, show, add, set, remove, password, reset, release, switch",
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

    listing = _verb(verbs, "list", "accounts, with what they have sent", _list)
    listing.add_argument("--after", default="", metavar="NAME", help="go on behind this one")
    listing.add_argument("--limit", type=int, default=1000, help="so many (default: %(default)s)")

    _name(_verb(verbs, "show", "everything known of one", _show))

    adding = _name(
        _verb(verbs, "add", "make one; its password is asked for, or read from standard input", _add)
    )
    adding.add_argument("settings", nargs="*", metavar="NAME=VALUE")
    adding.add_argument(
        "--no-password", action="store_true", help="it has none; then it needs networks=192.0.2.0/24"
    )
    adding.epilog = SETTINGS

    change = _name(_verb(verbs, "set", "change settings", _set))
    change.add_argument("settings", nargs="+", metavar="NAME=VALUE")
    change.epilog = SETTINGS

    _name(_verb(verbs, "remove", "there is none any more; what it has sent stays counted", _remove))

    word = _name(_verb(verbs, "password", "a new password, asked for or read from standard input", _password))
    word.add_argument("--none", action="store_true", help="none; then it needs networks")
    word.add_argument(
        "--sip", metavar="REALM", help="the one for SIP phones at this realm (the gateway's first domain)"
    )

    reset = _name(_verb(verbs, "reset", "set what it is said to have sent", _reset))
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

    switch = _name(_verb(verbs, "switch", "on: it can be used; off: it cannot", _switch))
    switch.add_argument("way", choices=("on", "off"))


def _verb(verbs: Any, name: str, told: str, run: Any) -> argparse.ArgumentParser:
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


def _name(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("name", metavar="NAME")
    return parser


def is_setting(word: str) -> bool:
    """Whether a word of the command line is a setting with its value."""
    return "=" in word and not word.startswith("-")


def _list(options: argparse.Namespace) -> int:
    rows = call(options, "accounts", kind=options.kind, after=options.after, limit=options.limit)
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
    return _told(options, call(options, "account", kind=options.kind, name=options.name))


def _told(options: argparse.Namespace, told: dict[str, Any]) -> int:
    if as_json(options, told):
        return DONE
    lines = []
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
    table(lines)
    return DONE


def _add(options: argparse.Namespace) -> int:
    settings = _read(options.settings)
    if options.kind == "account" and not options.no_password:
        settings["password"] = _asked()
    told = call(options, "account_add", kind=options.kind, name=options.name, settings=settings)
    return _told(options, told)


def _set(options: argparse.Namespace) -> int:
    settings = _read(options.settings)
    return _told(
        options, call(options, "account_set", kind=options.kind, name=options.name, settings=settings)
    )


def _remove(options: argparse.Namespace) -> int:
    call(options, "account_remove", kind=options.kind, name=options.name)
    print(f"{options.kind} {printable(options.name)}: removed")
    return DONE


def _password(options: argparse.Namespace) -> int:
    if options.sip:
        settings = {"sip_secret": None if options.none else _asked(options.name, options.sip)}
    else:
        settings = {"password": None if options.none else _asked()}
    call(options, "account_set", kind=options.kind, name=options.name, settings=settings)
    what = "password for SIP" if options.sip else "password"
    print(f"{printable(options.name)}: has {'no' if options.none else 'a new'} {what}")
    return DONE


def _reset(options: argparse.Namespace) -> int:
    given = {
        "sent": options.this_month,
        "sent_before": options.last_month,
        "last_sent": _moment(options.last_sent),
    }
    if all(value is None for value in given.values()):
        given["sent"] = 0
    return _told(options, call(options, "account_reset", kind=options.kind, name=options.name, **given))


def _release(options: argparse.Namespace) -> int:
    told = call(options, "account_release", name=options.name, cancel=options.cancel)
    if as_json(options, told):
        return DONE
    what = "cancelled" if options.cancel else "on their way"
    print(f"{printable(options.name)}: is not held any more; {told['done']} messages are {what}")
    if told["left"]:
        print(
            f"{told['left']} wait on: smsd queue list --account {printable(options.name)} --state held has the reason"
        )
    return DONE


def _switch(options: argparse.Namespace) -> int:
    field = "access" if options.kind == "policy" else "active"
    settings = {field: options.way == "on"}
    return _told(
        options, call(options, "account_set", kind=options.kind, name=options.name, settings=settings)
    )


def _read(words: list[str]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise Refusal(f"{word!r}: write NAME=VALUE, for example gateway=gsm1")
        if name in ("password", "sip_secret"):
            raise Refusal(
                "a password on the command line can be read by others: smsd account password NAME asks for it"
            )
        settings[name] = value or None
    return settings


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


def _asked(user: str = "", realm: str = "") -> str:
    """The hash of a password that was typed twice, or stands on standard input; with a realm, its secret for SIP."""
    from smsd.core.digests import make_secret
    from smsd.core.passwords import hash_password

    if sys.stdin.isatty():
        first = getpass.getpass("password: ")
        if getpass.getpass("once more: ") != first:
            raise Refusal("these were two different passwords")
    else:
        first = sys.stdin.readline().rstrip("\r\n")
    try:
        return make_secret(user, realm, first) if realm else hash_password(first)
    except ValueError as error:
        raise Refusal(str(error)) from None
