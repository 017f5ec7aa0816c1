"""From the door to the next hop: null gateway, one modem without delay, many modems at their own pace, single messages,
a modem that vanishes. The modems run in a process of their own; times are CLOCK_MONOTONIC of the same machine."""

from __future__ import annotations

import contextlib
import http.client
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.limits import Direct
from tests.bench.load import percentile
from tests.bench.measure import Contender, Results, put_load
from tests.rig.mailbox import Mailbox
from tests.rig.modems import Modems
from tests.rig.processes import until
from tests.rig.server import PASSWORD, USER, Server, mail_gateway, modem_gateway


@contextlib.contextmanager
def running(server: Server, *gateways: str) -> Iterator[Server]:
    """Start it, wait for these gateways, end it."""
    server.start()
    try:
        server.ready()
        for gateway in gateways:
            server.in_service(gateway, 120)
        yield server
    finally:
        if server.process is not None:
            server.process.kill()


@contextlib.contextmanager
def modems(folder: Path, **options: Any) -> Iterator[Modems]:
    """Simulated modems for a while."""
    found = Modems(folder, **options)
    try:
        yield found
    finally:
        found.stop()


def null_gateway(folder: Path, results: Results) -> None:
    """HTTP in to a gateway that accepts everything at once: accepted, committed, carried, settled."""
    count = 3_000 if results.quick else 20_000
    server = Server(folder / "null", [{"id": "null", "type": "loopback"}])
    with running(server, "null"):
        for connections in (10, 50):
            began = time.monotonic()
            said = put_load(Contender("smsd", ("http", str(server.http))), connections, 600, count=count)
            until(lambda: not server.waiting(), 600, "an empty queue", server.process, every=0.02)
            rate = count / (time.monotonic() - max(said["first"] - said["p50"] / 1000, began))
            results.add(
                f"HTTP to null gateway, {connections} connections",
                f"{rate:.0f}/s end to end",
                f"accepted at {said['rate']:.0f}/s",
            )
            results.keep(f"null gateway, {connections} connections", {"rate": rate, "load": said})


def one_modem(folder: Path, results: Results) -> None:
    """HTTP in to one modem that takes 0 ms."""
    count = 2_000 if results.quick else 10_000
    with modems(folder / "m0") as line:
        direct = Direct(line.link())
        limit = direct.rate(500 if results.quick else 3_000)
        direct.close()
        line.journal.write_bytes(b"")
        server = Server(folder / "one", [modem_gateway("gsm1", line.link())])
        with running(server, "gsm1"):
            put_load(Contender("smsd", ("http", str(server.http))), 10, 600, count=count)
            until(lambda: line.sent() >= count, 600, "all messages at the modem", server.process, every=0.05)
        times = [json.loads(entry)["time"] for entry in line.journal.read_text().splitlines()]
        rate = (len(times) - 1) / (times[-1] - times[0])
        results.keep("one modem at 0 ms", {"rate": rate, "line": limit, "count": count})
        results.add(
            "HTTP to one modem at 0 ms", f"{rate:.0f}/s end to end", f"the line itself {limit:.0f}/s", rate / limit,
            ">= 300/s", rate >= 300,
        )  # fmt: skip


def pace(folder: Path, results: Results) -> None:
    """Many modems that take a real modem's time per message, all kept busy."""
    latency, each = (0.3, 10) if results.quick else (3.0, 10)
    for count in (1, 8, 64):
        with modems(folder / f"p{count}", count=count, latency=latency) as lines:
            direct = Direct(lines.link())
            limit = direct.rate(3)
            direct.close()
            lines.journal.write_bytes(b"")
            names = [f"gsm{number}" for number in range(1, count + 1)]
            gateways = [modem_gateway(name, lines.link(n)) for n, name in enumerate(names, 1)]
            server = Server(folder / f"pace{count}", gateways)
            with running(server, *names):
                put_load(Contender("smsd", ("http", str(server.http))), 10, 600, count=count * each)
                until(
                    lambda lines=lines, count=count: lines.sent() >= count * each,
                    900,
                    "all messages",
                    server.process,
                    every=0.2,
                )
            rate = _rate_of_modems(lines.journal)
            results.keep(f"pace, {count} modems", {"rate": rate, "line": limit, "latency": latency})
            # A shorter time per message leaves less room for what lies between two; the promise is for 3 s.
            promised = not results.quick
            results.add(
                f"{latency:g} s per message, {count} modem{'s' if count > 1 else ''}", f"{rate * count:.3f}/s",
                f"the line itself {limit * count:.3f}/s", rate / limit,
                ">= 0.99" if promised else "", rate / limit >= 0.99 if promised else None,
            )  # fmt: skip


def _rate_of_modems(journal: Path) -> float:
    """Messages per second of a modem while it has work, over all modems: their intervals, not their beginnings."""
    times: dict[str, list[float]] = defaultdict(list)
    for entry in journal.read_text().splitlines():
        facts = json.loads(entry)
        times[facts["modem"]].append(facts["time"])
    intervals = sum(len(found) - 1 for found in times.values())
    return intervals / sum(found[-1] - found[0] for found in times.values())


def single(folder: Path, results: Results) -> None:
    """One message at a time on an idle server: hand-in to AT+CMGS, and +CMT to the next hop."""
    count = 20 if results.quick else 100
    box = Mailbox(folder / "box")
    try:
        with modems(folder / "single", trace=True) as line:
            server = Server(
                folder / "idle",
                [modem_gateway("gsm1", line.link(), deliver_to="ann@example.org"), mail_gateway(box.port)],
            )
            with running(server, "gsm1", "relay"):
                _hand_in(server, line, count, results)
                _to_next_hop(line, box, count, results)
    finally:
        box.stop()


def _traced(line: Modems, what: str) -> list[float]:
    return [
        facts["t"]
        for entry in line.trace.read_text().splitlines()
        if (facts := json.loads(entry))["what"] == what
    ]


def _hand_in(server: Server, line: Modems, count: int, results: Results) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.http)
    began, answered = [], []
    for n in range(count):
        began.append(time.monotonic())
        connection.request(
            "GET", f"/sms/?user={USER}&pass={PASSWORD}&number=%2B1555{2_000_000 + n}&data=message+{n}"
        )
        connection.getresponse().read()
        answered.append(time.monotonic())
        until(lambda n=n: line.sent() > n, 30, "the message at the modem", server.process)
        time.sleep(0.05)
    _report("hand-in to AT+CMGS, idle", began, _traced(line, "cmgs"), 20, results)
    _report("hand-in to 200, idle", began, answered, None, results)


def _to_next_hop(line: Modems, box: Mailbox, count: int, results: Results) -> None:
    for n in range(count):
        line.ask(json.dumps({"do": "receive", "number": "+15550004444", "text": f"message {n}"}))
        until(lambda n=n: box.count() > n, 30, "the mail")
        time.sleep(0.05)
    came, letters = _traced(line, "cmt"), box.letters()
    _report("+CMT to MAIL FROM at the next hop", came, [letter.began for letter in letters], None, results)
    _report("+CMT to the whole mail at the next hop", came, [letter.whole for letter in letters], 10, results)


def _report(
    what: str, began: list[float], ended: list[float], target: float | None, results: Results
) -> None:
    took = sorted(end - begin for begin, end in zip(began, ended, strict=True))
    median = statistics.median(took) * 1000
    results.keep(what, {"median ms": median, "p99 ms": percentile(took, 0.99), "count": len(took)})
    results.add(
        what, f"median {median:.1f} ms, p99 {percentile(took, 0.99):.1f} ms", "", None,
        f"median <= {target:g} ms" if target else "", median <= target if target else None,
    )  # fmt: skip


def vanished(folder: Path, results: Results) -> None:
    """A modem that is pulled out under load for 20 s, and comes back."""
    away, times = (4.0, 1) if results.quick else (20.0, 3)
    took, lost = [], 0
    with modems(folder / "gone", trace=True) as line:
        server = Server(folder / "vanish", [modem_gateway("gsm1", line.link())])
        with running(server, "gsm1"):
            sent = 0
            for _ in range(times):
                load = Contender("smsd", ("http", str(server.http)))
                put_load(load, 5, 60, count=100)
                line.ask(json.dumps({"do": "vanish", "seconds": away}))
                put_load(load, 5, 60, count=100)
                sent += 200
                until(lambda: not server.waiting(), away + 120, "an empty queue", server.process, every=0.1)
                back = _traced(line, "back")[-1]
                took.append(next(t for t in _traced(line, "cmgs") if t > back) - back)
                lost += sent - len(
                    {json.loads(entry)["number"] for entry in line.journal.read_text().splitlines()}
                )
    longest = max(took)
    results.keep("modem vanished", {"seconds to the next AT+CMGS": took, "lost": lost})
    results.add(
        f"modem away for {away:g} s, next AT+CMGS after its return", f"longest of {times}: {longest:.2f} s, {lost} lost",
        target="<= 3 s, 0 lost", met=longest <= 3 and not lost,
    )  # fmt: skip
