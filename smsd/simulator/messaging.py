"""The SMS commands of the simulated modem (27.005) in PDU mode, its memories, and where incoming messages go.

+CNMI decides between memory and line, +CSMS=1 makes the terminal acknowledge with +CNMA (else mt and ds fall back to 0
and the network keeps the message). SUBMITs are checked by `structure`. Text mode is in `textmode`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from smsd.codec.tpdu import with_smsc
from smsd.simulator import structure, textmode
from smsd.simulator.answers import Prompt, Refused, Result, cms
from smsd.simulator.card import READ, SENT, UNREAD, UNSENT, Memory, Stored
from smsd.simulator.network import Taken

if TYPE_CHECKING:
    from collections.abc import Callable

    from smsd.simulator.modem import SimulatedModem

_GROUP = re.compile(r"\(([^)]*)\)")
_BLANKS = b" \r\n\t"
ALWAYS = frozenset({"+CMGF", "+CSCS", "+CSMP", "+CSDH"})
"""Commands that need no SIM."""


def ranges(text: str) -> list[frozenset[int]]:
    """What `(0-2),(0,1,3)` allows, value by value."""
    found = []
    for group in _GROUP.findall(text):
        values: set[int] = set()
        for item in group.split(","):
            first, _dash, last = item.partition("-")
            values.update(range(int(first), int(last or first) + 1))
        found.append(frozenset(values))
    return found


def arguments(text: str) -> list[str]:
    """The values after the equals sign, without their quotes."""
    return [part.strip().strip('"') for part in re.split(r',(?=(?:[^"]*"[^"]*")*[^"]*$)', text)]


def number(text: str, error: Refused | None = None) -> int:
    """A decimal value, or the refusal."""
    if not text.isascii() or not text.isdigit():
        raise error or cms(304)
    return int(text)


class Messaging:
    """The SMS half of `modem`.

    `commands` maps names to methods, which are given the operator (`=`, `?`, `=?` or nothing) and what follows it.
    """

    def __init__(self, modem: SimulatedModem) -> None:
        self._modem = modem
        self._profile = modem.profile
        self.memories = {
            name: Memory(name, capacity, modem.profile.first_index)
            for name, capacity in modem.profile.storages
        }
        self._allowed = ranges(modem.profile.cnmi)
        self.commands: dict[str, Callable[[str, str], Result]] = {
            "+CMGF": self._cmgf, "+CNMI": self._cnmi, "+CPMS": self._cpms, "+CMGL": self._cmgl,
            "+CMGR": self._cmgr, "+CMGD": self._cmgd,
            "+CSCA": self._csca, "+CSMS": self._csms, "+CMMS": self._cmms,
            "+CNMA": self._cnma, "+CSCS": self._cscs, "+CSMP": self._csmp, "+CSDH": self._csdh,
            "+CGSMS": self._cgsms,
        }  # fmt: skip
        self.reset()

    def reset(self) -> None:
        """As after power-on; the memories keep what they have."""
        self.text = self._profile.text_default
        self.cnmi = [0, 0, 0, 0, 0]
        self.chosen = [self._profile.memory] * 3
        self.phase_two_plus = False
        self.keep_link = 0
        self.character_set = "GSM"
        self.parameters = [17, 167, 0, 0]
        self.show_header = 0
        self.centre_written = not self._profile.needs_csca

    # -- what comes in ------------------------------------------------------------------------------------------

    def offer(self, octets: bytes, report: bool) -> Taken:
        """The network has a TPDU for us."""
        if not self._modem.reachable:
            return Taken.LATER
        if not self._profile.receives:
            return Taken.YES
        if report:
            return self._offer_report(octets)
        target = self.cnmi[1]
        message_class = structure.message_class(octets)
        if (target == 2 and message_class != 2) or (target == 3 and message_class == 3):
            return self._hand_over("+CMT", octets)
        return self._store(self.memories[self.chosen[2]], octets, "+CMTI" if target else "")

    def _offer_report(self, octets: bytes) -> Taken:
        target = self.cnmi[3]
        if target == 1:
            return self._hand_over("+CDS", octets)
        if target == 2 and self._profile.reports_in is None:
            self._modem.tell(f'+CDSI: "{self.chosen[2]}",0')
            return Taken.YES
        name = self._profile.reports_in
        if name not in self.memories:
            return Taken.YES
        return self._store(self.memories[name], octets, "+CDSI" if target else "", report=True)

    def _store(self, memory: Memory, octets: bytes, announce: str, report: bool = False) -> Taken:
        if memory.full:
            return Taken.LATER
        index = memory.add(Stored(with_smsc(octets, self._modem.network.service_centre), UNREAD, report))
        last = len(memory.slots) == memory.capacity
        if last and self._profile.full:
            self._modem.tell(self._profile.full.format(memory=memory.name))
        if announce and not (last and self._profile.unannounced_when_full):
            self._modem.tell(f'{announce}: "{memory.name}",{index}')
        return Taken.YES

    def _hand_over(self, what: str, octets: bytes) -> Taken:
        framed = with_smsc(octets, self._modem.network.service_centre)
        if self.text:
            self._modem.tell(textmode.announced(what, framed, self.character_set))
        else:
            length = len(octets) + self._modem.faults.wrong_length
            alpha = self._profile.alpha
            head = f"{length}" if what == "+CDS" or alpha is None else f"{alpha},{length}"
            self._modem.tell(f"{what}: {head}\r\n{framed.hex().upper()}")
        return Taken.WAIT if self.phase_two_plus else Taken.YES

    def fall_back(self) -> None:
        """No +CNMA came in time: routing to the terminal ends (27.005 3.4.4)."""
        self.cnmi[1] = self.cnmi[3] = 0

    # -- settings -----------------------------------------------------------------------------------------------

    def _cmgf(self, operator: str, rest: str) -> Result:
        if operator == "=?":
            return ["+CMGF: (0,1)" if self._profile.text_mode else "+CMGF: (0)"]
        if operator == "?":
            return [f"+CMGF: {self.text:d}"]
        if rest not in (("0", "1", "") if self._profile.text_mode else ("0", "")):
            raise cms(303)
        self.text = rest == "1"
        return []

    def _cnmi(self, operator: str, rest: str) -> Result:
        if not self._allowed:
            raise Refused(self._profile.unknown)
        if operator == "=?":
            return [f"+CNMI: {self._profile.cnmi}"]
        if operator == "?":
            return [f"+CNMI: {','.join(map(str, self.cnmi))}"]
        values = [number(part or "0", cms(303)) for part in arguments(rest)]
        if len(values) > 5:
            raise cms(303)
        values += [min(allowed) for allowed in self._allowed[len(values) :]]
        if any(value not in allowed for value, allowed in zip(values, self._allowed, strict=True)):
            raise cms(303)
        self.cnmi = values
        return []

    def _cpms(self, operator: str, rest: str) -> Result:
        if operator == "=?":
            return [f"+CPMS: {self._memory_ranges()}"]
        if operator == "?":
            return ["+CPMS: " + ",".join(f'"{name}",{self._fill(name)}' for name in self.chosen)]
        names = arguments(rest)
        if not 1 <= len(names) <= 3 or any(name not in self.memories for name in names) or "SR" in names[1:]:
            raise cms(302)
        self.chosen = [*names, *self.chosen[len(names) :]]
        self._modem.network.push()
        return ["+CPMS: " + ",".join(map(self._fill, self.chosen))]

    def _fill(self, name: str) -> str:
        return f"{len(self.memories[name].slots)},{self.memories[name].capacity}"

    def _memory_ranges(self) -> str:
        quoted = [f'"{name}"' for name in self.memories]
        written = ",".join(name for name in quoted if name != '"SR"')
        if self._profile.cpms == "flat":
            return f"{','.join(quoted)}"
        plain = f"({','.join(quoted)}),({written}),({written})"
        return f"({plain})" if self._profile.cpms == "doubled" else plain

    def _csca(self, operator: str, rest: str) -> Result:
        network = self._modem.network
        if operator == "?":
            shown = network.service_centre
            if self.character_set == "UCS2":
                shown = shown.encode("utf-16-be").hex().upper()
            return [f'+CSCA: "{shown}",{145 if network.service_centre.startswith("+") else 129}']
        if operator == "=":
            network.service_centre = arguments(rest)[0]
            self.centre_written = True
        return []

    def _csms(self, operator: str, rest: str) -> Result:
        if operator == "=?":
            return [f"+CSMS: ({','.join(map(str, self._profile.csms))})"]
        if operator == "?":
            return [f"+CSMS: {self.phase_two_plus:d},1,1,1"]
        service = number(rest, cms(303))
        if service not in self._profile.csms:
            raise cms(303)
        self.phase_two_plus = service == 1
        return ["+CSMS: 1,1,1"]

    def _cmms(self, operator: str, rest: str) -> Result:
        if operator == "=?":
            return ["+CMMS: (0-2)"]
        if operator == "?":
            return [f"+CMMS: {self.keep_link}"]
        self.keep_link = number(rest)
        return []

    def _cscs(self, operator: str, rest: str) -> Result:
        if operator == "=?":
            return ['+CSCS: ("GSM","IRA","UCS2")']
        if operator == "?":
            return [f'+CSCS: "{self.character_set}"']
        wanted = arguments(rest)[0].upper()
        if wanted not in ("GSM", "IRA", "UCS2"):
            raise cms(303)
        self.character_set = wanted
        return []

    def _csmp(self, operator: str, rest: str) -> Result:
        if operator == "?":
            return [f"+CSMP: {','.join(map(str, self.parameters))}"]
        if operator == "=":
            given = [number(part or "0", cms(305)) for part in arguments(rest)][:4]
            self.parameters[: len(given)] = given
        return []

    def _csdh(self, operator: str, rest: str) -> Result:
        if operator == "?":
            return [f"+CSDH: {self.show_header}"]
        if operator == "=":
            self.show_header = number(rest)
        return []

    def _cgsms(self, operator: str, rest: str) -> Result:
        return ["+CGSMS: 1"] if operator == "?" else []

    # -- reading and deleting -----------------------------------------------------------------------------------

    def _shown(self, stored: Stored, index: int | None) -> str:
        lead = "+CMGR: " if index is None else f"+CMGL: {index},"
        if self.text:
            return lead + textmode.shown(stored, self.character_set)
        alpha = "" if self._profile.alpha is None else f"{self._profile.alpha},"
        return f"{lead}{stored.status},{alpha}{stored.tpdu_length}\r\n{stored.octets.hex().upper()}"

    def _cmgl(self, operator: str, rest: str) -> Result:
        if operator == "=?":
            return ["+CMGL: (0-4)"]
        words = textmode.STATUS_WORDS
        wanted = arguments(rest)[0].upper() if rest else (words[0] if self.text else "0")
        status = words.index(wanted) if self.text and wanted in words else number(wanted, cms(303))
        if status > 4:
            raise cms(303)
        lines = []
        for index, stored in sorted(self.memories[self.chosen[0]].slots.items()):
            if status in (4, stored.status):
                lines.append(self._shown(stored, index))
                stored.status = READ if stored.status == UNREAD else stored.status
        return lines

    def _cmgr(self, operator: str, rest: str) -> Result:
        memory = self.memories[self.chosen[0]]
        index = number(rest, cms(321))
        if not memory.valid(index):
            raise cms(321)
        stored = memory.slots.get(index)
        if stored is None:
            if self._profile.empty_slot.startswith("+CMS"):
                raise Refused(self._profile.empty_slot)
            return [] if self._profile.empty_slot == "OK" else [self._profile.empty_slot]
        line = self._shown(stored, None)
        stored.status = READ if stored.status == UNREAD else stored.status
        return [line]

    def _cmgd(self, operator: str, rest: str) -> Result:
        memory = self.memories[self.chosen[0]]
        if operator == "=?":
            return [f"+CMGD: ({','.join(map(str, sorted(memory.slots)))}),(0-4)"]
        index, *flag = (number(part, cms(321)) for part in arguments(rest))
        gone = {1: {READ}, 2: {READ, SENT}, 3: {READ, SENT, UNSENT}, 4: {UNREAD, READ, SENT, UNSENT}}
        if flag and flag[0]:
            kinds = gone.get(flag[0])
            if kinds is None:
                raise cms(303)
            memory.slots = {i: stored for i, stored in memory.slots.items() if stored.status not in kinds}
        else:
            if not memory.valid(index):
                raise cms(321)
            memory.slots.pop(index, None)
        self._modem.network.push()
        return []

    def _cnma(self, operator: str, rest: str) -> Result:
        if operator == "=?":
            return ["+CNMA: (0-2)"]
        network = self._modem.network
        if not self.phase_two_plus or not network.handed:
            raise cms(340)
        values = [number(part or "0") for part in arguments(rest)] if rest else [0]
        good = values[0] != 2
        if len(values) > 1 and values[1]:
            return Prompt(lambda _data: self._acknowledged(good))
        return self._acknowledged(good)

    def _acknowledged(self, good: bool) -> Result:
        # The next message must not come before this command's OK.
        self._modem.soon(lambda: self._modem.network.acknowledge(good))
        return []
