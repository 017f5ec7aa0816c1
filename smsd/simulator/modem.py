"""The simulated modem: line, session, commands, card, memories and network put together, and everything that can be done to it.

`SimulatedModem(reactor, link=…)` is the whole modem; `start` plugs it in. Its methods are what the control socket offers
and what tests call. It never reads the wall clock but through its `clock`, and never writes anywhere but to the line, the
link and the journal it was given.
"""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING, Any

from twisted.internet import defer

from smsd.simulator import profiles
from smsd.simulator.answers import Refused, Reply, Result, cme, cms
from smsd.simulator.card import READ, Card, Memory, Stored
from smsd.simulator.faults import Faults
from smsd.simulator.general import General
from smsd.simulator.incoming import PLAIN, Shape, delivers, old_message
from smsd.simulator.line import Line
from smsd.simulator.messaging import ALWAYS, Messaging
from smsd.simulator.network import Journal, Network, Sent
from smsd.simulator.output import Output
from smsd.simulator.sending import Sending
from smsd.simulator.session import Session
from smsd.values.errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Callable

_EXTENDED = re.compile(r"([+^#*%$][A-Z0-9]+) ?(=\?|\?|=|)(.*)\Z", re.IGNORECASE | re.DOTALL)


class SimulatedModem:
    """A modem of one profile.

    `latency` (and `latency_to`) are the seconds that a send takes. `boot` scales the profile's times after power-on; 0
    makes it ready at once. `line` replaces the pty by anything with `open`, `close`, `write` and `is_open`.
    """

    def __init__(
        self,
        reactor: Any,
        link: str = "",
        profile: str | profiles.Profile = "generic",
        *,
        clock: Any = None,
        name: str = "modem",
        latency: float = 0.0,
        latency_to: float | None = None,
        journal: str = "",
        pin: str = "",
        number: str = "+15550009999",
        boot: float = 1.0,
        kept: int = 10_000,
        seed: int = 0,
        line: Callable[[Callable[[bytes], None]], Any] | None = None,
    ) -> None:
        self.clock = reactor if clock is None else clock
        self.profile = profile if isinstance(profile, profiles.Profile) else profiles.find(profile)
        self.name, self.boot, self.signal = name, boot, 20
        self.faults = Faults()
        self.card = Card(pin=pin, number=number)
        self.listeners: list[Callable[[dict[str, Any]], None]] = []
        self.line = line(self._received) if line else Line(reactor, link, self._received)
        self._output = Output(self.clock, self.faults, self.line.write)
        journalled = Journal(journal, name) if journal else None
        self.messaging: Messaging
        self.network = Network(self.clock, self._offer, self._unacknowledged, journalled, kept)
        self.network.accepted = self._accepted
        self.session = Session(self.clock, self.profile, self.faults, self._output.write, self._run, self.hit)
        self.messaging = Messaging(self)
        self.general = General(self)
        messages = {**self.messaging.commands, **Sending(self).commands}
        self._need_sim = messages.keys() - ALWAYS
        self._commands = {**messages, **self.general.commands}
        self._random = random.Random(seed)
        self._latency, self._latency_to = latency, latency_to
        self._timers: list[Any] = []
        self._waiters: list[tuple[int, defer.Deferred[None]]] = []
        self._silence_ends: Any = None
        self._chatter: list[profiles.Chatter] = []
        self._reference = 0
        self._ready_at = self._deaf_until = 0.0

    # -- life ---------------------------------------------------------------------------------------------------

    @property
    def path(self) -> str:
        """Where to open it: the link, or the pty itself."""
        return str(self.line.path)

    @property
    def reachable(self) -> bool:
        """Whether the network reaches it: plugged in, SIM open, started."""
        return (
            bool(self.line.is_open) and self.card.state == "READY" and self.clock.seconds() >= self._ready_at
        )

    def start(self) -> None:
        """Plug it in and switch it on."""
        self.line.open()
        self._power_on()

    def stop(self) -> None:
        """Unplug it for good."""
        self._power_off()
        self.line.close()
        self.network.close()
        if self._silence_ends is not None and self._silence_ends.active():
            self._silence_ends.cancel()

    def vanish(self, seconds: float | None = None) -> None:
        """Pull the plug: the device and its link are gone, for `seconds` or until `come_back`."""
        self._power_off()
        self.line.close()
        self.event("vanished")
        if seconds is not None:
            self._timers.append(self.clock.callLater(seconds, self.come_back))

    def come_back(self) -> None:
        """Plug it in again; nothing when it is there."""
        if self.line.is_open:
            return
        self.line.open()
        self.event("back")
        self._power_on()

    def restart(self) -> None:
        """What +CFUN=1,1 does; the line stays. Nothing when it is unplugged."""
        if not self.line.is_open:
            return
        self._power_off()
        self._power_on()

    def _power_off(self) -> None:
        for timer in self._timers:
            if timer.active():
                timer.cancel()
        self._timers.clear()
        self._output.clear()
        self.session.stop()
        self.messaging.reset()
        self.general.reset()
        self.network.interrupted()
        self.card.unlocked = False

    def _power_on(self) -> None:
        now = self.clock.seconds()
        self._deaf_until = now + self.profile.deaf * self.boot
        self._ready_at = now + self.profile.ready * self.boot
        for after, line in self.profile.boot:
            self._later(after * self.boot, self.tell, line)
        self._later(self.profile.ready * self.boot, self.network.push)
        self._chatter = list(self.profile.chatter)
        for chatter in self._chatter:
            self._later(chatter.every, self._chat, chatter)

    def _later(self, seconds: float, action: Callable[..., None], *arguments: Any) -> None:
        if seconds <= 0:
            action(*arguments)
            return
        self._timers = [timer for timer in self._timers if timer.active()]
        self._timers.append(self.clock.callLater(seconds, action, *arguments))

    def soon(self, action: Callable[[], None]) -> None:
        """After the answer to the command that is being run."""
        self._timers = [timer for timer in self._timers if timer.active()]
        self._timers.append(self.clock.callLater(0, action))

    def _chat(self, chatter: profiles.Chatter) -> None:
        if chatter in self._chatter:
            for line in chatter.lines:
                self.session.unsolicited(line, self.profile.chatter_end)
            self._later(chatter.every, self._chat, chatter)

    def unlocked(self) -> None:
        """The PIN was right: what the model says then."""
        for after, line in self.profile.after_pin:
            self._later(after * self.boot, self.tell, line)
        self.soon(self.network.push)

    # -- octets -------------------------------------------------------------------------------------------------

    def _received(self, data: bytes) -> None:
        if self.faults.silent or self.clock.seconds() < self._deaf_until:
            return
        piece = self.profile.piece
        self.session.received(data[:piece] if 0 < piece < len(data) and self.session.prompting else data)

    def tell(self, line: str) -> None:
        """Write an unsolicited line."""
        self.session.unsolicited(line)

    # -- commands -----------------------------------------------------------------------------------------------

    def _run(self, command: str) -> Result:
        match = _EXTENDED.match(command)
        upper = command.upper()
        if self._chatter:
            self._chatter = [chatter for chatter in self._chatter if upper not in chatter.stops]
        if upper in self.profile.extra:
            return list(self.profile.extra[upper])
        if match is None:
            return self.general.basic(command)
        if upper in (self.profile.iccid[0], "+CCID", "+ICCID") and self.profile.iccid[0]:
            return self.general.iccid()
        name, operator, rest = match.groups()
        name = name.upper()
        action = self._commands.get(name)
        if action is None:
            raise Refused(self.profile.unknown)
        if name in self._need_sim:
            self._need_service()
        return action(operator, rest.strip())

    def _need_service(self) -> None:
        state = self.card.state
        if state != "READY":
            raise {"": cms(310), "SIM PIN": cms(311), "SIM PUK": cms(316)}[state]
        if self.clock.seconds() < self._ready_at:
            raise Refused(self.profile.not_ready)
        if self.general.power != 1:
            raise cme(4) if self.general.power == 0 else cms(331)

    def hit(self, at: str, command: str) -> Reply | None:
        """What a fault makes of this occasion instead of the ordinary answer; None when there is none."""
        if not self.faults.rules:
            return None
        rule = self.faults.hit(at, command)
        if rule is None:
            return None
        self.event("fault", at=at, action=rule.action)
        if rule.action == "garbage":
            self._output.write(bytes.fromhex(rule.value))
            return None
        if rule.action == "vanish":
            self.vanish(float(rule.value) if rule.value else None)
        elif rule.action == "silence":
            self.silence(float(rule.value) if rule.value else None)
        return Reply(final=rule.value if rule.action == "answer" else None)

    # -- what the network does ----------------------------------------------------------------------------------

    def delay(self) -> float:
        """How long this send takes."""
        if self._latency_to is None:
            return self._latency
        return self._random.uniform(self._latency, self._latency_to)

    def _offer(self, octets: bytes, report: bool) -> Any:
        return self.messaging.offer(octets, report)

    def _unacknowledged(self) -> None:
        self.event("unacknowledged")
        self.messaging.fall_back()

    def _accepted(self, sent: Sent) -> None:
        if self.listeners:
            self.event("sent", **sent.facts())
        if self._waiters:
            count = self.network.stats["sent"]
            due = [waiter for number, waiter in self._waiters if number <= count]
            self._waiters = [(number, waiter) for number, waiter in self._waiters if number > count]
            for waiter in due:
                self.clock.callLater(0, waiter.callback, None)

    def event(self, kind: str, **facts: Any) -> None:
        """Tell who listens."""
        for listener in list(self.listeners):
            listener({"event": kind, "modem": self.name, **facts})

    # -- what can be done to it ---------------------------------------------------------------------------------

    @property
    def sent(self) -> list[Sent]:
        """What the network accepted, oldest first (the last `kept`)."""
        return list(self.network.sent)

    def when_sent(self, count: int) -> defer.Deferred[None]:
        """Fires when `count` messages were accepted since the start."""
        waiter: defer.Deferred[None] = defer.Deferred()
        if self.network.stats["sent"] >= count:
            waiter.callback(None)
        else:
            self._waiters.append((count, waiter))
        return waiter

    def set_latency(self, seconds: float, to: float | None = None) -> None:
        """How long a send takes from now on; between the two when there are two."""
        self._latency, self._latency_to = seconds, to

    def silence(self, seconds: float | None = None, after: int | None = None) -> None:
        """Neither hear nor say anything, at once or `after` so many octets, for `seconds` or until `speak`."""
        if after is None:
            self.faults.silent = True
        else:
            self.faults.silent_after = after
        if seconds is not None:
            self._silence_ends = self.clock.callLater(seconds, self.speak)

    def speak(self) -> None:
        """End the silence."""
        self.faults.silent, self.faults.silent_after = False, None
        if self._silence_ends is not None and self._silence_ends.active():
            self._silence_ends.cancel()
        self.network.push()

    def register(self, state: int) -> None:
        """Change the registration (1 home, 2 searching, 3 denied, 5 roaming, 0 off)."""
        self.network.registration = state
        if self.general.registration_lines:
            self.tell(self.general.registration(False))
        self.network.push()

    def receive(
        self,
        number: str,
        content: str | bytes,
        *,
        reference: int | None = None,
        shape: Shape = PLAIN,
    ) -> int:
        """A message from `number` comes in, as text or octets; the count of the TPDUs handed over.

        InvalidValue for a number or content that cannot be sent.
        """
        if reference is None:
            self._reference = reference = (self._reference + 1) % (1 << shape.width)
        octets = delivers(number, content, self.network.stamp(), reference, shape)
        for tpdu in octets:
            self.network.inject(tpdu)
        return len(octets)

    def report(self, status: int = 0, mr: int | None = None, number: str = "") -> int:
        """A status report for the last message, or that with `mr`, or to `number`; the reference it names.

        InvalidValue when there is none.
        """
        for sent in reversed(self.network.sent):
            if (mr is None or sent.mr == mr) and (not number or sent.number == number) and sent.submit:
                stamp = self.network.stamp()
                self.network.report(sent.mr, sent.submit.recipient.encode(), stamp, status)
                return sent.mr
        raise InvalidValue("no such message was sent")

    def flood(self, line: str, count: int, every: float = 0.0) -> None:
        """Unsolicited lines, all at once or one `every` so many seconds."""
        self.tell(line)
        if count > 1:
            if every <= 0:
                self.session.unsolicited("\r\n".join([line] * (count - 1)))
            else:
                self._later(every, self.flood, line, count - 1, every)

    def write_raw(self, data: bytes) -> None:
        """Put octets on the line as they are."""
        self._output.write(data)

    def memory(self, name: str = "") -> Memory:
        """A memory by its name, or that of incoming messages; ValueError when there is no such one."""
        memories = self.messaging.memories
        if name and name not in memories:
            raise ValueError(f"no memory {name!r}; there are: {', '.join(memories)}")
        return memories[name or self.messaging.chosen[2]]

    def fill(self, memory: str = "") -> int:
        """Fill a memory (that of incoming messages when none is named) with old messages; how many were put in."""
        store = self.memory(memory)
        octets = old_message(self.network.stamp())
        free = store.capacity - len(store.slots)
        for _ in range(free):
            store.add(Stored(b"\0" + octets, READ))
        return free

    def facts(self) -> dict[str, Any]:
        """Its state, for people and tests."""
        return {
            "modem": self.name,
            "profile": self.profile.name,
            "path": self.path,
            "present": bool(self.line.is_open),
            "pin": self.card.state or "no SIM",
            "pin_attempts": self.card.attempts,
            "registration": self.network.registration,
            "waiting": self.network.waiting,
            "memories": {name: [len(m.slots), m.capacity] for name, m in self.messaging.memories.items()},
            "cnmi": self.messaging.cnmi,
            **self.network.stats,
        }
