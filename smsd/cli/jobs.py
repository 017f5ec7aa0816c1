"""`smsd job`: lists that are sent in the background: how far they are, pause, resume, cancel."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from smsd.cli.client import DONE, REFUSED, call
from smsd.cli.output import as_json, moment, printable, table

EVERY = 1.0
_FAILED = ("failed", "expired", "rejected")


def add(commands: Any) -> None:
    """Add the verb to the parser."""
    job = commands.add_parser(
        "job",
        help="lists that are being sent (smsd send --file): list, show, watch, start, pause, resume, cancel",
        epilog="examples:\n  smsd job list\n  smsd job watch 3\n  smsd job pause 3\n  smsd job resume 3\n  smsd job cancel 3",
    )
    verbs = job.add_subparsers(dest="verb", required=True, metavar="VERB")
    listing = verbs.add_parser("list", help="all jobs, newest first")
    listing.set_defaults(run=_list)
    for verb, words in (
        ("show", "how far it is, and the lines that were refused"),
        ("watch", "show how far it is until it is done"),
        ("start", "send what was checked"),
        ("pause", "send nothing more of it for now; what is on the wire goes"),
        ("resume", "go on with it"),
        ("cancel", "send nothing more of it, for good"),
    ):
        parser = verbs.add_parser(verb, help=words, description=f"{words[0].upper()}{words[1:]}.")
        parser.add_argument("job", type=int, help="its number in the list")
        parser.set_defaults(run={"show": _show, "watch": _watch}.get(verb, _change))


def _list(options: argparse.Namespace) -> int:
    found = call(options, "job list")
    if as_json(options, found):
        return DONE
    if not found:
        print("there are no jobs; this makes one: smsd send --file list.csv")
        return DONE
    table(
        [
            (
                one["id"], moment(one["made"]), one["name"], one["account"] or "-", one["state"],
                f"{one['done']}/{one['total']}", _sent(one), _failed(one), one["reason"],
            )
            for one in found
        ],
        ("JOB", "MADE", "NAME", "ACCOUNT", "STATE", "LINES", "SENT", "FAILED", "WHY"),
    )  # fmt: skip
    return DONE


def _show(options: argparse.Namespace) -> int:
    one = call(options, "job show", job=options.job, refused=True)
    if as_json(options, one):
        return DONE
    messages = ", ".join(f"{n} {_word(state)}" for state, n in one["messages"].items())
    table(
        [
            ("job", one["id"]),
            ("name", one["name"]),
            ("account", one["account"] or "-"),
            ("state", one["state"] + (f": {one['reason']}" if one["reason"] else "")),
            ("made", moment(one["made"])),
            ("started", moment(one["started"])),
            ("ended", moment(one["ended"])),
            ("lines", f"{one['done']} of {one['total']} dealt with, {one['refused']} refused"),
            ("messages", messages or "-"),
            ("its log", f"smsd log --door job:{one['id']}"),
        ]
    )
    for line, number, reason in one["refused_lines"]:
        print(f"  line {line}: {number}: refused: {printable(reason)}")
    return DONE


def _change(options: argparse.Namespace) -> int:
    one = call(options, f"job {options.verb}", job=options.job)
    if not as_json(options, one):
        print(_line(one))
    return DONE


def _watch(options: argparse.Namespace) -> int:
    return watch(options, options.job)


def watch(options: argparse.Namespace, job: int) -> int:
    """Show how far a job is, until it goes no further."""
    told = ""
    try:
        while True:
            one = call(options, "job show", job=job)
            over = one["state"] in ("done", "paused", "ready") or (
                one["state"] == "cancelled" and one["ended"]
            )
            if over:
                break
            line = _line(one)
            if sys.stderr.isatty():
                progress(line)
            elif line != told and not options.json:
                print(line, file=sys.stderr)
            told = line
            time.sleep(EVERY)
    except KeyboardInterrupt:
        progress("")
        print(
            f"job {job} goes on; smsd job watch {job} shows it again, smsd job cancel {job} ends it",
            file=sys.stderr,
        )
        return 130
    progress("")
    if not as_json(options, one):
        print(_line(one))
    return DONE if one["state"] == "done" and not one["refused"] else REFUSED


def progress(line: str) -> None:
    """Write over the line before, on a terminal."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{printable(line)}", end="", file=sys.stderr, flush=True)


def _line(one: Any) -> str:
    percent = one["done"] * 100 // one["total"] if one["total"] else 0
    line = f"job {one['id']}: {one['state']}, {percent} % of {one['total']} lines, {_sent(one)} sent"
    waiting = sum(
        n for state, n in one["messages"].items() if state in ("ready", "sending", "held", "scheduled")
    )
    for n, what in ((waiting, "waiting"), (_failed(one), "failed"), (one["refused"], "refused")):
        line += f", {n} {what}" if n else ""
    return line + (f" ({one['reason']})" if one["reason"] else "")


def _sent(one: Any) -> int:
    return sum(one["messages"].get(state, 0) for state in ("sent", "delivered"))


def _failed(one: Any) -> int:
    return sum(one["messages"].get(state, 0) for state in _FAILED)


def _word(state: str) -> str:
    return {"ready": "queued"}.get(state, state)
