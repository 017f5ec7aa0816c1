"""ESMTP as the mail door speaks it: the commands, their order, and their answers.

Implements RFC 5321, 3207 (STARTTLS), 4954 (AUTH), 1870, 2920, 6152, 6531, 2034, 3461. Holds no policy: what a sender or
a recipient means is a `Transaction`'s business, made by the factory; what is said, and how arguments are read, the dialect
knows.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import ISSLTransport, ITLSTransport
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from smsd.frontends.smtp import auth, commands
from smsd.frontends.smtp.body import Body
from smsd.frontends.smtp.commands import CommandError
from smsd.frontends.smtp.dialects.dialect import Offer
from smsd.frontends.smtp.lines import AUTH, COMMAND, LineServer
from smsd.interfaces import Session
from smsd.values.errors import Reason, Refused

if TYPE_CHECKING:
    from smsd.frontends.smtp.factory import DoorFactory
    from smsd.frontends.smtp.transaction import Transaction


_NOT_NOW = (Reason.SLOW_DOWN, Reason.UNAVAILABLE)
_NO_TLS = "there is no TLS here, and your network is none of those that may do without: ask the administrator"


def _not_now(failure: Failure) -> Failure:
    """A login that may do later has a code of its own (RFC 4954 section 6): programs do not ask for another password then."""
    error = failure.value
    if isinstance(error, Refused) and error.reason in _NOT_NOW:
        raise CommandError(454, "4.7.0", error.text)
    return failure


class SMSProtocol(LineServer):
    """One client's session."""

    factory: DoorFactory
    auth_limit = 3

    def __init__(self, factory: DoorFactory) -> None:
        super().__init__(factory.clock)
        settings = factory.settings
        self.factory = factory
        self.dialect = factory.dialect
        self.codes = factory.dialect.codes
        self.number = next(factory.numbers)
        self.command_timeout = settings.command_timeout
        self.data_timeout = settings.data_timeout
        self.session_timeout = settings.session_timeout
        self.greeted = False
        self.extended = False
        self.secure = False
        self.failed_logins = 0
        self.account: str | None = None
        self.email: str | None = None  # the account's
        self.transaction: Transaction | None = None
        self._mechanism: auth.Mechanism | None = None
        self._peer: str | None = None
        self.client = ""  # what it calls itself
        self._here: str | None = None

    def greeting(self) -> bytes:
        """What follows 220."""
        host = getattr(self.transport.getPeer(), "host", None)  # behind a proxy it is the proxy, as yet
        peer = "local" if host is None else str(host).removeprefix("::ffff:")
        text = self.dialect.texts.greeting.format(host=self.factory.hostname, number=self.number, peer=peer)
        return text.encode("ascii", "replace")

    def greet(self) -> None:
        """To strangers we say no at once, but behind a proxy, where that is known only when they speak."""
        if self.factory.at_once and not self.factory.admits(self.peer):
            self._refuse_stranger()
        else:
            super().greet()

    def _refuse_stranger(self) -> None:
        self.log.info("{door}: {peer} is in none of its networks", door=self.factory.name, peer=self.peer)
        self.goodbye(554, "5.7.1", f"no service for {self.peer}: this listener is for other networks")

    def connectionMade(self) -> None:
        """Look at the transport, then greet."""
        self.factory.connections.add(self)
        self.secure = ISSLTransport.providedBy(self.transport)
        self.canStartTLS = (
            not self.secure and self.factory.tls is not None and ITLSTransport.providedBy(self.transport)
        )
        super().connectionMade()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The session is over."""
        self.transaction = None
        super().connectionLost(reason)
        self.factory.gone(self)

    @property
    def peer(self) -> str:
        """The client's IP address, or "local" for a unix socket; asked late because a proxy tells it late."""
        if self._peer is None:
            host = getattr(self.transport.getPeer(), "host", None)
            self._peer = "local" if host is None else str(host).removeprefix("::ffff:")
        return self._peer

    @property
    def here(self) -> str:
        """The address that the client connected to, "" for a unix socket."""
        if self._here is None:
            self._here = str(getattr(self.transport.getHost(), "host", "")).removeprefix("::ffff:")
        return self._here

    def session(self) -> Session:
        """Who is at the door, as the core knows it."""
        peer = self.peer
        return Session(self.factory.name, self.account, peer, peer in self.factory.trusted, self.client)

    # --- greeting, TLS

    def _may_authenticate(self) -> bool:
        return (
            self.secure
            or self.factory.settings.clear_auth_anywhere
            or (peer := self.peer) == "local"
            or peer in self.factory.clear_auth
        )

    def _greet(self, name: str) -> bool:
        """False when this is a stranger, who has been told so."""
        if not self.factory.admits(self.peer):
            self._refuse_stranger()
            return False
        if not name or len(name) > 255 or not name.isprintable():
            raise CommandError(501, "5.5.4", "say who you are: EHLO your.host.name")
        self._reset()
        self.greeted = True
        self.client = name.split()[0]
        return True

    def do_EHLO(self, name: str) -> None:
        """RFC 5321 4.1.1.1; neither this reply nor HELO's has enhanced codes."""
        if not self._greet(name):
            return
        self.extended = self.dialect.extended
        mechanisms = tuple(self.dialect.mechanisms) if self._may_authenticate() else ()
        offer = Offer(self.host, self.factory.settings.size_limit, self.canStartTLS, mechanisms)
        self.write_lines(250, self.dialect.announce(offer))

    def do_HELO(self, name: str) -> None:
        """RFC 821's greeting: no extensions."""
        if self._greet(name):
            self.extended = False
            self.write_lines(250, [self.host])

    def do_STARTTLS(self, argument: str) -> None:
        """RFC 3207: what came in clear is forgotten, buffered lines included."""
        if argument:
            raise CommandError(501, "5.5.4", "STARTTLS takes no argument")
        if self.secure:
            raise CommandError(503, "5.5.1", "TLS is on already")
        if not self.canStartTLS or self.factory.tls is None:
            raise CommandError(454, "4.7.0", "TLS is not available here")
        context = self.factory.tls.context()
        self.reply(220, "2.0.0", "go ahead")
        self.drop_input()
        self._reset()
        self._log_out()
        self.greeted = self.extended = self.canStartTLS = False
        self.transport.startTLS(context)
        self.secure = self.startedTLS = True

    # --- AUTH

    def do_AUTH(self, argument: str) -> None:
        """RFC 4954."""
        if not self.dialect.mechanisms:
            raise CommandError(502, "5.5.1", "there is no login here")
        if not self.extended:
            raise CommandError(503, "5.5.1", "say EHLO first")
        if self.authenticated:
            raise CommandError(503, "5.5.1", "already authenticated")
        if self.transaction is not None:
            raise CommandError(503, "5.5.1", "not inside a mail transaction")
        name, _, initial = argument.partition(" ")
        mechanisms = self.dialect.mechanisms
        known = [one.decode("ascii") for one in mechanisms]
        if not name:
            raise CommandError(501, "5.5.4", f"write AUTH {' or AUTH '.join(known)}")
        if not self._may_authenticate():
            told = "use STARTTLS" if self.canStartTLS else _NO_TLS
            raise CommandError(538, "5.7.11", f"encryption is required before a password: {told}")
        make = mechanisms.get(name.upper().encode("ascii"))
        if make is None:
            raise CommandError(504, "5.5.4", f"mechanism not known: use {' or '.join(known)}")
        self._mechanism = make()
        if initial.strip():
            self._respond(initial.strip().encode("ascii"), True)
        else:
            self._challenge(self._mechanism.challenge)

    def _challenge(self, prompt: bytes) -> None:
        self.mode = AUTH
        self.write_lines(334, [base64.b64encode(prompt)])

    def state_AUTH(self, line: bytes) -> None:
        """A response to a challenge."""
        self._respond(line.strip(), False)

    def _respond(self, line: bytes, initial: bool) -> None:
        mechanism, self._mechanism = self._mechanism, None
        self.mode = COMMAND
        assert mechanism is not None
        if line == b"*":
            raise CommandError(501, "5.7.0", "authentication cancelled")
        try:
            answer = mechanism.respond(auth.decode(line, initial))
        except auth.BadResponse as error:
            raise CommandError(501, "5.5.2", str(error)) from None
        if isinstance(answer, bytes):
            self._mechanism = mechanism
            self._challenge(answer)
            return
        login: Any = self.factory.log_in(answer.username, answer.password, self.peer)
        login.addErrback(_not_now)
        if self.dialect.logged_in is not None:
            login.addCallback(self.factory.with_credit)
        self.wait(login, self._logged_in)

    def _logged_in(self, result: Any) -> None:
        account, logout, *said = result
        self.authenticated = True
        self.account, self.email = account.name, account.email
        self._onLogout = logout
        self.reply(235, "2.7.0", said[0] if said else "authenticated")

    def _log_out(self) -> None:
        self.authenticated = False
        self.account = self.email = None
        if self._onLogout is not None:
            logout, self._onLogout = self._onLogout, None
            logout()

    def refuse(self, refused: Refused) -> None:
        """Count wrong passwords, whether they came by AUTH or in an address."""
        if refused.reason is Reason.BAD_CREDENTIALS:
            self.failed_logins += 1
            self.log.info("{door}: wrong password from {peer}", door=self.factory.name, peer=self.peer)
            if self.failed_logins >= self.auth_limit:
                self.goodbye(421, "4.7.0", "too many wrong passwords")
                return
        super().refuse(refused)

    # --- the transaction

    def _reset(self) -> None:
        self.transaction = None
        self.mode = COMMAND

    def do_RSET(self, _: str) -> None:
        """Forget the transaction."""
        self._reset()
        self.reply(250, "2.0.0", self.dialect.texts.fine)

    def do_MAIL(self, argument: str) -> None:
        """RFC 5321 4.1.1.2."""
        if not self.greeted:
            raise CommandError(503, "5.5.1", f"say {'EHLO' if self.dialect.extended else 'HELO'} first")
        if self.transaction is not None:
            raise CommandError(503, "5.5.1", "one sender per message: RSET begins anew")
        if self.factory.require_auth and not self.dialect.own_login and self.account is None:
            possible = self._may_authenticate() or self.canStartTLS
            told = "authentication required: log in (AUTH)"
            raise Refused(
                Reason.NOT_AUTHENTICATED, told if possible else f"{told}, which needs encryption: {_NO_TLS}"
            )
        mail = self.dialect.read_mail(argument, self.extended, self.factory.settings.size_limit)
        if self.factory.settings.account is None:
            self._begin(mail)
        else:
            self.wait(self.factory.payer(self.peer), lambda account: self._begin(mail, account))

    def _begin(self, mail: commands.Mail, payer: Any = None) -> None:
        if payer is not None:
            self.account, self.email = payer.name, payer.email
        self.transaction = self.factory.transaction(self, mail)
        self.reply(250, "2.1.0", self.dialect.texts.sender.format(mail.sender))

    def do_RCPT(self, argument: str) -> None:
        """RFC 5321 4.1.1.3."""
        transaction = self.transaction
        if transaction is None:
            raise CommandError(503, "5.5.1", "MAIL comes before RCPT")
        rcpt = self.dialect.read_rcpt(argument, self.extended, transaction.mail.utf8)
        if transaction.asked >= self.factory.settings.recipient_limit:
            raise CommandError(
                452, "4.5.3", f"too many recipients: {self.factory.settings.recipient_limit} are the limit"
            )
        text = self.dialect.texts.recipient.format(rcpt.path.local)
        self.wait(
            transaction.recipient(rcpt), lambda notes: self.reply(250, "2.1.5", "\n".join((text, *notes)))
        )

    def do_DATA(self, argument: str) -> None:
        """RFC 5321 4.1.1.4."""
        if argument:
            raise CommandError(501, "5.5.4", "DATA takes no argument")
        if self.transaction is None:
            raise CommandError(503, "5.5.1", "MAIL and RCPT come before DATA")
        if self.transaction.empty:
            raise CommandError(554, "5.5.1", "no valid recipients")
        self.start_body(Body(self.factory.settings.size_limit))
        self.write_lines(354, [self.dialect.texts.data.encode("ascii")])

    def message_received(self, body: Body) -> None:
        """Answer 250 only after the commit."""
        transaction, self.transaction = self.transaction, None
        assert transaction is not None
        if body.too_long:
            raise CommandError(
                500, "5.5.2", "a line of the message is too long: 998 octets are the standard's limit"
            )
        if body.too_big:
            limit = self.factory.settings.size_limit
            raise CommandError(552, "5.3.4", f"the message is too big: {limit} octets are the limit")
        self.wait(transaction.message(body), self._message_taken)

    def _message_taken(self, text: str) -> None:
        self.reply(250, "2.0.0", text)

    # --- the rest

    def do_NOOP(self, _: str) -> None:
        """Nothing."""
        self.reply(250, "2.0.0", self.dialect.texts.fine)

    def do_VRFY(self, argument: str) -> None:
        """Nobody is told who exists here."""
        if not argument:
            raise CommandError(501, "5.5.4", "write VRFY address")
        self.reply(252, "2.0.0", "send the message and see")

    def do_EXPN(self, _: str) -> None:
        """There are no lists to show."""
        raise CommandError(502, "5.5.1", "EXPN is not offered")

    def do_HELP(self, _: str) -> None:
        """RFC 5321 4.1.1.8."""
        self.reply(214, "2.0.0", self.dialect.texts.help)

    def do_BDAT(self, argument: str) -> None:
        """Not announced; its octets must not be taken for commands all the same (RFC 3030)."""
        size = argument.partition(" ")[0]
        if not (size.isascii() and size.isdigit() and len(size) <= 20):
            raise CommandError(501, "5.5.4", "write BDAT size")
        self.skip(int(size))
        raise CommandError(502, "5.5.1", "BDAT is not offered: use DATA")

    def do_QUIT(self, _: str) -> None:
        """RFC 5321 4.1.1.10."""
        self.goodbye(221, "2.0.0", self.dialect.texts.bye)
