"""From an open line to a modem that can send and receive: who it is, its SIM, PDU mode, memories, news, registration.

Short on purpose: a modem that was unplugged must send again within seconds of its return. What a modem refuses here is
either needed (then `NotUsable`) or done without. Never sends, never deletes, never enters a PUK.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger

from smsd.codec import at
from smsd.codec.at.errors import NOT_READY
from smsd.links.gsm.errors import NotUsable, Silent
from smsd.links.gsm.pin import Unlock
from smsd.links.gsm.profile import GENERIC, Profile, recognise

if TYPE_CHECKING:
    from smsd.interfaces import GatewayContext
    from smsd.links.gsm.conversation import Conversation
    from smsd.links.gsm.session import Dialogue
    from smsd.links.gsm.settings import Settings

WAKE = 1.0  # a modem that is awake answers AT within this
QUIET = 0.1  # after the first answer: others may be under way, to what was written before
ATTEMPTS = 3  # to start a modem whose answers do not fit the questions
AGAIN = 0.5  # between two attempts while it says that it is starting


@dataclass(frozen=True, slots=True)
class Modem:
    """What the start found out. `memories` are those to read, `home` the one that stays selected ("" when none can be);
    `acknowledge`: what is handed over directly waits for +CNMA; `announces`: news come at all; `notify` is the
    +CNMI setting in force; `burst` is the +CMMS mode (0 none, 1 before each burst, 2 always)."""

    profile: Profile
    name: str
    words: str
    memories: tuple[str, ...] = ()
    home: str = ""
    acknowledge: bool = False
    announces: bool = False
    notify: str = ""
    burst: int = 0
    state: int | None = None
    receives: bool = True


def registered(state: int | None) -> bool:
    """Whether this registration state lets messages through; a modem that does not know counts as registered."""
    return state is None or state in (1, 5, 6, 7, 9, 10)


async def registration(dialogue: Dialogue) -> int | None:
    """The registration state: circuit switched, else packet or LTE; None when the modem does not tell."""
    state: int | None = None
    for domain in ("+CREG", "+CEREG"):
        answer = await dialogue.ask(f"AT{domain}?")
        found = at.registration(answer.lines) if answer.ok else None
        if found is not None and (state is None or registered(found)):
            state = found
        if state is not None and registered(state):
            break
        if state is None:
            break
    return state


async def subscribe(dialogue: Dialogue, choice: str, acknowledge: bool) -> bool:
    """Switch news on; whether the modem agrees. In one line with +CSMS where it can: a modem that restarts between the two
    would take messages for us, and let the network forget them."""
    if acknowledge:
        if (await dialogue.ask(f"AT+CSMS=1;+CNMI={choice}")).ok:
            return True
        await dialogue.ask("AT+CSMS=1")
    return (await dialogue.ask(f"AT+CNMI={choice}")).ok


class Startup:
    """One start over one open line."""

    log = Logger()

    def __init__(
        self,
        dialogue: Dialogue,
        settings: Settings,
        profiles: dict[str, Profile],
        context: GatewayContext,
        conversation: Conversation,
    ) -> None:
        self._dialogue = dialogue
        self._settings = settings
        self._profiles = profiles
        self._context = context
        self._conversation = conversation
        self._profile = profiles[settings.template or GENERIC]
        self._started: Deferred[None] | None = None
        self._confused = False

    async def run(self) -> Modem:
        """The modem, ready; or Silent, Lost, NotUsable, SimTrouble."""
        for _ in range(ATTEMPTS):
            self._confused = False
            modem = await self._start()
            if not self._confused:
                break
        return modem

    async def _start(self) -> Modem:
        await self._wake()
        await self._dialogue.settle(QUIET)
        await self._quietly("ATE0", "AT+CMEE=1")
        name, words = await self._identify()
        self._dialogue.guard(self._dialogue.hang_up)
        await self._quietly(*self._profile.init, *self._settings.init)
        unlock = Unlock(
            self._dialogue,
            self._profile,
            self._settings.pin,
            self._context.memory,
            self._conversation,
            self._patient,
            self._pause,
        )
        await unlock.run()
        receives = not (
            self._profile.send_only if self._settings.send_only is None else self._settings.send_only
        )
        direct = receives and await self._phase_two()
        if not (await self._patient("AT+CMGF=0")).ok:
            raise NotUsable("the modem refuses PDU mode (AT+CMGF=0): smsd cannot use it")
        await self._service_centre()
        memories: tuple[str, ...] = ()
        home = notify = ""
        if receives:
            memories, home = await self._memories()
            notify = await self._notify(direct)
        keep = self._profile.keep_link if self._settings.keep_link is None else self._settings.keep_link
        burst = await self._burst() if keep else 0
        await self._quietly("AT+CREG=1")
        state = await registration(self._dialogue)
        return Modem(
            self._profile,
            name,
            words,
            memories,
            home,
            acknowledge=direct,
            announces=notify[2:3] not in ("", "0"),
            notify=notify,
            burst=burst,
            state=state,
            receives=receives,
        )

    def news(self, event: at.Event) -> None:
        """A modem that says it has started need not be asked again and again."""
        self._confused |= isinstance(event, at.OutOfStep)
        if not isinstance(event, at.Notice) or self._started is None:
            return
        if any(re.match(pattern, event.line) for pattern in self._profile.wait_for):
            started, self._started = self._started, None
            started.callback(None)

    async def _wake(self) -> None:
        """Leave a half-finished input (ESC; Ctrl-Z only if the prompt stays: it would send what was typed)."""
        attempts = max(1, round(self._settings.read_timeout / WAKE))
        timeout = min(WAKE, self._settings.read_timeout)
        for attempt in range(attempts):
            if self._profile.escape:
                self._dialogue.raw(at.ESCAPE)
            before = self._dialogue.strays
            try:
                await self._dialogue.ask("AT", timeout=timeout)
            except Silent:
                if attempt == attempts - 1:
                    raise
                if self._dialogue.strays > before:
                    self._dialogue.raw(at.SUBMIT)
            else:
                return

    async def _identify(self) -> tuple[str, str]:
        words = []
        for text in ("AT+CGMI", "AT+CGMM", "AT+CGMR"):
            answer = await self._dialogue.ask(text)
            words.append(at.identifier(answer.lines) if answer.ok else "")
        if not all(words[:2]):
            answer = await self._dialogue.ask("ATI")
            words += answer.lines[:6] if answer.ok else ()
        said = "\n".join(word for word in words if word)
        name, self._profile = recognise(self._profiles, said, self._settings.template)
        self._dialogue.adopt(self._profile)
        return name, " ".join(said.split())[:120]

    async def _quietly(self, *commands: str) -> None:
        """Commands whose refusal means nothing."""
        for text in commands:
            answer = await self._dialogue.ask(text)
            if not answer.ok:
                self.log.debug("{gateway}: {text} refused", gateway=self._settings.id, text=text)

    async def _patient(self, text: str, lone: bool = False) -> at.Answer:
        """Ask again while the modem says that it or its SIM is still starting."""
        clock = self._context.reactor
        until = clock.seconds() + self._profile.patience
        while True:
            answer = await self._dialogue.ask(text, lone=lone)
            if (answer.outcome.kind, answer.outcome.code) not in NOT_READY or clock.seconds() >= until:
                return answer
            await self._pause(AGAIN, until_started=True)

    async def _pause(self, seconds: float, until_started: bool = False) -> None:
        pause: Deferred[Any] = deferLater(self._context.reactor, seconds)
        if not until_started:
            await pause
            return
        self._started = Deferred()
        self._started.addCallback(lambda _: pause.cancel())
        pause.addErrback(lambda _: None)
        await pause
        self._started = None

    async def _phase_two(self) -> bool:
        """Whether the modem now waits for +CNMA before the network may forget a message (27.005 3.2.1)."""
        if self._profile.no_cnma:
            await self._quietly("AT+CSMS=0")
            return False
        answer = await self._patient("AT+CSMS=1")
        if answer.ok and not any(line.startswith("+CSMS") for line in answer.lines):
            answer = await self._dialogue.ask("AT+CSMS?")
            return any(line.replace(" ", "").startswith("+CSMS:1") for line in answer.lines)
        return answer.ok

    async def _service_centre(self) -> None:
        smsc = self._settings.smsc
        if smsc is not None:
            answer = await self._dialogue.ask(f'AT+CSCA="{smsc}",{145 if smsc.startswith("+") else 129}')
            if not answer.ok:
                self.log.warn(
                    "{gateway}: the modem refuses the SMS centre's number", gateway=self._settings.id
                )
        elif self._profile.csca_writeback:
            answer = await self._dialogue.ask("AT+CSCA?")
            number = at.service_centre(answer.lines)
            if number:
                await self._quietly(f'AT+CSCA="{number}",{145 if number.startswith("+") else 129}')

    async def _memories(self) -> tuple[tuple[str, ...], str]:
        """Which memories to read, and the one that new messages go to."""
        wanted = tuple(self._settings.memories or self._profile.memories)
        answer = await self._patient("AT+CPMS=?")
        groups = at.memories(answer.lines) if answer.ok else ()
        offered = groups[0] if groups else frozenset()
        memories = tuple(name for name in wanted if name in offered) if offered else wanted[:1]
        for name in memories:
            for text in (f'AT+CPMS="{name}","{name}","{name}"', f'AT+CPMS="{name}"'):
                if (await self._patient(text)).ok:
                    return memories, name
        self.log.warn("{gateway}: no memory can be selected", gateway=self._settings.id)
        return (), ""

    async def _notify(self, direct: bool) -> str:
        """Switch news on, in the best way that profile and modem agree on; "" when there is none."""
        answer = await self._dialogue.ask("AT+CNMI=?")
        ranges = at.notify_ranges(answer.lines) if answer.ok else ()
        for choice in self._profile.cnmi:
            values = [int(value) for value in choice.split(",")]
            if values[1] == 2 and not direct:
                continue
            if any(value not in allowed for value, allowed in zip(values, ranges, strict=False)):
                continue
            if await subscribe(self._dialogue, choice, direct):
                return choice
        self.log.warn(
            "{gateway}: the modem will not announce messages, its memories are polled",
            gateway=self._settings.id,
        )
        return ""

    async def _burst(self) -> int:
        for mode in (2, 1):
            if (await self._dialogue.ask(f"AT+CMMS={mode}")).ok:
                return mode
        return 0
