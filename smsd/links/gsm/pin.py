"""The SIM's PIN: entered once, never after a refusal, never a PUK.

What is remembered durably is written *before* the PIN is entered and forgotten when the SIM took it: a crash, an unplugged
modem or a silent one in between counts as a refusal, so that no series of restarts can lock a SIM. Remembered is a slow
hash over the SIM's number and the PIN, and one over the modem's serial number and the PIN for the day on which the SIM
does not tell its number; so another PIN in the configuration, or another SIM, is tried.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from smsd.codec import at
from smsd.codec.at.errors import NOT_READY
from smsd.links.gsm.errors import NotUsable, Silent, SimTrouble
from smsd.links.gsm.session import SETTLE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pydantic import SecretStr

    from smsd.interfaces import IMemory
    from smsd.links.gsm.conversation import Conversation
    from smsd.links.gsm.profile import Profile
    from smsd.links.gsm.session import Dialogue

KEY = "refused_pin"
PIN_TIMEOUT = 30.0
PIN_WAIT = 2.0  # a SIM needs this long after its PIN before it answers sensibly

_PLAIN_NUMBER = re.compile(r"[0-9]{14,20}")
_ASKS = {
    "SIM PUK": "the SIM is locked and asks for its PUK: unlock it in a phone",
    "SIM PIN2": "the SIM asks for its PIN2",
    "SIM PUK2": "the SIM asks for its PUK2",
    "PH-SIM PIN": "the modem is locked to another SIM and asks for its own PIN (PH-SIM PIN)",
    "NOT INSERTED": "no SIM in the modem",
}


class Unlock:
    """Brings the SIM of one open line to READY, or raises SimTrouble."""

    def __init__(
        self,
        dialogue: Dialogue,
        profile: Profile,
        pin: SecretStr | None,
        memory: IMemory,
        conversation: Conversation,
        patient: Callable[[str, bool], Awaitable[at.Answer]],
        pause: Callable[[float], Awaitable[None]],
    ) -> None:
        self._dialogue = dialogue
        self._profile = profile
        self._pin = pin
        self._memory = memory
        self._conversation = conversation
        self._patient = patient
        self._pause = pause

    async def run(self) -> None:
        """Enter the PIN if it is asked for."""
        state = await self._state()
        if state == "READY":
            if await self._memory.recall(KEY) is not None:
                await self._memory.remember(KEY, None)
            return
        if not state:
            return
        if state == "NOT READY":
            raise NotUsable("the SIM is not ready")
        if state != "SIM PIN":
            raise _trouble(state)
        await self._enter()

    async def _state(self) -> str:
        """The SIM's state; "" for a modem that does not know the question (a phone)."""
        answer = await self._patient("AT+CPIN?", True)
        if answer.ok and not at.pin_state(answer.lines):  # the OK was another command's: let the others pass
            await self._dialogue.settle(SETTLE)
            answer = await self._patient("AT+CPIN?", True)
        if answer.ok:
            return at.pin_state(answer.lines)
        verdict = at.judge(answer.outcome)
        if verdict.remedy is at.Remedy.PIN:
            return "SIM PIN"
        if verdict.remedy is at.Remedy.SIM:
            raise SimTrouble(f"{verdict.reason} ({answer.outcome.text[:60]})")
        return ""

    async def _enter(self) -> None:
        if self._pin is None:
            raise SimTrouble(
                "the SIM asks for a PIN, and the configuration has none: set `pin` for this gateway"
            )
        pin = self._pin.get_secret_value()
        sim, device = await self._identities()
        marks = (_mark("sim", sim, pin) if sim else "-", _mark("device", device, pin))
        known = (await self._memory.recall(KEY) or "").split()
        if known and (marks[0] in known if sim and "-" not in known else marks[1] in known):
            raise SimTrouble(
                "this PIN was refused before, or its entry was cut short, and it is not tried again:"
                " correct `pin` in the configuration, or unlock the SIM in a phone and switch its PIN off"
            )
        await self._memory.remember(KEY, " ".join(marks))
        if not await self._try(pin):
            raise SimTrouble(
                "the SIM refused the PIN: correct `pin` in the configuration; it is not tried again"
            )
        await self._pause(PIN_WAIT)
        state = await self._state()
        if state not in ("READY", ""):  # the OK may have been another command's
            raise _trouble(state)
        await self._memory.remember(KEY, None)

    async def _try(self, pin: str) -> bool:
        self._conversation.secret(pin)
        try:
            answer = await self._dialogue.ask(f'AT+CPIN="{pin}"', secret=True, timeout=PIN_TIMEOUT)
        except Silent:
            raise SimTrouble(
                "the modem did not say whether the PIN is right; it is not tried again"
            ) from None
        self._conversation.secret("")
        if answer.ok:
            return True
        result = answer.outcome
        if (result.kind, result.code) in NOT_READY:  # not looked at: no try was spent
            await self._memory.remember(KEY, None)
            raise NotUsable(f"the SIM is not ready for its PIN ({result.text})")
        if result.code == 16:
            return False
        return at.pin_state((await self._dialogue.ask("AT+CPIN?", lone=True)).lines) == "READY"

    async def _identities(self) -> tuple[str, str]:
        """The SIM's number (ICCID) and the modem's serial number; "" for what they do not tell."""
        sim = ""
        for text in self._profile.iccid:
            answer = await self._dialogue.ask(text, expects=text[2])
            found = [m[0] for line in answer.lines if (m := re.search(r"[0-9]{18,22}", line))]
            if answer.ok and found:
                sim = found[0]
                break
        answer = await self._dialogue.ask("AT+CGSN")
        numbers = [match[0] for line in answer.lines if (match := _PLAIN_NUMBER.search(line))]
        return sim, numbers[0] if numbers else ""


def _trouble(state: str) -> SimTrouble:
    return SimTrouble(_ASKS.get(state, f"the modem asks for {state[:40]}"))


def _mark(kind: str, identity: str, pin: str) -> str:
    """A hash that does not give the PIN away cheaply; ten milliseconds, once for each PIN entered."""
    salt = f"smsd {kind} {identity}".encode()
    return hashlib.scrypt(pin.encode(), salt=salt, n=4096, r=8, p=1, dklen=16).hex()
