"""`smsd account add`, `set`, `switch`, `password`, `remove`: settings are written NAME=VALUE, passwords are not."""

from __future__ import annotations

import argparse
from typing import Any

from smsd.cli import client
from smsd.cli.account.looking import tell
from smsd.cli.account.words import named, verb
from smsd.cli.client import DONE, Refusal
from smsd.cli.output import printable
from smsd.cli.password import typed

SETTINGS = """settings are written NAME=VALUE; several values with commas; nothing after the = is the default again:
  accounts  active description gateway expires monthly_limit phone email country
            group networks senders jids callback text max_parts_refuse prepaid may_surge
  groups    active description gateway expires monthly_limit prepaid
  policies  access description gateway expires monthly_limit phone email country
            group senders text max_parts_refuse prepaid may_surge"""


def add(verbs: Any) -> None:
    """Add them to the parser."""
    adding = named(
        verb(verbs, "add", "make one; its password is asked for, or read from standard input", _add)
    )
    adding.add_argument("settings", nargs="*", metavar="NAME=VALUE")
    adding.add_argument(
        "--no-password", action="store_true", help="it has none; then it needs networks=192.0.2.0/24"
    )
    adding.epilog = SETTINGS

    change = named(verb(verbs, "set", "change settings", _set))
    change.add_argument("settings", nargs="+", metavar="NAME=VALUE")
    change.epilog = SETTINGS

    named(verb(verbs, "remove", "there is none any more; what it has sent stays counted", _remove))

    word = named(verb(verbs, "password", "a new password, asked for or read from standard input", _password))
    word.add_argument("--none", action="store_true", help="none; then it needs networks")
    word.add_argument(
        "--sip", metavar="REALM", help="the one for SIP phones at this realm (the gateway's first domain)"
    )

    unlink = named(
        verbs.add_parser(
            "unlink",
            help="a chat address or a phone that has registered with it (show lists them) is its no more",
        )
    )
    unlink.add_argument("address", metavar="ADDRESS", help="ann@example.org, or a phone's sip: address")
    unlink.set_defaults(run=_unlink)

    switch = named(verb(verbs, "switch", "on: it can be used; off: it cannot", _switch))
    switch.add_argument("way", choices=("on", "off"))


def is_setting(word: str) -> bool:
    """Whether a word of the command line is a setting with its value."""
    return "=" in word and not word.startswith("-")


def _add(options: argparse.Namespace) -> int:
    settings = _read(options.settings)
    if options.kind == "account" and not options.no_password:
        settings["password"] = _asked()
    told = client.call(options, "account_add", kind=options.kind, name=options.name, settings=settings)
    return tell(options, told)


def _set(options: argparse.Namespace) -> int:
    settings = _read(options.settings)
    return tell(
        options, client.call(options, "account_set", kind=options.kind, name=options.name, settings=settings)
    )


def _remove(options: argparse.Namespace) -> int:
    client.call(options, "account_remove", kind=options.kind, name=options.name)
    print(f"{options.kind} {printable(options.name)}: removed")
    return DONE


def _unlink(options: argparse.Namespace) -> int:
    told = client.call(options, "account_unlink", name=options.name, address=options.address)
    where = ", ".join(told["gateways"])
    print(f"{printable(options.address)}: not linked to {printable(options.name)} any more ({where})")
    return DONE


def _password(options: argparse.Namespace) -> int:
    if options.sip:
        settings = {"sip_secret": None if options.none else _asked(options.name, options.sip)}
    else:
        settings = {"password": None if options.none else _asked()}
    client.call(options, "account_set", kind=options.kind, name=options.name, settings=settings)
    what = "password for SIP" if options.sip else "password"
    print(f"{printable(options.name)}: has {'no' if options.none else 'a new'} {what}")
    return DONE


def _switch(options: argparse.Namespace) -> int:
    field = "access" if options.kind == "policy" else "active"
    settings = {field: options.way == "on"}
    return tell(
        options, client.call(options, "account_set", kind=options.kind, name=options.name, settings=settings)
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
                " (of a mail user: smsd account password --policy NAME)"
            )
        settings[name] = value or None
    return settings


def _asked(user: str = "", realm: str = "") -> str:
    """The hash of a password that was typed twice, or stands on standard input; with a realm, its secret for SIP."""
    from smsd.core.digests import make_secret
    from smsd.core.passwords import hash_password

    first = typed()
    try:
        return make_secret(user, realm, first) if realm else hash_password(first)
    except ValueError as error:
        raise Refusal(str(error)) from None
