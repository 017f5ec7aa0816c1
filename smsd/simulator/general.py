"""The commands of the simulated modem that are not about messages: identity, PIN, registration, power, V.250 settings."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from smsd.simulator.answers import Refused, Reply, Result, cme
from smsd.simulator.messaging import arguments, number

if TYPE_CHECKING:
    from collections.abc import Callable

    from smsd.simulator.modem import SimulatedModem

IMEI = "490154203237518"
_BASIC = re.compile(r"(&?[A-Z]|S\d+=|\\[A-Z])(\d*)\Z")
# Taken and without consequence here; a question is answered by OK alone.
_SETTINGS = (
    "+CLIP", "+CRC", "+COLP", "+CLIR", "+CR", "+CCWA", "+CGMS", "+IPR", "+IFC", "+ICF", "+ILRR", "+CUSD",
    "+CTZU", "+CTZR", "+CGEREP", "+CMER", "+CVHU", "+CLVL",
)  # fmt: skip


class General:
    """The other half of `modem`; `commands` as in `Messaging`."""

    def __init__(self, modem: SimulatedModem) -> None:
        self._modem = modem
        profile = modem.profile
        self.commands: dict[str, Callable[[str, str], Result]] = {
            "+CGMI": self._says(profile.manufacturer), "+GMI": self._says(profile.manufacturer),
            "+CGMM": self._says(profile.model), "+GMM": self._says(profile.model),
            "+CGMR": self._says(profile.revision), "+GMR": self._says(profile.revision),
            "+CGSN": self._says(IMEI), "+GSN": self._says(IMEI),
            "+CIMI": self._cimi, "+CNUM": self._cnum, "+CPIN": self._cpin, "+CLCK": self._clck,
            "+CREG": self._creg, "+CGREG": self._creg, "+COPS": self._cops, "+CSQ": self._csq,
            "+CMEE": self._cmee, "+CFUN": self._cfun, "+CPAS": self._cpas, "+CCLK": self._cclk,
            "+GCAP": self._says("+GCAP: +CGSM"),
            **dict.fromkeys(_SETTINGS, self._nothing),
        }  # fmt: skip
        self.reset()

    def reset(self) -> None:
        """As after power-on."""
        self.registration_lines = 0
        self.power = 1

    @staticmethod
    def _says(text: str) -> Callable[[str, str], Result]:
        return lambda operator, _rest: [] if operator == "=?" else [text]

    @staticmethod
    def _nothing(_operator: str, _rest: str) -> Result:
        return []

    def basic(self, command: str) -> Result:
        """A V.250 command of one letter: ATE0, ATZ, AT&F, ATI."""
        match = _BASIC.match(command.upper())
        if match is None:
            raise Refused("NO CARRIER" if command[:1].upper() == "D" else "ERROR")
        name, value = match.groups()
        session = self._modem.session
        if name == "E":
            session.echo = value == "1"
        elif name == "V":
            session.verbose = value != "0"
        elif name == "Q":
            session.quiet = value == "1"
        elif name in ("Z", "&F"):
            profile = self._modem.profile
            session.echo, session.verbose, session.quiet, session.error_level = profile.echo, True, False, 0
        elif name == "I":
            profile = self._modem.profile
            return [profile.manufacturer, profile.model, f"Revision: {profile.revision}"]
        return []

    def iccid(self) -> Result:
        """The card's number, in the form of the model."""
        if not self._modem.card.present:
            raise cme(10)
        return [self._modem.profile.iccid[1].format(self._modem.card.iccid)]

    def _need_card(self) -> None:
        state = self._modem.card.state
        if state != "READY":
            raise cme({"": 10, "SIM PIN": 11, "SIM PUK": 12}[state])

    def _cimi(self, operator: str, _rest: str) -> Result:
        if operator == "=?":
            return []
        self._need_card()
        return [self._modem.card.imsi]

    def _cnum(self, _operator: str, _rest: str) -> Result:
        self._need_card()
        return [f'+CNUM: "","{self._modem.card.number}",145']

    def _cpin(self, operator: str, rest: str) -> Result:
        card = self._modem.card
        if operator == "=?":
            return []
        if not card.present:
            raise cme(10)
        if operator == "?":
            state = f'"{card.state}"' if self._modem.profile.cpin_quoted else card.state
            return Reply([f"+CPIN: {state}"], "OK" if self._modem.profile.cpin_ok else None)
        if card.state == "READY":
            raise cme(3)
        first, *new = arguments(rest)
        if card.state == "SIM PUK":
            if not new:
                raise cme(12)
            good = card.unblock(first, new[0])
        else:
            good = card.enter(first)
        if not good:
            raise cme(12 if card.state == "SIM PUK" else 16)
        self._modem.unlocked()
        return []

    def _clck(self, operator: str, rest: str) -> Result:
        if operator != "=" or not rest.upper().startswith('"SC",2'):
            return []
        return [f"+CLCK: {bool(self._modem.card.pin):d}"]

    def registration(self, with_mode: bool) -> str:
        """The +CREG line, as an answer or unsolicited."""
        # Without a card that is open there is no service to register with.
        state = self._modem.network.registration if self._modem.card.state == "READY" else 0
        mode = f"{self.registration_lines}," if with_mode else ""
        place = ',"00C3","1A2B"' if self.registration_lines == 2 and state in (1, 5) else ""
        return f"+CREG: {mode}{state}{place}"

    def _creg(self, operator: str, rest: str) -> Result:
        if operator == "=?":
            return ["+CREG: (0-2)"]
        if operator == "?":
            return [self.registration(True)]
        self.registration_lines = number(rest, cme(50))
        return []

    def _cops(self, operator: str, _rest: str) -> Result:
        if operator == "?":
            return ['+COPS: 0,0,"Simulated"' if self._modem.network.registered else "+COPS: 0"]
        return ['+COPS: (2,"Simulated","Sim","00101")'] if operator == "=?" else []

    def _csq(self, operator: str, _rest: str) -> Result:
        return ["+CSQ: (0-31,99),(99)"] if operator == "=?" else [f"+CSQ: {self._modem.signal},99"]

    def _cmee(self, operator: str, rest: str) -> Result:
        if operator == "=?":
            return ["+CMEE: (0-2)"]
        if operator == "?":
            return [f"+CMEE: {self._modem.session.error_level}"]
        if rest not in ("0", "1", "2"):
            raise Refused("ERROR")
        self._modem.session.error_level = int(rest)
        return []

    def _cfun(self, operator: str, rest: str) -> Result:
        if operator == "=?":
            return ["+CFUN: (0,1,4),(0,1)"]
        if operator == "?":
            return [f"+CFUN: {self.power}"]
        level, *restart = arguments(rest)
        if restart == ["1"] or level in ("16", "6"):
            self._modem.soon(self._modem.restart)
            return []
        self.power = number(level, cme(50))
        if self.power == 1:
            self._modem.messaging.text = self._modem.profile.text_default
        return []

    def _cpas(self, operator: str, _rest: str) -> Result:
        return ["+CPAS: (0,3,4)"] if operator == "=?" else ["+CPAS: 0"]

    def _cclk(self, operator: str, _rest: str) -> Result:
        if operator != "?":
            return []
        now = time.gmtime(self._modem.clock.seconds())
        return [f'+CCLK: "{time.strftime("%y/%m/%d,%H:%M:%S", now)}+00"']
