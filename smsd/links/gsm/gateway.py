"""One GSM modem as a gateway: looks for the device, opens and starts it, serves, closes it, and begins again.

Owns the life of the line (features G5, G6); everything that happens *on* a line is in `startup` and `service`. Keeps
nothing durable, retries no message.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import Logger
from zope.interface import implementer

from smsd.codec import at
from smsd.interfaces import Abilities, GatewayContext, IGateway
from smsd.links.gsm.conversation import Conversation
from smsd.links.gsm.errors import Lost, NotUsable, Silent, SimTrouble
from smsd.links.gsm.lane import Lane
from smsd.links.gsm.line import CannotOpen, open_line, present
from smsd.links.gsm.profile import Profile
from smsd.links.gsm.sending import given_back
from smsd.links.gsm.service import CLOSED, PERSON, REOPEN, InService, Troubles
from smsd.links.gsm.session import Dialogue
from smsd.links.gsm.settings import Settings
from smsd.links.gsm.startup import Startup
from smsd.values.delivery import Accepted, Piece

News = list[Callable[[at.Event], Any]]


@implementer(IGateway)
class GsmGateway(Service):
    """See IGateway. `opener` connects a Dialogue to its device or raises CannotOpen (tests give their own)."""

    log = Logger()

    def __init__(
        self,
        settings: Settings,
        profiles: dict[str, Profile],
        context: GatewayContext,
        opener: Callable[[Dialogue], Any] | None = None,
        exists: Callable[[str], bool] = present,
    ) -> None:
        self.name = settings.id
        self._settings = settings
        self._profiles = profiles
        self._context = context
        self._clock = context.reactor
        self._open = opener or self._open_device
        self._exists = exists
        self.abilities = _abilities(settings, profiles.get(settings.template or ""))
        self._lane = Lane(settings.id, context.outlet)
        self._troubles = Troubles()
        self._service: InService | None = None
        self._dialogue: Dialogue | None = None
        self._ended: Deferred[tuple[str, float]] | None = None
        self._pause: Deferred[None] | None = None
        self._over: Deferred[None] | None = None

    @property
    def status(self) -> str:
        """One line for people."""
        if self._service is None:
            return self._lane.status
        return f"{self._lane.status}: {self._service.status}"

    def startService(self) -> None:
        """Begin looking for the device."""
        Service.startService(self)
        path = self._context.spool("conversation.log")
        conversation = Conversation(self._settings.id, path, self._settings.conversation, self._clock.seconds)
        self._over = Deferred()
        self._lane.close("starting")
        self._run(conversation)

    def stopService(self) -> Deferred[None]:
        """Close the lane, let what is on the wire finish, close the device."""
        Service.stopService(self)
        self._lane.close("stopping")
        service = self._service
        finished = succeed(None) if service is None else service.sender.stop("the gateway is stopping")
        finished.addCallback(self._leave)
        return finished

    def send(self, piece: Piece) -> Deferred[Accepted]:
        """See IGateway."""
        if self._service is None:
            return fail(given_back(self.status))
        return self._service.sender.send(piece)

    def _leave(self, _: None) -> Deferred[None] | None:
        over = self._over
        self._end("stopped", 0)
        if self._dialogue is not None:
            self._dialogue.hang_up("the gateway is stopping")
        pause, self._pause = self._pause, None
        if pause is not None:
            pause.callback(None)
        return over

    def _run(self, conversation: Conversation) -> None:
        life: Deferred[None] = Deferred.fromCoroutine(self._live(conversation))
        life.addCallbacks(
            self._finished, self._broken, callbackArgs=(conversation,), errbackArgs=(conversation,)
        )

    def _finished(self, _: None, conversation: Conversation) -> None:
        conversation.close()
        over, self._over = self._over, None
        if over is not None:
            over.callback(None)

    def _broken(self, failure: Any, conversation: Conversation) -> None:
        """A defect of ours, or a store that does not answer: the gateway must not stay down for it."""
        self.log.failure("{gateway}: unexpected trouble, starting again", failure, gateway=self.name)
        self._lane.close("internal trouble, see the log")
        if self.running:
            self._wait(PERSON / 10).addCallback(lambda _: self._run(conversation))
        else:
            self._finished(None, conversation)

    def _wait(self, seconds: float) -> Deferred[None]:
        """A pause that stopService cuts short."""
        pause: Deferred[None] = Deferred()
        self._pause = pause
        call = self._clock.callLater(seconds, self._wake)

        def cancel(result: None) -> None:
            if call.active():
                call.cancel()

        return pause.addCallback(cancel)

    def _wake(self) -> None:
        pause, self._pause = self._pause, None
        if pause is not None:
            pause.callback(None)

    async def _live(self, conversation: Conversation) -> None:
        device = self._settings.device
        while self.running:
            if not self._exists(device):
                self._lane.close(f"{device} is not there")
                await self._wait(REOPEN)
                continue
            wait = await self._once(conversation)
            if self.running:
                await self._wait(wait)

    async def _once(self, conversation: Conversation) -> float:
        """Open, start, serve, close; how long to wait before the next time."""
        news: News = []
        dialogue = Dialogue(
            self._clock,
            self._settings.id,
            conversation,
            lambda event: _tell(news, event),
            lambda reason: self._end(reason, REOPEN),
            self._settings.read_timeout,
            self._settings.send_timeout,
        )
        try:
            self._open(dialogue)
        except CannotOpen as error:
            self._lane.close(str(error))
            return REOPEN
        conversation.remark(f"opened {self._settings.device}")
        self._dialogue = dialogue
        try:
            reason, wait = await self._serve(dialogue, conversation, news)
        except (Silent, Lost) as error:
            reason, wait = str(error), REOPEN if dialogue.gone else CLOSED
        except SimTrouble as error:
            reason, wait = str(error), PERSON
        except NotUsable as error:
            reason, wait = str(error), self._troubles.wait()
        finally:
            self._dialogue = None
            dialogue.hang_up("the line was closed")
        conversation.remark(f"closed: {reason}")
        if self.running:
            self._lane.close(reason)
        return wait

    async def _serve(self, dialogue: Dialogue, conversation: Conversation, news: News) -> tuple[str, float]:
        """Start the modem and keep it in service; why and for how long that ended."""
        startup = Startup(dialogue, self._settings, self._profiles, self._context, conversation)
        early: list[at.Event] = []
        news += [startup.news, early.append]
        modem = await startup.run()
        self.log.info(
            "{gateway}: {words} (profile {profile})",
            gateway=self.name,
            words=modem.words or "modem",
            profile=modem.name,
        )
        ended: Deferred[tuple[str, float]] = Deferred()
        service = InService(
            self._context,
            self._settings,
            dialogue,
            modem,
            self._lane,
            self._troubles,
            self._end,
            self._exists,
        )
        dialogue.guard(service.begin_again)
        news[:] = [service.news, service.restarted]
        self._ended = ended
        self._service = service
        try:
            service.start(early)
            return await ended
        finally:
            self._ended = self._service = None
            service.sender.stop(self._lane.status)
            service.stop()

    def _end(self, reason: str, wait: float) -> None:
        """Leave service. The lane closes before anything that waits is given back."""
        ended, self._ended = self._ended, None
        if ended is not None:
            if self.running:
                self._lane.close(reason)
            if self._service is not None:
                self._service.sender.stop(reason)
            ended.callback((reason, wait))

    def _open_device(self, dialogue: Dialogue) -> None:
        settings = self._settings
        open_line(dialogue, settings.device, self._clock, baud=settings.baud, rtscts=settings.rtscts)


def _abilities(settings: Settings, profile: Profile | None) -> Abilities:
    send_only = settings.send_only
    if send_only is None:
        send_only = profile is not None and profile.send_only
    reports = settings.reports and not send_only and (profile is None or profile.reports)
    return Abilities(settings.schemes, parts=True, binary=True, reports=reports, national=settings.tables)


def _tell(news: News, event: at.Event) -> None:
    for hear in tuple(news):
        hear(event)
