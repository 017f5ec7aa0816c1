"""`smsd send --file`: a list of numbers and texts is checked by the server, shown, confirmed, sent, and watched."""

from __future__ import annotations

import argparse
import base64
import os
import sys
from typing import Any, BinaryIO

from smsd.cli import jobs
from smsd.cli.client import DONE, REFUSED, Refusal, call
from smsd.cli.output import as_json, printable, shortened, table
from smsd.values import money

BITE = 1 << 18
_SHOWN = 10


def add(send: argparse.ArgumentParser) -> None:
    """The options of a list."""
    group = send.add_argument_group("a list from a file")
    group.add_argument(
        "--file", metavar="CSV", help="numbers and texts, or numbers and columns for --text; - is stdin"
    )
    group.add_argument("--text", help="the text for all of them: 'Dear {name}, …' with columns of the file")
    group.add_argument("--to-column", metavar="NAME", help="the column with the numbers (or its number)")
    group.add_argument("--text-column", metavar="NAME", help="the column with the texts (or its number)")
    group.add_argument(
        "--header", choices=("yes", "no", "guess"), help="whether the first line names columns"
    )
    group.add_argument("--separator", help="comma, semicolon, tab or |; guessed otherwise")
    group.add_argument(
        "--duplicates",
        choices=("send", "drop-same", "drop"),
        help="numbers that come again: send, drop-same (the same text again), drop",
    )
    group.add_argument("--check-only", action="store_true", help="check, show, and send nothing")
    group.add_argument("--yes", "-y", action="store_true", help="send without asking")
    group.add_argument("--detach", action="store_true", help="do not wait until it is sent")


def check_one(options: argparse.Namespace) -> None:
    """Refuse what is for lists where there is none: whoever wants to check must not send."""
    for name in (
        "check_only",
        "yes",
        "detach",
        "to_column",
        "text_column",
        "header",
        "separator",
        "duplicates",
    ):
        if getattr(options, name):
            raise Refusal(f"--{name.replace('_', '-')} is for a list: write --file as well, or leave it out")


def send_file(options: argparse.Namespace) -> int:
    """Check a file, and send it."""
    if options.priority == "urgent":
        raise Refusal(
            "lists are never urgent: they go when nothing else waits (or with the others: --normal)"
        )
    state = check(options)
    found = state["checked"]
    job = state["id"]
    if options.check_only and as_json(options, state):
        return REFUSED if found["wrong"] else DONE
    if not options.json:
        show(state)
    if not state["total"]:
        raise Refusal("no line of this file can be sent")
    if options.check_only:
        print(f"\nnothing is sent; within a week, this sends it: smsd job start {job}")
        return REFUSED if found["wrong"] else DONE
    if not options.yes and not _asked(state):
        print(f"nothing was sent; within a week, this sends it: smsd job start {job}", file=sys.stderr)
        return REFUSED
    state = call(options, "job start", job=job)
    if options.detach:
        if not as_json(options, state):
            print(f"job {job} is on its way; smsd job watch {job} shows how far it is")
        return DONE
    return jobs.watch(options, job)


def check(options: argparse.Namespace) -> Any:
    """What the server says of the file."""
    path = options.file
    try:
        stream: BinaryIO = sys.stdin.buffer if path == "-" else open(path, "rb")  # noqa: SIM115 (below)
    except OSError as error:
        raise Refusal(f"{path} cannot be read: {error.strerror}") from None
    with stream:
        size = 0 if path == "-" else os.fstat(stream.fileno()).st_size
        job = call(
            options, "job open", name=os.path.basename(path), text=options.text, to_column=options.to_column,
            text_column=options.text_column, header=options.header, separator=options.separator,
            duplicates=options.duplicates, account=options.account, gateway=options.gateway, sender=options.sender,
            expire_minutes=options.expire, max_parts=options.max_parts, priority=options.priority,
        )  # fmt: skip
        done = 0
        try:
            while bite := _read(stream, options, job):
                call(options, "job feed", job=job, data=base64.b64encode(bite).decode())
                done += len(bite)
                if size > 4 * BITE:
                    jobs.progress(f"checked {done * 100 // size} %")
            state = call(options, "job close", job=job)
        except Refusal as refusal:
            raise Refusal(f"{path}: {refusal}") from None
        finally:
            if size > 4 * BITE:
                jobs.progress("")
    return state


def _read(stream: BinaryIO, options: argparse.Namespace, job: int) -> bytes:
    """The next octets; what cannot be read to its end is not sent by halves."""
    try:
        return stream.read(BITE)
    except OSError as error:
        call(options, "job cancel", job=job)
        raise Refusal(f"it cannot be read to its end: {error.strerror}") from None


def _asked(state: Any) -> bool:
    if not sys.stdin.isatty():
        print("nobody is here to ask: say --yes", file=sys.stderr)
        return False
    print(f"\nSend {_sms(state)}? [y/N] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes", "j", "ja", "s", "si", "sì", "o", "oui")


def _sms(state: Any) -> str:
    found = state["checked"]
    price = "" if found["price"] is None else f", {money.shown(found['price'])}"
    return f"{_many(state['total'], 'message')} ({found['sms']} SMS{price})"


def show(state: Any) -> None:
    """What was found, for people."""
    found = state["checked"]
    about = f"{found['charset']}, {found['separator']}, {'with' if found['header'] else 'without'} a line of names"
    print(f"{printable(state['name'])}: {_many(found['rows'], 'line')} ({about})\n")
    priced = found["price"] is not None
    rows = [
        (line, number, shortened(text, 50), parts, encoding, *([_price(price)] if priced else []))
        for line, number, text, parts, encoding, price in found["first"]
    ]
    if rows:
        table(rows, ("LINE", "TO", "TEXT", "SMS", "ENCODING", *(["PRICE"] if priced else [])))
    if found["good"] > len(rows):
        print(f"… and {found['good'] - len(rows)} more")
    print()
    encodings = ", ".join(f"{n} in {name}" for name, n in sorted(found["encodings"].items()))
    parts = ", ".join(
        f"{n} of {size} SMS" for size, n in sorted(found["by_parts"].items(), key=lambda p: int(p[0]))
    )
    facts = [("to send", f"{_sms(state)}" + (f": {parts}; {encodings}" if parts else ""), "")]
    if found["again_number"]:
        what = f"{found['again_number']} ({found['again_same']} with the same text)"
        left_out = f", {found['dropped']} left out" if found["dropped"] else ""
        facts.append(("numbers again", what + left_out, _agains(found)))
    if found["wrong"]:
        facts.append(("cannot be sent", _many(found["wrong"], "line"), _wrongs(found)))
    width = max(len(name) for name, _, _ in facts)
    for name, what, lines in facts:
        print(f"{name.ljust(width)}  {what}{lines}")
    for warning in found["warnings"]:
        print(f"note: {printable(warning)}")


def _agains(found: Any) -> str:
    """The lines whose number was there before, and what becomes of them."""
    lines = ""
    for line, number, same in found["agains"][:_SHOWN]:
        dropped = found["dropped"] == found["again_number"] or (same and found["dropped"])
        fate = "left out" if dropped else "sent all the same"
        lines += f"\n  line {line}: {number} again{', with the same text' if same else ''}: {fate}"
    return lines + _further(found["again_number"])


def _wrongs(found: Any) -> str:
    """The lines that cannot be sent, and why."""
    lines = ""
    for line, what, why in found["wrongs"][:_SHOWN]:
        lines += f"\n  line {line}: {printable(what)!r}: {printable(why)}"
    return lines + _further(found["wrong"])


def _further(number: int) -> str:
    return f"\n  … and {number - _SHOWN} more" if number > _SHOWN else ""


def _price(price: int | None) -> str:
    return "-" if price is None else money.shown(price)


def _many(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"
