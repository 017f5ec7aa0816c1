"""`smsd check`, `status`, `set`, `reload`, `password` and `simulate`: the server itself."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from smsd.cli.client import DONE, REFUSED, Refusal, call
from smsd.cli.output import as_json, printable, table
from smsd.cli.password import typed


def add(commands: Any) -> None:
    """Add the verbs to the parser."""
    check = commands.add_parser(
        "check", help="check a configuration file", epilog="example:\n  smsd check /etc/smsd/smsd.yaml"
    )
    check.add_argument("file", nargs="?", help="default: the one the server would take")
    check.set_defaults(run=_check)

    status = commands.add_parser("status", help="the server, its gateways and doors, and what waits")
    status.set_defaults(run=_status)

    change = commands.add_parser(
        "set",
        help="change a setting of the running server, now and for good",
        epilog="examples:\n  smsd set\n  smsd set expire_minutes 7200\n  smsd set expire_minutes --default",
    )
    change.add_argument("name", nargs="?", help="without one: show all that can be set")
    change.add_argument("value", nargs="?")
    change.add_argument("--default", action="store_true", help="back to what the configuration file says")
    change.set_defaults(run=_set)

    release = commands.add_parser(
        "release",
        help="a gateway that rests after trouble is well: it gets messages again at once",
        epilog="example:\n  smsd release twilio",
    )
    release.add_argument("gateway", help="its id")
    release.set_defaults(run=_release)

    reload = commands.add_parser("reload", help="read the configuration file again (the same as SIGHUP)")
    reload.set_defaults(run=_reload)

    password = commands.add_parser(
        "password",
        help="make the hash of a password for the configuration",
        epilog="examples:\n  smsd password\n  smsd password --sip ann --realm sip.example.org",
    )
    password.add_argument(
        "--sip", metavar="USER", help="a secret for SIP (sip_secret), which a hash cannot be; with --realm"
    )
    password.add_argument("--realm", help="the domain of the SIP gateway")
    password.set_defaults(run=_password)

    simulate = commands.add_parser(
        "simulate",
        help="a simulated modem, or the phone at its other end",
        epilog="examples:\n  smsd simulate modem --help\n  smsd simulate phone",
        add_help=False,
    )
    simulate.add_argument("rest", nargs=argparse.REMAINDER)
    simulate.set_defaults(run=_simulate)


def _check(options: argparse.Namespace) -> int:
    from smsd.config.load import load
    from smsd.config.places import find_configuration
    from smsd.config.positions import ConfigError

    try:
        path = find_configuration(options.file or options.config, os.environ)
        configuration = load(path)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return REFUSED
    for warning in configuration.warnings:
        print(f"{path}: warning: {warning}", file=sys.stderr)
    print(f"{path}: no mistake found")
    return DONE


def _status(options: argparse.Namespace) -> int:
    status = call(options, "status")
    if as_json(options, status):
        return DONE
    uptime = status["uptime_seconds"]
    print(
        f"smsd {status['version']}, process {status['pid']}, up {uptime // 86400} d {uptime // 3600 % 24} h {uptime // 60 % 60} min"
    )
    print(f"configuration {status['configuration']}\n")
    table(
        [
            (
                gateway["id"],
                gateway["type"],
                f"{gateway['on_wire']}/{gateway['slots']}",
                "; ".join([gateway["trouble"] or gateway["status"], *gateway["limits"]]),
            )
            for gateway in status["gateways"]
        ],
        ("GATEWAY", "TYPE", "ON WIRE", "STATUS"),
    )
    if status["groups"]:
        print()
        table(
            [(group["id"], ", ".join(group["carry"]) or "nobody") for group in status["groups"]],
            ("GROUP", "CARRIED BY"),
        )
    print()
    table(
        [
            (
                door["id"],
                door["type"],
                "open" if door["running"] else "closed",
                str(door.get("messages", "")),
                " ".join(door["listen"]),
            )
            for door in status["doors"]
        ],
        ("DOOR", "TYPE", "", "MESSAGES", "LISTENS ON"),
    )
    print()
    if sources := status.get("password_sources"):
        table([(source["id"], source["status"]) for source in sources], ("PASSWORDS", "STATUS"))
        print()
    for name, hold in status.get("held", {}).items():
        told = f"account {name} is held: {hold['why']}; {hold['waiting']} messages wait for smsd account release {name}"
        print(printable(told) + "\n")
    if status["queue"]:
        table(
            [(row["route"], row["state"], row["deliveries"], row.get("why", "")) for row in status["queue"]],
            ("ROUTE", "STATE", "DELIVERIES", ""),
        )
        if any("why" in row for row in status["queue"]):
            print(
                "what waits for a gateway that is gone: add that again, or smsd queue list and smsd queue cancel"
            )
    else:
        print("nothing waits")
    return DONE


def _set(options: argparse.Namespace) -> int:
    if options.name is not None and options.value is None and not options.default:
        raise Refusal(f"a value is needed: smsd set {options.name} VALUE, or --default")
    shown = call(options, "set", name=options.name, value=None if options.default else options.value)
    if not as_json(options, shown):
        rows = [row for row in shown if options.name in (None, row["name"])]
        table(
            [
                (
                    row["name"],
                    row["value"],
                    f"set here; the file says {row['file']}" if row["overridden"] else "",
                )
                for row in rows
            ]
        )
    return DONE


def _release(options: argparse.Namespace) -> int:
    call(options, "release", gateway=options.gateway)
    print(f"{options.gateway}: gets messages again")
    return DONE


def _reload(options: argparse.Namespace) -> int:
    troubles = call(options, "reload")
    for trouble in troubles:
        print(trouble, file=sys.stderr)
    if all(trouble.startswith("warning: ") for trouble in troubles):
        print("the configuration is in force")
        return DONE
    return REFUSED


def _password(options: argparse.Namespace) -> int:
    from smsd.core.accounts import hash_password
    from smsd.core.digests import make_secret

    if bool(options.sip) != bool(options.realm):
        raise Refusal(
            "a secret for SIP belongs to a user and a realm: smsd password --sip USER --realm REALM"
        )
    first = typed()
    try:
        print(make_secret(options.sip, options.realm, first) if options.sip else hash_password(first))
    except ValueError as error:
        raise Refusal(str(error)) from None
    return DONE


def _simulate(options: argparse.Namespace) -> int:
    from smsd.simulator import command

    return command.main(options.rest)
