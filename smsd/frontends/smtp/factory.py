"""The mail door as a service: it listens, hands out sessions up to a limit, and stops without leaving an answer owed.

Twisted's SMTPFactory with a portal for its credentials. Owns the certificate files and the list of open sessions; knows
no command.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from typing import Any, TypeVar

from OpenSSL import crypto
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList, fail, maybeDeferred, succeed
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import VerifyError
from twisted.internet.interfaces import IAddress, IListeningPort
from twisted.internet.protocol import Protocol
from twisted.internet.ssl import Certificate, CertificateOptions, KeyPair, PrivateCertificate
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.mail.smtp import SMTPFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from smsd.codec import mail as mails
from smsd.codec import smsuri
from smsd.core.calls import CallLog
from smsd.core.networks import Networks
from smsd.frontends.smtp.addresses import Realm
from smsd.frontends.smtp.commands import Mail
from smsd.frontends.smtp.dialects import DIALECTS
from smsd.frontends.smtp.login import answered_for, log_in, vouch
from smsd.frontends.smtp.protocol import SMSProtocol
from smsd.frontends.smtp.settings import Settings, TLSFiles
from smsd.frontends.smtp.transaction import Transaction
from smsd.interfaces import FrontendContext, IFrontend

T = TypeVar("T")

STOP_SECONDS = 15
"""How long stopService waits for the answers of commits under way."""


class CertificateFiles:
    """The TLS context of two PEM files, made anew when one of them has changed. OSError or a TLS error if unreadable."""

    log = Logger()

    def __init__(self, files: TLSFiles) -> None:
        self._files = files
        self._seen: tuple[int, int] | None = None
        self._context: CertificateOptions | None = None

    def context(self) -> CertificateOptions:
        """For the next handshake. Files that have become unreadable leave the last good ones in force."""
        try:
            seen = (os.stat(self._files.certificate).st_mtime_ns, os.stat(self._files.key).st_mtime_ns)
            if self._context is None or seen != self._seen:
                self._context = self._load()
                self._seen = seen
        except (OSError, ValueError):
            if self._context is None:
                raise
            self.log.failure("the certificate {path} cannot be read again", path=self._files.certificate)
        return self._context

    def _load(self) -> CertificateOptions:
        with open(self._files.certificate, "rb") as file:
            blocks = file.read().split(b"-----BEGIN CERTIFICATE-----")[1:]
        with open(self._files.key, "rb") as file:
            pem = file.read()
        if not blocks:
            raise ValueError(f"{self._files.certificate} holds no certificate in PEM")
        chain = [Certificate.loadPEM(b"-----BEGIN CERTIFICATE-----" + block) for block in blocks]
        try:
            own = PrivateCertificate.fromCertificateAndKeyPair(
                chain[0], KeyPair.load(pem, crypto.FILETYPE_PEM)
            )
        except (crypto.Error, VerifyError, ValueError) as error:
            raise ValueError(f"{self._files.key} is no key for {self._files.certificate}: {error}") from None
        return CertificateOptions(
            privateKey=own.privateKey.original,
            certificate=own.original,
            extraCertChain=[certificate.original for certificate in chain[1:]],
        )


class DoorFactory(SMTPFactory):
    """Makes sessions; holds what they share."""

    noisy = False
    log = Logger()

    def __init__(self, settings: Settings, context: FrontendContext) -> None:
        super().__init__(context.portal)
        self._portal = context.portal
        self.name = settings.id
        self.settings = settings
        self.dialect = DIALECTS[settings.dialect]
        self.numbers = itertools.count(1)
        self.hostname = settings.hostname or context.server_name
        self.domain = self.hostname.encode("ascii")
        self.mark = f"rules@{context.server_name}".lower()  # what rules here write into X-Loop
        self.clock = context.reactor
        self.dispatcher = context.dispatcher
        self.post_office = context.post_office if self.dialect.boxes else None
        self.callbacks = context.callbacks
        self.credit = context.credit
        self.require_auth = settings.require_auth and bool(self.dialect.mechanisms)
        self.longest = self.dialect.longest if settings.max_characters is None else settings.max_characters
        self.percent_logins = context.percent_logins
        self.networks = Networks(settings.networks)
        proxied = any(text.startswith("haproxy:") for text in settings.listen)
        self.at_once = bool(self.networks) and not proxied  # strangers are known as such when they connect
        self.trusted = Networks(settings.trusted_networks)
        self.clear_auth = Networks(settings.clear_auth_networks)
        self.tls = CertificateFiles(settings.tls) if settings.tls is not None else None
        self.realm = Realm.of(
            context.domains | {context.server_name},
            context.gateways,
            settings.helpers,
            settings.max_parts,
            context.country,
        )
        self.options = mails.MailOptions(
            mails.Subject(settings.subject), settings.cut_signature, settings.cut_quotes
        )
        self.calls = CallLog(Logger(), context.reactor, settings.id)
        self.connections: set[SMSProtocol] = set()
        self._empty: list[Deferred[None]] = []

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        """A session, or a polite no."""
        if len(self.connections) >= self.settings.connection_limit:
            return Busy()
        protocol = SMSProtocol(self)
        protocol.portal = self.portal
        protocol.host = self.domain
        protocol.error_limit = self.settings.error_limit
        protocol.auth_limit = self.settings.auth_limit
        return protocol

    def transaction(self, session: SMSProtocol, mail: Mail) -> Transaction:
        """For one MAIL."""
        return Transaction(self, session.session(), session.here, mail, session.email)

    def admits(self, peer: str) -> bool:
        """Whether who connects from there may speak. A unix socket has its own permissions."""
        return not self.networks or peer == "local" or peer in self.networks

    def payer(self, peer: str) -> Deferred[Any]:
        """The account (IAccount) of a listener without login, whose networks vouch for its clients."""
        name = self.settings.account
        assert name is not None
        return vouch(self._portal, name, peer)

    def with_credit(self, result: tuple[Any, Callable[[], None]]) -> Deferred[Any]:
        """A login with the text that answers it: the balance is shown where there is one."""
        account, logout = result
        say = self.dialect.logged_in
        assert say is not None
        shown = succeed("") if self.credit is None else maybeDeferred(self.credit.shown, account.name)
        shown.addErrback(self._unknown_credit)
        return shown.addCallback(
            lambda credit: (account, logout, " ".join(say(account.name, credit).split()))
        )

    def _unknown_credit(self, failure: Failure) -> str:
        self.log.failure("{door}: the credit of an account cannot be read", failure, door=self.name)
        return "unknown"

    def log_in(
        self, name: str, password: str, peer: str, uri: bool = False
    ) -> Deferred[tuple[Any, Callable[[], None]]]:
        """See `login.log_in`; names from an address (`uri`) may be percent-encoded."""
        names = smsuri.login_names(name, self.percent_logins)
        if not uri and len(names) > 1 and "%" in name:
            names = [each for each in names if each == name or "@" in each]
        return log_in(self._portal, names, password, peer)

    def answered_for(self, name: str, peer: str) -> Deferred[Any]:
        """See `login.answered_for`."""
        return answered_for(self._portal, name, peer)

    def in_thread(self, function: Callable[..., T], *arguments: Any) -> Deferred[T]:
        """Run what would hold up the reactor."""
        return deferToThreadPool(self.clock, self.clock.getThreadPool(), function, *arguments)

    def gone(self, protocol: SMSProtocol) -> None:
        """A session is over."""
        self.connections.discard(protocol)
        if not self.connections:
            waiting, self._empty = self._empty, []
            for answer in waiting:
                answer.callback(None)

    def shut_down(self) -> Deferred[None]:
        """Take leave of every client; fires when all have gone, those who would not by force."""
        if not self.connections:
            return succeed(None)
        answer: Deferred[None] = Deferred()
        self._empty.append(answer)
        timer = self.clock.callLater(STOP_SECONDS, self._abort)

        def done(_: None) -> None:
            if timer.active():
                timer.cancel()

        answer.addCallback(done)
        for protocol in list(self.connections):
            protocol.shut_down("the server is shutting down")
        return answer

    def _abort(self) -> None:
        for protocol in list(self.connections):
            protocol.transport.abortConnection()


class Busy(Protocol):
    """What a client meets when there are too many."""

    def connectionMade(self) -> None:
        """Say so and go."""
        assert self.transport is not None
        self.transport.write(b"421 4.3.2 too many connections, try again later\r\n")
        self.transport.loseConnection()


@implementer(IFrontend)
class MailDoor(Service):
    """Listens from startService to stopService."""

    log = Logger()

    def __init__(self, settings: Settings, context: FrontendContext) -> None:
        self.name = settings.id
        self.settings = settings
        self.context = context
        self.factory = DoorFactory(settings, context)
        self.ports: list[IListeningPort] = []

    def startService(self) -> Deferred[None]:
        """Fires when every address is listened on; fails when one cannot be, or the certificate cannot be read."""
        super().startService()
        if self.factory.tls is not None:
            try:
                self.factory.tls.context()
            except (OSError, ValueError) as error:
                return fail(error)
        listening = [
            serverFromString(self.context.reactor, text).listen(self.factory).addCallback(self._listening)
            for text in self.settings.listen
        ]
        return DeferredList(listening, consumeErrors=True).addCallback(self._listened)

    def _listened(self, results: list[tuple[bool, Any]]) -> Any:
        failures = [result for ok, result in results if not ok]
        if not failures:
            return None
        return self.stopService().addCallback(lambda _: failures[0])

    def _listening(self, port: IListeningPort) -> None:
        if not self.running:
            port.stopListening()
            return
        self.ports.append(port)
        self.log.info("{door} listens on {address}", door=self.name, address=str(port.getHost()))

    def stopService(self) -> Deferred[None]:
        """Stop listening, give the answers that are owed, close. Bounded by `STOP_SECONDS`."""
        super().stopService()
        ports, self.ports = self.ports, []
        stopping: list[Deferred[Any]] = [maybeDeferred(port.stopListening) for port in ports]
        stopping.append(self.factory.shut_down())
        return DeferredList(stopping).addCallback(lambda _: self.factory.calls.flush())


def make(settings: Settings, context: FrontendContext) -> MailDoor:
    """The door of these settings; it does not listen yet."""
    return MailDoor(settings, context)
