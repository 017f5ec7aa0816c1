"""The sending commands of the simulated modem: +CMGS, +CMGW and +CMSS, in PDU mode and (the first) in text mode.

What comes at the prompt is checked octet by octet with `structure` and refused with +CMS ERROR: 304 when lengths do not
add up; what passes goes to the network after the latency in force.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from smsd.codec.tpdu import with_smsc
from smsd.simulator import structure, textmode
from smsd.simulator.answers import Later, Prompt, Refused, Reply, Result, cms
from smsd.simulator.card import SENT, UNSENT, Stored
from smsd.simulator.messaging import arguments, number

if TYPE_CHECKING:
    from collections.abc import Callable

    from smsd.simulator.modem import SimulatedModem

_BLANKS: Final = b" \r\n\t"


class Sending:
    """Part of `modem`; `commands` as in `Messaging`."""

    def __init__(self, modem: SimulatedModem) -> None:
        self._modem, self._profile, self._messaging = modem, modem.profile, modem.messaging
        self._parts = 0
        self.commands: dict[str, Callable[[str, str], Result]] = {
            "+CMGS": self._cmgs,
            "+CMGW": self._cmgw,
            "+CMSS": self._cmss,
        }

    def _cmgs(self, operator: str, rest: str) -> Result:
        if operator != "=":
            return []
        if self._messaging.text:
            return Prompt(lambda data: self._checked(*self._composed(rest, data), self._send))
        length = number(rest)
        if not 7 <= length <= 164:
            raise cms(304)
        return Prompt(lambda data: self._checked(*self._framed(length, data), self._send))

    def _cmgw(self, operator: str, rest: str) -> Result:
        if operator != "=" or self._messaging.text:
            raise cms(303)
        length = number(arguments(rest)[0])
        return Prompt(lambda data: self._checked(*self._framed(length, data), self._keep))

    def _cmss(self, operator: str, rest: str) -> Result:
        stored = self._messaging.memories[self._messaging.chosen[0]].slots.get(
            number(arguments(rest)[0], cms(321))
        )
        if stored is None or stored.status < UNSENT:
            raise cms(321)
        octets = stored.octets[1 + stored.octets[0] :]
        stored.status = SENT
        return self._send(octets, structure.walk(octets), "+CMSS")

    def _framed(self, length: int, data: bytes) -> tuple[bytes, bytes]:
        try:
            return structure.split_frame(bytes.fromhex(data.translate(None, _BLANKS).decode("ascii")), length)
        except ValueError as error:
            raise self._malformed(error) from None

    def _composed(self, rest: str, data: bytes) -> tuple[bytes, bytes]:
        try:
            recipient = arguments(rest)[0]
            return b"", textmode.composed(
                recipient, data, self._messaging.character_set, self._messaging.parameters
            )
        except ValueError as error:
            self._malformed(error)
            raise cms(305) from None

    def _malformed(self, error: Exception) -> Refused:
        self._modem.network.stats["malformed"] += 1
        self._modem.event("malformed", reason=str(error))
        return cms(304)

    def _checked(
        self, centre: bytes, octets: bytes, then: Callable[[bytes, structure.Submit], Result]
    ) -> Result:
        try:
            fields = structure.walk(octets)
        except structure.Malformed as error:
            raise self._malformed(error) from None
        if not centre and not self._modem.network.service_centre:
            raise cms(330)
        return then(octets, fields)

    def _keep(self, octets: bytes, _fields: structure.Submit) -> Result:
        memory = self._messaging.memories[self._messaging.chosen[1]]
        if memory.full:
            raise cms(322)
        return [f"+CMGW: {memory.add(Stored(with_smsc(octets), UNSENT))}"]

    def _send(self, octets: bytes, fields: structure.Submit, name: str = "+CMGS") -> Result:
        if not self._modem.network.registered:
            raise cms(331)
        if not self._messaging.centre_written:
            return Reply(final=None)
        return Later(self._modem.delay(), lambda: self._sent(octets, fields, name))

    def _sent(self, octets: bytes, fields: structure.Submit, name: str) -> Result:
        if not self._modem.network.registered:
            raise cms(331)
        reference = self._modem.network.submit(octets, fields)
        broken = self._modem.hit("accepted", name)
        if broken is not None:
            return broken
        if fields.has_header and self._profile.no_reference:
            self._parts += 1
            if self._parts % self._profile.no_reference == 0:
                return []
        return Reply([f"{name}: {reference}"], before=self._profile.before_reference)
