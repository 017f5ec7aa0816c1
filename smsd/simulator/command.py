"""`smsd simulate modem`, `phone` and `control`: argument reading and the processes behind them.

Each function takes the arguments after its name and gives an exit status. The modem runs on a reactor of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import socket
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from smsd.simulator import profiles

if TYPE_CHECKING:
    from smsd.simulator.modem import SimulatedModem

_MODEM_HELP = """A GSM modem on a pseudo-terminal. Point a gateway (`device: var/modem`), minicom or any program for modems at it;
steer it with `smsd simulate control`, be the phone at its other end with `smsd simulate phone`."""
_MODEM_EXAMPLES = """examples:
  smsd simulate modem --link var/modem --profile huawei-e220 --latency 3
  smsd simulate modem --count 64 --link 'var/modem{}' --journal var/accepted.jsonl
  smsd simulate modem --replay var/log/modem1.log      play a recorded conversation back"""


def _seconds(text: str) -> tuple[float, float | None]:
    """`3` or `1:5`."""
    first, colon, last = text.partition(":")
    try:
        low, high = float(first), float(last) if colon else None
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} are no seconds: write 3, or 1:5 for a random time"
        ) from None
    if low < 0 or (high is not None and high < low):
        raise argparse.ArgumentTypeError(f"{text!r}: the first must not be below 0 nor above the second")
    return low, high


def _modem_arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "smsd simulate modem",
        description=_MODEM_HELP,
        epilog=_MODEM_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--link",
        default="var/modem",
        help="name of the device; {} is its number with --count (default: %(default)s)",
    )
    add("--control", metavar="SOCKET", help="Unix socket to steer it (default: the link with .sock)")
    add(
        "--profile",
        default="generic",
        choices=list(profiles.PROFILES),
        help="the model (default: %(default)s)",
    )
    add("--profiles", action="store_true", help="list the models and end")
    add(
        "--latency",
        type=_seconds,
        default=(0.0, None),
        metavar="S[:S]",
        help="seconds that a send takes (default: 0)",
    )
    add(
        "--journal",
        default="",
        metavar="FILE",
        help="append a JSON line for each accepted message, before its OK",
    )
    add("--pin", default="", help="the SIM asks for this PIN")
    add("--number", default="+15550009999", help="the SIM's own number (default: %(default)s)")
    add(
        "--report-after",
        type=float,
        default=1.0,
        metavar="S",
        help="delivery reports come so late; -1: none (default: 1)",
    )
    add("--count", type=int, default=1, help="so many modems in one process")
    add(
        "--boot",
        type=float,
        default=1.0,
        metavar="FACTOR",
        help="scale of the start-up times; 0: ready at once",
    )
    add("--seed", type=int, default=0, help="of random latencies")
    add("--replay", metavar="FILE", help="play a recorded conversation (a gateway's debug log) back instead")
    add("--gateway", default="", help="whose conversation to replay (default: the first in the file)")
    return parser


def modem(argv: Sequence[str]) -> int:
    """`smsd simulate modem`."""
    options = _modem_arguments().parse_args(argv)
    if options.profiles:
        for profile in profiles.PROFILES.values():
            print(f"{profile.name:16} {profile.about}")
        return 0
    if options.count > 1 and "{}" not in options.link:
        options.link += "{}"
    if options.count > 1 and options.control and "{}" not in options.control:
        options.control += "{}"
    try:
        return _replay(options) if options.replay else _run_modems(options)
    except (OSError, ValueError) as error:
        print(f"smsd simulate modem: {error}", file=sys.stderr)
        return 1


def _reactor() -> Any:
    """A reactor of this process' own; the global one belongs to the server."""
    try:
        from twisted.internet.epollreactor import EPollReactor as Reactor
    except ImportError:
        from twisted.internet.selectreactor import SelectReactor as Reactor
    return Reactor()


def _run_modems(options: argparse.Namespace) -> int:
    from twisted.internet.error import CannotListenError

    from smsd.simulator import control
    from smsd.simulator.modem import SimulatedModem

    reactor = _reactor()
    modems: list[SimulatedModem] = []
    ports = []
    try:
        for index in range(options.count):
            link = options.link.replace("{}", str(index))
            steered = (options.control or options.link + ".sock").replace("{}", str(index))
            simulated = SimulatedModem(
                reactor, link, options.profile,
                name=link.rpartition("/")[2], latency=options.latency[0], latency_to=options.latency[1],
                journal=options.journal, pin=options.pin, number=options.number, boot=options.boot,
                seed=options.seed + index,
            )  # fmt: skip
            simulated.network.reports = [(options.report_after, 0)] if options.report_after >= 0 else []
            simulated.start()
            modems.append(simulated)
            ports.append(control.listen(reactor, steered, simulated))
            print(f"{options.profile} at {link}, control socket {steered}", flush=True)
        reactor.run()
    except CannotListenError as error:
        raise OSError(
            f"cannot listen on {error.port}: {error.socketError}; is another modem running there?"
        ) from None
    finally:
        for port in ports:
            with contextlib.suppress(OSError):
                port.stopListening()
        for simulated in modems:
            simulated.stop()
    return 0


def _replay(options: argparse.Namespace) -> int:
    from smsd.simulator import replay
    from smsd.simulator.line import Line

    with open(options.replay, encoding="utf-8", errors="surrogateescape") as file:
        before, exchanges = replay.read(file, options.gateway)
    reactor = _reactor()

    def heard(data: bytes) -> None:
        player.received(data)
        if player.finished:
            reactor.callLater(0.5, _stop, reactor)

    line = Line(reactor, options.link, heard)
    player = replay.Player(before, exchanges, line.write, lambda text: print(text, flush=True))
    line.open()
    try:
        print(f"{len(exchanges)} recorded commands at {options.link}", flush=True)
        player.start()
        reactor.run()
    finally:
        line.close()
    end = "the whole recording was played" if player.finished else "the recording was not played to its end"
    print(f"{end}; {player.differences} differences")
    return 0 if player.finished and not player.differences else 1


def _stop(reactor: Any) -> None:
    if reactor.running:
        reactor.stop()


def phone(argv: Sequence[str]) -> int:
    """`smsd simulate phone`."""
    parser = argparse.ArgumentParser(
        "smsd simulate phone",
        description="A phone at the other end of a simulated modem: shows what the modem sends, sends what you type.",
        epilog="without a terminal every line of the input is a message: echo hello | smsd simulate phone --number +15551234567",
    )
    parser.add_argument(
        "--control", default="var/modem.sock", metavar="SOCKET", help="of the modem (default: %(default)s)"
    )
    parser.add_argument(
        "--number",
        default="",
        help="be this phone (default: show everything, answer from the number shown last)",
    )
    parser.add_argument(
        "--wait", type=float, default=0.0, metavar="S", help="listen so long after the end of the input"
    )
    options = parser.parse_args(argv)
    if options.number and not re.fullmatch(r"\+?[0-9*#]{1,20}|[^+].{0,10}", options.number):
        parser.error(
            f"--number {options.number}: a number has up to 20 digits after the +, a name up to 11 letters"
        )
    from smsd.simulator import phone as phones

    return phones.run(options.control, options.number, options.wait)


def control(argv: Sequence[str]) -> int:
    """`smsd simulate control`: one command to a simulated modem."""
    parser = argparse.ArgumentParser(
        "smsd simulate control",
        description="One command to a simulated modem; `help` lists them.",
        epilog="examples: vanish 20 · fail message 3 value='+CMS ERROR: 500' · receive +15551234567 'hello' · fill SM · status",
    )
    parser.add_argument(
        "--control", default="var/modem.sock", metavar="SOCKET", help="of the modem (default: %(default)s)"
    )
    parser.add_argument("words", nargs="+", metavar="WORD")
    options = parser.parse_args(argv)
    import shlex

    try:
        answer = ask(options.control, shlex.join(options.words))
    except OSError as error:
        print(
            f"smsd simulate control: no modem at {options.control} ({error.strerror or error})",
            file=sys.stderr,
        )
        return 1
    if not answer["ok"]:
        print(f"smsd simulate control: {answer['error']}", file=sys.stderr)
        return 1
    if isinstance(answer.get("answer"), dict) and options.words[0] == "help":
        print("\n".join(answer["answer"].values()))
    elif "answer" in answer:
        print(json.dumps(answer["answer"], indent=2, ensure_ascii=False))
    return 0


def ask(path: str, line: str, timeout: float = 10.0) -> dict[str, Any]:
    """Send one command to a control socket and wait for its answer; OSError when there is nobody."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout)
        connection.connect(path)
        connection.sendall(line.encode() + b"\n")
        with connection.makefile("rb") as answers:
            answer = answers.readline()
    if not answer:
        raise ConnectionResetError("the modem closed the connection")
    found: dict[str, Any] = json.loads(answer)
    return found


COMMANDS = {"modem": modem, "phone": phone, "control": control}
"""The words after `smsd simulate`."""


def main(argv: Sequence[str]) -> int:
    """`smsd simulate …`."""
    if argv and argv[0] in COMMANDS:
        return COMMANDS[argv[0]](argv[1:])
    wanted = not argv or argv[0] in ("-h", "--help", "help")
    out = sys.stdout if wanted else sys.stderr
    if not wanted:
        print(f"smsd simulate: no command {argv[0]!r}", file=out)
    print("usage: smsd simulate modem|phone|control [options]", file=out)
    print("  modem    a GSM modem on a pseudo-terminal", file=out)
    print("  phone    a phone at its other end", file=out)
    print("  control  one command to the modem: faults, incoming messages, status", file=out)
    print("smsd simulate COMMAND --help tells more.", file=out)
    return 0 if wanted else 2
