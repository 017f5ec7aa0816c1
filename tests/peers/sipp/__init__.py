"""sipp with the scenarios of this folder: many SIP messages, each to a number of its own."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.rig.processes import RigError, environment, free_port

PROGRAM = shutil.which("sipp")
SCENARIOS = Path(__file__).parent
AT_ONCE = 1000
"""Requests that wait for their answer: fewer than a server takes at once, so that a slow machine is slow and nobody is refused."""


def missing() -> str | None:
    """Why it cannot run here, or None."""
    return None if PROGRAM else "sipp is not installed (package sip-tester)"


@dataclass(frozen=True)
class Ran:
    """What sipp says at its end: calls that went as the scenario wants, others, and requests that it sent again."""

    good: int
    bad: int
    again: int
    errors: str


def run(
    scenario: str,
    port: int,
    numbers: Iterable[str],
    folder: Path,
    *,
    rate: int = 100,
    user: str = "demo",
    password: str = "demo",
    domain: str = "sms.example.org",
    transport: str = "u1",
    within: int = 60,
    at_once: int = AT_ONCE,
    **keys: str,
) -> Ran:
    """One run against 127.0.0.1:`port`; `keys` are [words] of the scenario. RigError when sipp itself could not."""
    assert PROGRAM is not None
    numbers = list(numbers)
    file = folder / f"{scenario}.csv"
    file.write_text("SEQUENTIAL\n" + "".join(f"{number};\n" for number in numbers))
    words = [
        word
        for name, value in {"domain": domain, "user": user, **keys}.items()
        for word in ("-key", name, value)
    ]
    text = (SCENARIOS / f"{scenario}.xml").read_text()
    for name, value in keys.items():
        text = text.replace(f'response="[{name}]"', f'response="{value}"')
    (folder / f"{scenario}.xml").write_text(text)
    command = [
        PROGRAM, f"127.0.0.1:{port}", "-sf", f"{scenario}.xml", "-inf", file.name, *words, "-au", user, "-ap", password,
        "-m", str(len(numbers)), "-r", str(rate), "-l", str(at_once), "-t", transport, "-i", "127.0.0.1", "-p", str(free_port()),
        "-nostdin", "-nd", "-skip_rlimit", "-trace_err", "-error_file", f"{scenario}.err",
        "-timeout", str(within), "-timeout_error",
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=folder, env={**environment(), "TERM": "dumb"}, stdin=subprocess.DEVNULL, capture_output=True,
        timeout=within + 60, check=False,
    )  # fmt: skip
    out = done.stdout.decode("utf-8", "replace")
    counts = {name: re.findall(rf"{name} call +\| +\d+ +\| +(\d+)", out) for name in ("Successful", "Failed")}
    if not counts["Successful"]:
        raise RigError(f"sipp ended with {done.returncode}: {out[-500:]} {done.stderr.decode()[-500:]}")
    errors = folder / f"{scenario}.err"
    return Ran(
        int(counts["Successful"][-1]),
        int(counts["Failed"][-1]),
        _again(out),
        _unexpected(errors.read_text("utf-8", "replace")) if errors.exists() else "",
    )


def _unexpected(errors: str) -> str:
    """The beginnings of what failed, without the answers that came twice."""
    told = re.split(r"\n(?=\d{4}-\d\d-\d\d\t|'\d{4}-)", errors)
    return "\n".join(one[:500] for one in told if "Dead call" not in one)[:5000]


def _again(out: str) -> int:
    """Requests sent again: the second number of each sending line of the last screen."""
    screen = out[out.rfind("Messages  Retrans") :]
    return sum(int(found) for found in re.findall(r"-+> +\d+ +(\d+)", screen))
