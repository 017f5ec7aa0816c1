"""The mail relay as a gateway: a few connections that stay open through a burst, and the truth about them.

Nothing is kept or retried here but one thing: a mail that met a connection which the relay had closed while it was idle
goes out on a fresh one. While the relay cannot be used the outlet is closed and the relay is tried every 5 s to 5 min.
"""

from __future__ import annotations

from typing import Any, cast

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from zope.interface import implementer

from smsd.gateways.smtp.client import Connection
from smsd.gateways.smtp.letters import Letter, filed, letter
from smsd.gateways.smtp.replies import Lost, Reply, Unusable
from smsd.gateways.smtp.settings import Settings
from smsd.interfaces import Abilities, GatewayContext, IGateway
from smsd.values.delivery import Accepted, Failure, Kind, Piece, Scope

FIRST_WAIT = 5.0
LONGEST_WAIT = 300.0
MAILS_PER_CONNECTION = 100


@implementer(IGateway)
class MailRelay(Service):
    """Carries `mailto:` pieces (Text, Binary, Report) to one relay."""

    log = Logger()

    def __init__(self, settings: Settings, context: GatewayContext) -> None:
        self.name = settings.id
        self.settings = settings
        self.context = context
        self.abilities = Abilities(schemes=frozenset({"mailto"}), binary=True, sender=True)
        self.postmaster = settings.postmaster or context.postmaster or f"postmaster@{context.server_name}"
        self._tls_options = settings.tls_options() if settings.effective_security != "none" else None
        self._idle: list[tuple[Connection, Any]] = []  # with the timer that ends the connection
        self._open: set[Connection] = set()
        self._busy: set[Deferred[Any]] = set()
        self._cut: set[int] = set()  # deliveries that lost their connection since one went well
        self._ended: Deferred[None] | None = None
        self._trouble: str | None = "not started"
        self._wait = FIRST_WAIT
        self._probe: Any = None

    @property
    def status(self) -> str:
        """Ready or why not, and how many connections are open."""
        if self._trouble is not None:
            return f"{self.settings.where}: {self._trouble}"
        return f"{self.settings.where}: ready, {len(self._open)} connections open"

    def startService(self) -> None:
        """Open the outlet; the first mail connects."""
        super().startService()
        self._trouble = None
        self.context.outlet.opened(self.settings.slots)

    async def _stop(self) -> None:
        if self._probe is not None and self._probe.active():
            self._probe.cancel()
        for connection, timer in list(self._idle):
            timer.cancel()
            connection.quit()
        self._idle = []
        if self._busy:
            await DeferredList(list(self._busy))
        if self._open:
            self._ended = Deferred()
            await self._ended

    def stopService(self) -> Deferred[None]:
        """Fires when the mails on their way are done and the connections closed."""
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    def send(self, piece: Piece) -> Deferred[Accepted]:
        """Fires when the relay took the mail; fails with `Failure` as the module `client` sorts its answers."""
        return self._tracked(self._send(piece))

    def _tracked(self, work: Any) -> Deferred[Any]:
        done: Deferred[Any] = Deferred.fromCoroutine(work)
        watch: Deferred[None] = Deferred()
        self._busy.add(watch)

        def over(result: Any) -> Any:
            self._busy.discard(watch)
            watch.callback(None)
            return result

        return done.addBoth(over)

    async def _send(self, piece: Piece) -> Accepted:
        mail = letter(piece, self.context.server_name, self.postmaster, self.settings.mail_from)
        folder = next((value for name, value in piece.headers if name == "folder"), "")
        if folder:
            mail = filed(mail, folder, self.settings.folders, self.settings.folder_separator)
        while True:
            used = bool(self._idle)
            connection = self._take() if used else await self._connected()
            try:
                await self._exchange(connection, mail)
            except Lost as lost:
                if connection.in_doubt:
                    reason = f"{lost.reason} after the mail was sent: it may have arrived"
                    raise Failure(Kind.UNKNOWN, reason, maybe_sent=True, status="4.4.2") from None
                if not used:
                    raise self._cut_off(piece, lost.reason) from None
            except Failure as failure:
                self._keep(connection, failure.scope is not Scope.GATEWAY)
                if failure.scope is not Scope.GATEWAY:
                    raise
                if not used:
                    raise self._cut_off(piece, failure.reason) from None
            else:
                self._cut.clear()
                self._keep(connection)
                return Accepted()

    def _cut_off(self, piece: Piece, reason: str) -> Failure:
        """A working connection ended in the middle of a mail. The first time that is the relay's trouble; when it
        happens again with the same mail, the mail pays for it, so that one that the relay cannot bear stops no other."""
        if piece.delivery in self._cut:
            return Failure(Kind.TEMPORARY, reason, status="4.4.2")
        self._cut.add(piece.delivery)
        return self._closed(reason)

    async def _exchange(self, connection: Connection, mail: Letter) -> Reply:
        """One mail under one time limit, whatever the relay does in between."""
        limit = self.context.reactor.callLater(
            self.settings.deadline, connection.give_up, "the mail relay takes too long"
        )
        try:
            return await connection.deliver(mail, self.settings.deadline)
        finally:
            if limit.active():
                limit.cancel()

    # -- connections

    def _take(self) -> Connection:
        connection, timer = self._idle.pop()
        timer.cancel()
        return connection

    def _keep(self, connection: Connection, usable: bool = True) -> None:
        """Keep it open for the next mail, or take leave."""
        if connection.lost is not None:
            return
        spent = connection.delivered >= MAILS_PER_CONNECTION or not self.settings.idle
        if not usable or spent or not self.running:
            connection.quit()
            return
        timer = self.context.reactor.callLater(self.settings.idle, self._retire, connection)
        self._idle.append((connection, timer))

    def _retire(self, connection: Connection) -> None:
        self._idle = [entry for entry in self._idle if entry[0] is not connection]
        connection.quit()

    def _connection_ended(self, connection: Connection) -> None:
        self._open.discard(connection)
        for entry in self._idle:
            if entry[0] is connection:
                entry[1].cancel()
        self._idle = [entry for entry in self._idle if entry[0] is not connection]
        if self._ended is not None and not self._open:
            ended, self._ended = self._ended, None
            ended.callback(None)

    async def _connected(self) -> Connection:
        """A fresh connection, ready for mails; a Failure of the gateway (and a closed outlet) when there is none."""
        try:
            return await self._connect()
        except Unusable as error:
            raise self._closed(error.reason, error.patience) from None

    async def _connect(self) -> Connection:
        """Connect, TLS, login; Unusable says why not. Opportunistic TLS that fails is followed by a try without."""
        settings = self.settings
        try:
            return await self._begin(settings.effective_security)
        except Lost as lost:
            if not lost.tls or settings.needs_tls or settings.verify:
                raise Unusable(lost.reason) from None
            self.log.info("{gateway}: {reason}; going on in clear", gateway=self.name, reason=lost.reason)
        try:
            return await self._begin("none")
        except Lost as lost:
            raise Unusable(lost.reason) from None

    async def _begin(self, security: str) -> Connection:
        settings, reactor = self.settings, self.context.reactor
        endpoint: Any
        if settings.socket:
            endpoint = UNIXClientEndpoint(reactor, settings.socket, timeout=settings.timeout)
        else:
            endpoint = HostnameEndpoint(reactor, settings.host, settings.effective_port, settings.timeout)
        lmtp = settings.protocol == "lmtp"
        factory = Factory.forProtocol(
            lambda: Connection(reactor, settings.timeout, self.name, self._connection_ended, lmtp)  # type: ignore[arg-type]
        )
        factory.noisy = False
        try:
            connection = cast(Connection, await endpoint.connect(factory))
        except DNSLookupError:
            raise Unusable(f"the name of the mail relay {settings.host} is not known") from None
        except (ConnectError, OSError) as error:
            raise Unusable(f"the mail relay {settings.where} cannot be reached: {error}") from None
        self._open.add(connection)
        login = None
        if settings.user is not None and settings.password is not None:
            login = (settings.user, settings.password.get_secret_value())
        try:
            await connection.begin(
                settings.hello or self.context.server_name, security, self._tls_options, login
            )
        except Unusable:
            connection.quit()
            raise
        return connection

    # -- the outlet

    def _closed(self, reason: str, patience: float = 0.0) -> Failure:
        """Close the outlet if it is open, try again later; the Failure for the piece that met the trouble."""
        if self._trouble is None and self.running:
            self._trouble = reason
            self.log.warn("{gateway}: {reason}", gateway=self.name, reason=reason)
            self.context.outlet.closed(reason)
            self._probe_later(patience)
        return Failure(Kind.TEMPORARY, reason, scope=Scope.GATEWAY, status="4.4.1")

    def _probe_later(self, patience: float) -> None:
        self._probe = self.context.reactor.callLater(max(self._wait, patience), self._tracked_probe)
        self._wait = min(self._wait * 2, LONGEST_WAIT)

    def _tracked_probe(self) -> None:
        self._tracked(self._try_again())

    async def _try_again(self) -> None:
        try:
            connection = await self._connect()
        except Unusable as error:
            self._trouble = error.reason
            self.log.debug("{gateway}: still {reason}", gateway=self.name, reason=error.reason)
            if self.running:
                self._probe_later(error.patience)
            return
        self._keep(connection)
        self._trouble = None
        self._wait = FIRST_WAIT
        if self.running:
            self.log.info("{gateway}: the mail relay can be used again", gateway=self.name)
            self.context.outlet.opened(self.settings.slots)
