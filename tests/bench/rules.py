"""What rules cost: durable accepts by HTTP, and messages carried end to end, with none and with a hundred; and the engine alone
with up to ten thousand.

The rules are of the kinds that administrators write, and one of them matches every tenth message.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from smsd.policy.rules import engine
from smsd.policy.rules.language.reading import Checks, Reader
from smsd.policy.rules.language.rules import read_rules
from smsd.policy.rules.letter import Facts, Letter, Verdict
from tests.bench.accepts import CLOSED
from tests.bench.carrying import running
from tests.bench.load import phone
from tests.bench.measure import Contender, Results, interleaved, put_load
from tests.rig.processes import until
from tests.rig.server import Server

COUNTS = (10, 100, 1_000, 10_000)
CONNECTIONS = (10, 50)
MESSAGES = 200
Plain = dict[str, Any]

_MATCHING: Plain = {
    "title": "every tenth message",
    "if": {"number": {"ends": "7"}},
    "do": [{"set_header": {"name": "To", "regex": r"^(\+1555)(.*)$", "value": "$1$2@null"}}],
}


def typical(count: int) -> list[Plain]:
    """So many rules; the one in the middle matches every message to a number that ends with 7."""
    rules = [_of_kind(number) for number in range(count)]
    rules[count // 2] = _MATCHING
    return rules


def _of_kind(number: int) -> Plain:
    condition, actions = _KINDS[number % len(_KINDS)](number)
    return {"title": f"rule {number}", "if": condition, "do": actions}


def _route(number: int) -> list[Plain]:
    return [{"set_header": {"name": "To", "value": "%number%@null"}}, "stop"]


_KINDS: tuple[Callable[[int], tuple[Any, list[Any]]], ...] = (
    # least cost routing: by far the most, and longer lists are lists of prefixes
    lambda n: ({"to": {"starts": f"+4{n:05}"}}, _route(n)),
    lambda n: ({"to": {"regex": rf"^\+3{n:05}"}}, _route(n)),
    lambda n: ([{"to": {"starts": f"+2{n:05}"}}, {"not": {"to": {"contains": "@"}}}], _route(n)),
    # who sends
    lambda n: ({"from": f"user{n}@example.net"}, [{"append": " (sent by mail)"}]),
    lambda n: ({"account": f"customer{n}"}, [{"priority": "bulk"}]),
    # what it says
    lambda n: ({"body": f"forbidden{n}"}, [{"reject": "not these words"}]),
    lambda n: ({"keyword": {"in": [f"START{n}", f"STOP{n}"]}}, [{"copy": f"list{n}@example.org"}]),
    lambda n: ({"body": {"regex": rf"\border {n}[0-9]{{4}}\b"}}, [{"copy": "orders@example.org"}]),
    # several at once
    lambda n: ({"or": [{"number": f"+4477{n:05}"}, {"subject": f"ticket {n}"}]}, ["delete"]),
    lambda n: ({"number": {"in": [f"+9{n:04}{k}" for k in range(10)]}}, [{"reject": "blocked"}]),
)  # fmt: skip


# -- through the door


@contextlib.contextmanager
def _serving(folder: Path, count: int) -> Iterator[Contender]:
    """smsd with so many rules and a gateway that takes nothing more."""
    server = Server(folder / f"rules-{count}", [CLOSED], extra={"outgoing": typical(count) if count else []})
    server.start()
    try:
        server.ready()
        server.in_service("null")
        yield Contender(f"{count} rules" if count else "no rules", ("http", str(server.http)))
    finally:
        if server.process is not None:
            server.process.kill()


def accepts(folder: Path, results: Results) -> None:
    """With a hundred rules, beside none."""
    rounds, seconds = (2, 1.0) if results.quick else (9, 3.0)
    with contextlib.ExitStack() as stack:
        without = stack.enter_context(_serving(folder, 0))
        ruled = stack.enter_context(_serving(folder, 100))
        for connections in CONNECTIONS:
            said = interleaved([ruled, without], connections, rounds, seconds)
            results.keep(f"accepts with rules, {connections} connections", said)
            mine, other = said[ruled.name], said[without.name]
            ratio = mine["rate"] / other["rate"]
            results.add(
                f"HTTP accepts by 100 rules, {connections} connections", f"{mine['rate']:.0f}/s",
                f"without rules {other['rate']:.0f}/s", ratio, ">= 0.9", ratio >= 0.9,
            )  # fmt: skip


def carried(folder: Path, results: Results) -> None:
    """The same from the door to a gateway that accepts everything: what comes through durably."""
    rounds, count = (2, 1_000) if results.quick else (9, 6_000)
    with contextlib.ExitStack() as stack:
        servers = {}
        for rules in (0, 100):
            extra = {"outgoing": typical(rules) if rules else []}
            server = Server(folder / f"carried-{rules}", [{"id": "null", "type": "loopback"}], extra=extra)
            servers[rules] = stack.enter_context(running(server, "null"))
        for connections in CONNECTIONS:
            rates: dict[int, list[float]] = {rules: [] for rules in servers}
            for round_ in range(rounds):
                for rules, server in sorted(servers.items(), reverse=round_ % 2 == 1):
                    rates[rules].append(_through(server, connections, count))
            ruled, without = (statistics.median(rates[rules]) for rules in (100, 0))
            results.keep(
                f"carried by rules, {connections} connections", {str(n): each for n, each in rates.items()}
            )
            results.add(
                f"HTTP to null gateway by 100 rules, {connections} connections", f"{ruled:.0f}/s end to end",
                f"without rules {without:.0f}/s", ruled / without,
            )  # fmt: skip


def _through(server: Server, connections: int, count: int) -> float:
    began = time.monotonic()
    said = put_load(Contender("smsd", ("http", str(server.http))), connections, 600, count=count, warmup=0.0)
    until(lambda: not server.waiting(), 600, "an empty queue", server.process, every=0.02)
    return count / (time.monotonic() - max(said["first"] - said["p50"] / 1000, began))


# -- the engine alone


class _Sink:
    def report(self, path: Any, wrong: str, allowed: str = "", at_key: bool = False) -> None:
        raise AssertionError(f"{path}: {wrong}")

    def source(self, path: Any) -> str:
        return ""


def _judging(count: int) -> Callable[[], None]:
    """Judge every message once."""
    plain = _texts({"outgoing": typical(count)})
    ruleset = engine.compile(read_rules(plain, Reader(_Sink(), Checks())).outgoing)
    letters = [
        Letter(
            outgoing=True, sender="demo", to=phone(number), number=phone(number), account="demo", door="web",
            body=f"message {number} of the load: the quick brown fox", size=45, authenticated=True, ip="127.0.0.1",
            when=(5, 600, "2026-11-21", "10:00"),
        )
        for number in range(MESSAGES)
    ]  # fmt: skip
    facts = Facts()

    def judge() -> None:
        changed = 0
        for letter in letters:
            verdict = engine.judge(ruleset, letter, facts)
            changed += isinstance(verdict, Verdict) and bool(verdict.changed)
        assert changed == MESSAGES // 10, f"{changed} of {MESSAGES} matched"

    return judge


def _texts(value: Any) -> Any:
    """Scalars as a configuration has them."""
    if isinstance(value, dict):
        return {key: _texts(part) for key, part in value.items()}
    return [_texts(part) for part in value] if isinstance(value, list) else str(value)


def alone(results: Results) -> None:
    """Microseconds of one judgement, by the number of rules; measured in turns."""
    judges = {count: _judging(count) for count in COUNTS}
    taken: dict[int, list[float]] = {count: [] for count in COUNTS}
    for _ in range(5 if results.quick else 25):
        for count, judge in judges.items():
            began = time.perf_counter()
            judge()
            taken[count].append((time.perf_counter() - began) / MESSAGES * 1e6)
    costs = {count: statistics.median(times) for count, times in taken.items()}
    results.keep("one judgement, microseconds", costs)
    for count in COUNTS:
        ratio = costs[count] / costs[COUNTS[0]]
        promised = count == COUNTS[-1]
        results.add(
            f"one judgement by {count} rules", f"{costs[count]:.1f} µs",
            f"by {COUNTS[0]} rules {costs[COUNTS[0]]:.1f} µs" if count != COUNTS[0] else "",
            ratio if count != COUNTS[0] else None, "<= 5" if promised else "", ratio <= 5 if promised else None,
        )  # fmt: skip


def costs(folder: Path, results: Results) -> None:
    """The whole section."""
    alone(results)
    accepts(folder, results)
    carried(folder, results)
