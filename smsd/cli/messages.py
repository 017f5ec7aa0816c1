"""`smsd send`, `smsd queue` and `smsd log`: messages and deliveries."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from smsd.cli import lists
from smsd.cli.aftermath import after
from smsd.cli.client import DONE, REFUSED, Refusal, call
from smsd.cli.output import as_json, moment, printable, shortened, table, until


def add(commands: Any) -> None:
    """Add the verbs to the parser."""
    _add_send(commands)
    _add_queue(commands)
    log = commands.add_parser(
        "log",
        help="the call log: what was sent, and what became of it",
        epilog="examples:\n  smsd log\n  smsd log --to 5551234567\n  smsd log --state failed --state expired --limit 200",
    )
    _filters(log)
    log.set_defaults(run=_log)


def _add_send(commands: Any) -> None:
    send = commands.add_parser(
        "send",
        help="send a message",
        epilog="examples:\n"
        "  smsd send +15551234567 Hello there\n"
        "  smsd send +15551234567,+15557654321 To both of you\n"
        "  df -h | smsd send +15551234567\n"
        "  smsd send --gateway gsm1 --urgent +15551234567 'The cellar is under water'\n"
        "  smsd send --file customers.csv --text 'Dear {name}, we close at {time}.'",
    )
    send.add_argument("to", metavar="NUMBER[,NUMBER…]", nargs="?", help="who gets it")
    send.add_argument("words", nargs="*", metavar="TEXT", help="the text; without one, the standard input")
    send.add_argument("--gateway", metavar="ID", help="through this one")
    send.add_argument("--account", help="in the name of this account: its limits, credit and gateway count")
    send.add_argument("--sender", help="the sender's name or number, where the gateway can set it")
    send.add_argument("--expire", type=int, metavar="MINUTES", help="give up after so long")
    send.add_argument("--max-parts", type=int, metavar="N", help="cut the text to so many SMS")
    speed = send.add_mutually_exclusive_group()
    speed.add_argument(
        "--urgent", dest="priority", action="store_const", const="urgent", help="before all others"
    )
    speed.add_argument("--bulk", dest="priority", action="store_const", const="bulk", help="after all others")
    speed.add_argument(
        "--normal", dest="priority", action="store_const", const="normal", help="a list like other messages"
    )
    lists.add(send)
    send.set_defaults(run=_send)


def _add_queue(commands: Any) -> None:
    queue = commands.add_parser(
        "queue",
        help="what waits: list, show, retry, cancel",
        epilog="examples:\n  smsd queue list\n  smsd queue show 911813352047513600\n  smsd queue retry 911813352047513600",
    )
    verbs = queue.add_subparsers(dest="verb", required=True, metavar="VERB")
    listing = verbs.add_parser("list", help="deliveries that are not finished, newest first")
    _filters(listing)
    listing.set_defaults(run=_list)
    for verb, words in (
        ("show", "everything known of one delivery"),
        ("retry", "send it now, also when it failed, expired, was held or cancelled"),
        ("cancel", "do not send it"),
    ):
        parser = verbs.add_parser(verb, help=words, description=f"{words[0].upper()}{words[1:]}.")
        parser.add_argument(
            "delivery", type=int, nargs="+" if verb != "show" else None, help="its number in the list"
        )
        parser.set_defaults(run=_show if verb == "show" else _change)


def _filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--to", default="", metavar="NUMBER", help="only to this number, or to those that end so"
    )
    parser.add_argument("--account", default="", help="only of this account")
    parser.add_argument("--door", default="", metavar="ID", help="only what came in here")
    parser.add_argument(
        "--state", action="append", help="only in this state (queued, sent, failed …); may be repeated"
    )
    parser.add_argument("--limit", type=int, default=50, help="so many (default: %(default)s)")
    parser.add_argument("--before", type=int, default=0, metavar="DELIVERY", help="older than this one")


def _send(options: argparse.Namespace) -> int:
    if options.file is not None:
        if options.to is not None:
            raise Refusal("the numbers are in the file: leave out the number, and write --text for a text")
        return lists.send_file(options)
    if options.to is None:
        raise Refusal("who gets it? Write a number, or --file with a list")
    lists.check_one(options)
    text = options.text or " ".join(options.words) or sys.stdin.read().rstrip("\n")
    receipt = call(
        options,
        "send",
        to=[number.strip() for number in options.to.split(",")],
        text=text,
        gateway=options.gateway,
        sender=options.sender,
        expire_minutes=options.expire,
        max_parts=options.max_parts,
        priority=options.priority,
        **({"account": options.account} if options.account else {}),
    )
    recipients = receipt["recipients"]
    if not as_json(options, receipt):
        for entry in recipients:
            if "error" in entry:
                print(f"{entry['number']}: refused: {printable(entry['error'])}", file=sys.stderr)
            else:
                notes = "".join(f" ({note})" for note in entry["notes"])
                print(
                    f"{entry['number']}: queued as {entry['delivery']}, {entry['parts']} SMS {entry['encoding']}{notes}"
                )
    return REFUSED if any("error" in entry for entry in recipients) else DONE


def _list(options: argparse.Namespace) -> int:
    return _print_list(options, options.state or "waiting")


def _log(options: argparse.Namespace) -> int:
    return _print_list(options, options.state or "all")


def _print_list(options: argparse.Namespace, states: Any) -> int:
    rows = call(
        options,
        "list",
        states=states,
        target=options.to,
        account=options.account,
        door=options.door,
        limit=options.limit,
        before=options.before,
    )
    if as_json(options, rows):
        return DONE
    table(
        [
            (
                row["id"],
                moment(row["arrived"]),
                row["target"],
                row["state"] + ("?" if row["maybe_twice"] else ""),
                f"{row['sent']}/{row['pieces']}",
                row["gateway"] or row["route"],
                row["account"] or row["door"],
                f"{row['reason']}{until(row)}" if row["reason"] else shortened(row["text"]) + until(row),
            )
            for row in rows
        ],
        ("DELIVERY", "ARRIVED", "TO", "STATE", "SENT", "GATEWAY", "FROM", "WHY OR WHAT"),
    )
    return DONE


def _show(options: argparse.Namespace) -> int:
    told = call(options, "show", delivery=options.delivery)
    if as_json(options, told):
        return DONE
    about = told["about"]
    table(
        [
            ("delivery", told["id"]),
            ("message", told["message"]),
            ("to", told["target"]),
            ("from", f"{about['origin']} ({about['account'] or about['door']})"),
            ("state", told["state"] + (", perhaps sent twice" if told["maybe_twice"] else "")),
            ("why", (told["reason"] or "-") + until(told)),
            ("gateway", told["gateway"] or told["route"]),
            *([("asked", told["tried"].replace(",", ", "))] if told.get("tried") else []),
            ("parts sent", f"{told['sent']} of {told['pieces']}"),
            ("tries", told["tries"]),
            ("arrived", moment(about["arrived"])),
            ("due", moment(told["due"])),
            ("expires", moment(told["expires"])),
            ("text", about["body"]),
            *([("sent as", told["made"])] if told.get("made") is not None else []),
        ]
    )
    after(told)
    return DONE


def _change(options: argparse.Namespace) -> int:
    for delivery in options.delivery:
        call(options, options.verb, delivery=delivery)
        print(f"{delivery}: {'will be sent' if options.verb == 'retry' else 'cancelled'}")
    return DONE
