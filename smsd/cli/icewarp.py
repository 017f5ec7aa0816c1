"""`smsd import icewarp`: the SMS users of an IceWarp server become accounts and policies of the running server.

Everything is read and checked first, then shown, then done in one transaction. Passwords become hashes here, after the answer
"yes"; they are in no output, and only hashes go to the server.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from smsd.cli.client import DONE, Refusal, call
from smsd.cli.output import as_json, moment, printable, table

if TYPE_CHECKING:
    from smsd.cli.icewarpfiles import Entry, Folder

MOST = 20_000
MOST_SHOWN = 100


def add(commands: Any) -> None:
    """Add the verb to the parser."""
    bring = commands.add_parser(
        "import",
        help="take over the accounts of another gateway: icewarp",
        epilog="examples:\n"
        "  smsd import icewarp /srv/icewarp\n"
        "  smsd import icewarp /srv/icewarp --gateway O2_HTTP=o2 --networks 192.0.2.0/24\n"
        "  smsd import icewarp /srv/icewarp --map 'C:\\certificates=/etc/smsd/certs' --yes",
    )
    sources = bring.add_subparsers(dest="verb", required=True, metavar="SOURCE")
    icewarp = sources.add_parser(
        "icewarp",
        help="config/smsusers.dat, sms.dat (global, domain, user), smsgateway.dat",
        description="What will be done is shown first. A line that is broken is told with its file and number, and nothing is "
        "imported. What is there already stays as it is, so that doing it twice changes nothing.",
    )
    icewarp.add_argument(
        "folder", metavar="DIR", help="where IceWarp is, or a copy of it: the folder with config and mail"
    )
    icewarp.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="'C:\\DIR=/DIR'",
        help="a folder of Windows, and where it is here",
    )
    icewarp.add_argument(
        "--gateway",
        action="append",
        default=[],
        metavar="THEIRS=OURS",
        help="a gateway by another name; THEIRS= is none",
    )
    icewarp.add_argument(
        "--networks",
        action="append",
        default=[],
        metavar="NET",
        help="from where accounts without a password may be used",
    )
    icewarp.add_argument(
        "--charset", default="", help="of the files (default: UTF-8, or CP1252 where they are not)"
    )
    icewarp.add_argument("--yes", action="store_true", help="do not ask")
    icewarp.set_defaults(run=_import)


def _import(options: argparse.Namespace) -> int:
    from smsd.cli import icewarpfiles

    found = icewarpfiles.read(options.folder, _wishes(options))
    _refuse(found.mistakes)
    if len(found.entries) > MOST:
        raise Refusal(f"there are {len(found.entries)} accounts and policies; allowed at once: {MOST}")
    told: dict[str, Any] = {"entries": [], "gateways": [], "done": False}
    if found.entries:
        told = call(options, "account_import", entries=[_asked(one) for one in found.entries], dry=True)
    _refuse(_missing(found, told["gateways"]) or _broken(found, told))
    fresh = [
        entry for entry, one in zip(found.entries, told["entries"], strict=True) if one["state"] == "new"
    ]
    if not options.json:
        _show(found, told)
    done = bool(fresh) and (options.yes or (not options.json and _agreed(len(fresh))))
    if done:
        answer = call(options, "account_import", entries=list(_all_hashed(fresh)))
        if not answer["done"]:
            _refuse(_broken(found, answer, fresh) or ["somebody has made these accounts meanwhile"])
    if not as_json(options, _plain(found, told, done)):
        print(f"{len(fresh)} imported" if done else "nothing was imported")
    return DONE


def _wishes(options: argparse.Namespace) -> Any:
    from smsd.cli.icewarpfiles import Wishes
    from smsd.codec.icewarp import known_charset, read_map
    from smsd.core.networks import read_network
    from smsd.values.errors import DecodeError

    gateways: dict[str, str | None] = {}
    for text in options.gateway:
        theirs, equals, ours = text.partition("=")
        if not theirs or not equals:
            raise Refusal(f"--gateway {text!r}: write THEIRS=OURS, or THEIRS= for none")
        gateways[theirs] = ours or None
    networks = tuple(net.strip() for text in options.networks for net in text.split(","))
    try:
        for net in networks:
            read_network(net)
        maps = [read_map(text) for text in options.map]
    except (ValueError, DecodeError) as error:
        raise Refusal(str(error)) from None
    if options.charset and not known_charset(options.charset):
        raise Refusal(f"--charset {options.charset!r} is not known; try UTF-8, CP1250, CP1252")
    return Wishes(options.charset, gateways, networks, maps)


# -- what is asked of the server


def _asked(entry: Entry) -> dict[str, Any]:
    """An entry for looking: its password counts as one, but is none."""
    from smsd.core.passwords import NOBODY

    settings = {**entry.settings, "password": NOBODY} if entry.password else entry.settings
    return {
        "kind": entry.kind,
        "name": entry.name,
        "settings": settings,
        "sent": entry.sent,
        "sent_before": entry.sent_before,
        "last_sent": entry.last_sent,
    }


def _all_hashed(entries: list[Entry]) -> Iterator[dict[str, Any]]:
    """Each costs some 30 ms on purpose: who imports thousands sees how far it is."""
    for number, entry in enumerate(entries, 1):
        yield _hashed(entry)
        if number % 500 == 0:
            print(f"{number} of {len(entries)} passwords are hashes now", file=sys.stderr)


def _hashed(entry: Entry) -> dict[str, Any]:
    from smsd.core.passwords import hash_password

    asked = _asked(entry)
    if entry.password:
        try:
            asked["settings"]["password"] = hash_password(entry.password)
        except ValueError as error:
            raise Refusal(f"nothing was imported\n{printable(entry.where)}: {error}") from None
    return asked


# -- what is told


def _refuse(mistakes: list[str]) -> None:
    if mistakes:
        lines = [printable(one) for one in mistakes[:MOST_SHOWN]]
        if len(mistakes) > MOST_SHOWN:
            lines.append(f"and {len(mistakes) - MOST_SHOWN} more")
        raise Refusal("\n".join(["nothing was imported", *lines]))


def _missing(found: Folder, gateways: list[str]) -> list[str]:
    """Gateways that are named and not there."""
    named: dict[str, list[str]] = {}
    for entry in found.entries:
        gateway = entry.settings.get("gateway")
        if gateway is not None and gateway not in gateways:
            named.setdefault(gateway, []).append(entry.where)
    return [
        f"{where[0]}: the configuration has no gateway {gateway!r}"
        + (f" ({len(where)} lines name it)" if len(where) > 1 else "")
        + f": put it in, or say --gateway '{gateway}=…' (there are: {', '.join(gateways) or 'none'})"
        for gateway, where in named.items()
    ]


def _broken(found: Folder, told: dict[str, Any], entries: list[Entry] | None = None) -> list[str]:
    entries = found.entries if entries is None else entries
    return [
        f"{entry.where}: {entry.name}: {one['wrong']}"
        for entry, one in zip(entries, told["entries"], strict=True)
        if one["state"] == "broken"
    ]


def _show(found: Folder, told: dict[str, Any]) -> None:
    for path, charset in found.files:
        print(f"{printable(path)}: read as {charset}")
    for kind, title in (("account", "ACCOUNT"), ("policy", "MAIL USERS")):
        rows = [
            _row(entry, one)
            for entry, one in zip(found.entries, told["entries"], strict=True)
            if entry.kind == kind
        ]
        if rows:
            print()
            table(rows, ("", title, "SETTINGS", "SENT"))
    _list("different here, or to be done by hand:", found.notes + _certificates(found))
    _list("described in no document, and so not imported:", found.unknown)
    print()


def _row(entry: Entry, one: dict[str, Any]) -> tuple[str, str, str, str]:
    said = [f"{name}={_text(value)}" for name, value in entry.settings.items()]
    if entry.password:
        said.append("password")
    if one["state"] == "there":
        differs = ", ".join(one["differs"])
        said = [f"stays as it is in the {one['source']}" + (f"; differs in: {differs}" if differs else "")]
    sent = ""
    if one["state"] == "new" and (entry.sent or entry.sent_before or entry.last_sent):
        sent = f"{entry.sent} this month, {entry.sent_before} last month, last {moment(entry.last_sent)}"
    return one["state"], entry.name, " ".join(said), sent


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = ",".join(value) if isinstance(value, list) else str(value)
    return json.dumps(text, ensure_ascii=False) if " " in text else text


def _certificates(found: Folder) -> list[str]:
    """What the configuration's gateway needs; which one that is, no document tells."""
    lines = []
    for where, path, here in found.certificates:
        if here is None:
            lines.append(
                f"{where}: the client certificate {path}: copy it, and say --map to see what to write"
            )
        else:
            lines.append(
                f"{where}: the client certificate {path}: write into its gateway (type: http): certificate: {json.dumps(here)}"
            )
    return lines


def _list(title: str, lines: list[str]) -> None:
    if lines:
        print(f"\n{title}")
        for line in lines:
            print(f"  {printable(line)}")


def _agreed(number: int) -> bool:
    print(f"import these {number}? [yes/no] ", end="", flush=True)
    answer = sys.stdin.readline().strip().lower()
    if not answer:
        print()
    return answer in ("y", "yes")


def _plain(found: Folder, told: dict[str, Any], done: bool) -> dict[str, Any]:
    entries = [
        {
            **one,
            "where": entry.where,
            "settings": {**entry.settings, **({"password": "set"} if entry.password else {})},
            "sent": entry.sent,
            "sent_before": entry.sent_before,
            "last_sent": entry.last_sent,
        }
        for entry, one in zip(found.entries, told["entries"], strict=True)
    ]
    return {
        "imported": done,
        "entries": entries,
        "files": [{"file": path, "charset": charset} for path, charset in found.files],
        "certificates": [
            {"where": where, "path": path, "here": here} for where, path, here in found.certificates
        ],
        "notes": found.notes,
        "unknown": found.unknown,
    }
