"""What a command of the simulated modem can come to: a reply, a prompt for data, a reply later, or an error.

Only the shapes; `session` turns them into bytes. A list of lines is short for `Reply` with OK.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Union

# +CMEE=2 spells these; other numbers stay numbers.
_CME_WORDS = {
    3: "operation not allowed",
    4: "operation not supported",
    10: "SIM not inserted",
    11: "SIM PIN required",
    12: "SIM PUK required",
    13: "SIM failure",
    16: "incorrect password",
    21: "invalid index",
    30: "no network service",
    50: "incorrect parameters",
    100: "unknown",
}
_CMS_WORDS = {
    302: "operation not allowed",
    303: "operation not supported",
    304: "invalid PDU mode parameter",
    305: "invalid text mode parameter",
    310: "SIM not inserted",
    311: "SIM PIN required",
    312: "PH-SIM PIN required",
    316: "SIM PUK required",
    321: "invalid memory index",
    322: "memory full",
    330: "SMSC address unknown",
    331: "no network service",
    340: "no +CNMA acknowledgement expected",
    500: "unknown error",
}


class Refused(Exception):
    """A command ends with this final result instead of OK: `ERROR`, `+CMS ERROR: 304`."""

    def __init__(self, final: str) -> None:
        super().__init__(final)
        self.final = final


def cms(code: int) -> Refused:
    """+CMS ERROR (27.005 3.2.5)."""
    return Refused(f"+CMS ERROR: {code}")


def cme(code: int) -> Refused:
    """+CME ERROR (27.007 9.2)."""
    return Refused(f"+CME ERROR: {code}")


def spelt(final: str, level: int) -> str:
    """`final` as +CMEE=`level` has it: 0 hides the number of +CME ERROR, 2 spells both kinds in words."""
    kind, colon, code = final.partition(" ERROR: ")
    if not colon or not code.isdigit() or kind not in ("+CME", "+CMS"):
        return final
    if level == 0 and kind == "+CME":
        return "ERROR"
    if level == 2:
        return f"{kind} ERROR: {(_CME_WORDS if kind == '+CME' else _CMS_WORDS).get(int(code), code)}"
    return final


@dataclass(frozen=True, slots=True)
class Reply:
    """Information lines and the final result; `final` None: no final result is given."""

    lines: Sequence[str] = ()
    final: str | None = "OK"
    before: bytes | None = None  # what stands before the first line instead of CR LF


@dataclass(frozen=True, slots=True)
class Prompt:
    """Data is asked for with `> `; `then` gets what came before Ctrl-Z."""

    then: Callable[[bytes], Result]


@dataclass(frozen=True, slots=True)
class Later:
    """The modem is busy for `seconds`, then `then` says what comes of it."""

    seconds: float
    then: Callable[[], Result]


Result = Union[list[str], Reply, Prompt, Later]
