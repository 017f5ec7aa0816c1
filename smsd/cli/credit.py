"""`smsd credit` and `smsd price`: balances, top-ups, statements, and what a text costs before it is sent."""

from __future__ import annotations

import argparse
import csv
import sys
from datetime import datetime, timezone
from typing import Any

from smsd.cli.client import DONE, REFUSED, Refusal, call
from smsd.cli.output import as_json, moment, printable, table

COLUMNS = (
    "line", "time", "what", "amount", "reserved", "available", "set_aside", "account", "delivery", "part", "to", "reference",
    "note",
)  # fmt: skip
WHAT = {"top_up": "top-up", "taken": "taken back"}


def add(commands: Any) -> None:
    """Add the verbs to the parser."""
    credit = commands.add_parser(
        "credit",
        help="credit of prepaid accounts: show, top-up, take, statement, check",
        epilog="examples:\n"
        "  smsd credit show\n"
        "  smsd credit top-up shop 50 --reference 'invoice 2026-117'\n"
        "  smsd credit statement shop --csv --since 2026-11-01 > november.csv\n"
        "  smsd credit check",
    )
    verbs = credit.add_subparsers(dest="verb", required=True, metavar="VERB")
    show = verbs.add_parser("show", help="what may be spent, and what is reserved for messages under way")
    show.add_argument("account", nargs="?", help="an account, or group:ID; all, if not said")
    show.set_defaults(run=_show)
    for verb, words in (("top-up", "add to the credit"), ("take", "take away from it")):
        change = verbs.add_parser(verb, help=words)
        change.add_argument("account", help="an account, or group:ID")
        change.add_argument("amount", help="how much: 12.50")
        change.add_argument(
            "--reference",
            required=True,
            help="the number of a payment or invoice: once it is booked, a repeat changes nothing",
        )
        change.add_argument("--note", default="", help="for the statement")
        change.set_defaults(run=_change)
    statement = verbs.add_parser("statement", help="every change of a balance")
    statement.add_argument("account", help="an account, or group:ID")
    statement.add_argument("--csv", action="store_true", help="print CSV (UTF-8, times in UTC)")
    statement.add_argument("--since", type=_day, metavar="DAY", help="from this day on (UTC): 2026-11-01")
    statement.add_argument("--until", type=_day, metavar="DAY", help="before this day (UTC): 2026-12-01")
    statement.set_defaults(run=_statement)
    check = verbs.add_parser("check", help="whether the books add up")
    check.set_defaults(run=_check)

    price = commands.add_parser(
        "price",
        help="what a text would become and cost, before it is sent",
        epilog="examples:\n  smsd price --to +393471234567 --text 'It’s on'\n  smsd price --to +393471234567 --account shop < text",
    )
    price.add_argument(
        "--to", required=True, action="append", metavar="NUMBER", help="who would get it; may be repeated"
    )
    price.add_argument("--text", help="the text; without it, the standard input")
    price.add_argument("--account", help="whose prices, gateway and policy for texts")
    price.add_argument("--gateway", metavar="ID", help="through this one")
    price.add_argument("--max-parts", type=int, metavar="N", help="cut the text to so many SMS")
    price.set_defaults(run=_price)


def _day(text: str) -> int:
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=timezone.utc)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day: write 2026-11-01") from None
    return int(day.timestamp() * 1000)


def _show(options: argparse.Namespace) -> int:
    rows = call(options, "credit", account=options.account)
    if as_json(options, rows):
        return DONE
    if not rows:
        print("nobody has any credit: smsd credit top-up gives some")
        return DONE
    table(
        [
            (
                row["payer"],
                _money(row["available"], row["currency"]),
                _money(row["reserved"], row["currency"]),
            )
            for row in rows
        ],
        ("WHO", "AVAILABLE", "RESERVED"),
    )
    return DONE


def _change(options: argparse.Namespace) -> int:
    row = call(
        options,
        "top_up",
        account=options.account,
        amount=options.amount,
        reference=options.reference,
        note=options.note,
        take=options.verb == "take",
    )
    if not as_json(options, row):
        before = "it was booked before; " if row["repeated"] else ""
        print(f"{before}{row['payer']} has {_money(row['available'], row['currency'])}")
    return DONE


def _statement(options: argparse.Namespace) -> int:
    lines: list[dict[str, Any]] = []
    writer = csv.writer(sys.stdout, lineterminator="\n")
    if options.csv:
        writer.writerow(COLUMNS)
    after, more = 0, True
    while more:
        given = {"account": options.account, "after": after, "since": options.since, "until": options.until}
        found = call(options, "statement", **given)
        more = found["more"]
        if found["lines"]:
            after = found["lines"][-1]["id"]
        if options.csv:
            writer.writerows(_columns(line) for line in found["lines"])
        else:
            lines += found["lines"]
    if options.csv or as_json(options, lines):
        return DONE
    if not lines:
        print("there is nothing in this time")
        return DONE
    table(
        [
            (
                moment(line["at"]), _what(line), line["amount"], line["reserved"], line["available"], line["account"] or "-",
                line["delivery"] or "-", line["to"] or line["reference"] or "-", line["note"] or "",
            )
            for line in lines
        ],
        ("TIME", "WHAT", "AMOUNT", "RESERVED", "AVAILABLE", "ACCOUNT", "DELIVERY", "FOR", "NOTE"),
    )  # fmt: skip
    return DONE


def _columns(line: dict[str, Any]) -> tuple[Any, ...]:
    time = datetime.fromtimestamp(line["at"] / 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    words = [printable(str(line[name] or "")) for name in ("reference", "note")]
    # A spreadsheet must not take what somebody wrote for a formula.
    words = [f"'{word}" if word[:1] in ("=", "+", "-", "@") else word for word in words]
    return (
        line["id"], time, line["kind"], line["amount"], line["reserved"], line["available"], line["set_aside"],
        line["account"] or "", line["delivery"] or "", line["seq"] or "", line["to"], *words,
    )  # fmt: skip


def _what(line: dict[str, Any]) -> str:
    part = f" part {line['seq']}" if line["seq"] else ""
    return f"{WHAT.get(line['kind'], line['kind'])}{part}"


def _check(options: argparse.Namespace) -> int:
    wrong = call(options, "books")
    if not as_json(options, wrong):
        print("\n".join(wrong) if wrong else "the books add up")
    return REFUSED if wrong else DONE


def _price(options: argparse.Namespace) -> int:
    text = sys.stdin.read().rstrip("\n") if options.text is None else options.text
    if not text:
        raise Refusal("the text is empty: write --text TEXT, or hand it in")
    asked = {
        "text": text,
        "account": options.account,
        "gateway": options.gateway,
        "max_parts": options.max_parts,
    }
    quotes = [call(options, "price", to=number, **asked) for number in options.to]
    if not as_json(options, quotes if len(quotes) > 1 else quotes[0]):
        print("\n\n".join("\n".join(_lines(quote)) for quote in quotes))
    return REFUSED if any(quote["refused"] for quote in quotes) else DONE


def _lines(quote: dict[str, Any]) -> list[str]:
    """A quote for people."""
    if quote["refused"]:
        return [f"would be refused: {quote['refused']}", *_offenders(quote)]
    parts = f"{quote['parts']} SMS" if quote["parts"] > 1 else "1 SMS"
    lines = [
        f"to       {printable(quote['number'])}{' (' + printable(quote['destination']) + ')' if quote['destination'] else ''}",
        f"becomes  {parts}, {quote['encoding']}, {quote['units']} units, room for {quote['left']} more in the last",
    ]
    if quote["amount"] is None:
        lines.append("costs    there is no price for this number")
    else:
        each = f" ({quote['parts']} × {quote['price']})" if quote["parts"] > 1 else ""
        lines.append(f"costs    {_money(quote['amount'], quote['currency'])}{each}")
    if quote.get("credit"):
        lines.append(f"credit   {quote['credit']}")
    lines += [f"note     {printable(note)}" for note in quote["notes"]]
    return lines + _offenders(quote)


def _offenders(quote: dict[str, Any]) -> list[str]:
    found = quote["offenders"]
    if not found:
        return []
    lines = ["not in the alphabet of GSM:"]
    for one in found[:20]:
        times = f"{one['times']} times, first" if one["times"] > 1 else "once,"
        instead = (
            "nothing can stand for it"
            if one["plain"] is None
            else f"write {one['plain']!r}"
            if one["plain"]
            else "leave it out"
        )
        lines.append(
            f"  {printable(one['char'])}  {one['name']}, {times} at character {one['at'] + 1}: {instead}"
        )
    if len(found) > 20:
        lines.append(f"  and {len(found) - 20} more")
    if quote["plain_parts"] is not None and quote["plain_parts"] < max(quote["parts"], 1):
        lines.append(f"written so it would be {quote['plain_parts']} SMS")
    return lines


def _money(amount: str, currency: str) -> str:
    return f"{amount} {currency}" if currency else amount
