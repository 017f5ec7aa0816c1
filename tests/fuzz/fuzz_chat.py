"""A target in the whole of an XMPP link behind its parser: what comes from a chat server is taken, answered or passed over, never
stumbled over.

Every question gets one answer, what is written can be read, and what is handed in can be stored.
"""

from __future__ import annotations

import contextlib
import traceback
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.words.xish.domish import Element

from smsd.codec.jid import Jid
from smsd.core.accounts import Accounts, AccountSettings
from smsd.interfaces import FrontendContext, GatewayContext, IAccount
from smsd.links.xmpp.gateway import XmppGateway
from smsd.links.xmpp.parser import Broken, Parser
from smsd.links.xmpp.settings import ComponentSettings, Settings
from smsd.links.xmpp.stanzas import write
from smsd.values.errors import InvalidValue, Reason, Refused, storable
from smsd.values.message import Queued, Receipt, Submission, Text
from tests.fuzz.driver import target

_HEAD = b"<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:component:accept'>"
_DOMAINS = ("sms.example.org", "email.example.org")
_SETTINGS = Settings(
    id="chat",
    components=[ComponentSettings(domain=domain, secret="s") for domain in _DOMAINS],
    user_domains=["example.net"],
    subject="prefix",
)
_ACCOUNTS = Accounts(
    [
        AccountSettings(
            user="ann",
            password="annpw",
            demo=True,
            jids=["ann@example.org"],
            senders=["ACME", "+1555*", "Shop"],
        ),
        AccountSettings(user="old", password="oldpw", demo=True, active=False, jids=["old@example.org"]),
    ],
    Clock(),
)


class _Portal:
    """Lets one in by password, and all whom the chat server has logged in."""

    def login(self, credentials: Any, mind: Any, interface: Any) -> Deferred[Any]:
        if getattr(credentials, "password", "annpw") == "annpw" and credentials.username in (
            "ann",
            "bob@example.net",
        ):
            return succeed((IAccount, _ACCOUNTS.directory.find("ann"), None))
        return fail(Refused(Reason.BAD_CREDENTIALS, "unknown user or wrong password"))


class _Dispatcher:
    """Takes everything, and looks whether it could be stored."""

    def submit(self, submission: Submission) -> Deferred[Receipt]:
        assert isinstance(submission.content, Text)
        storable(submission.content.text)
        if not submission.recipients:
            return fail(Refused(Reason.EMPTY, "no recipients"))  # no alert is answered
        ticket = submission.ticket
        assert ticket is not None
        storable("".join((ticket.message_id, ticket.envelope_id, ticket.subject, str(ticket.address))))
        taken = tuple(Queued(n, str(one.address), 5) for n, one in enumerate(submission.recipients))
        for one in submission.recipients:
            storable(one.typed + str(one.address))
        assert 1 <= len(taken) <= _SETTINGS.max_recipients
        return succeed(Receipt(1, taken))


class _Clerk:
    async def account(self, name: str) -> dict[str, Any]:
        return {"sent_this_month": 3, "monthly_limit": 10, "held": 1}

    async def find(self, name: str, wish: Any) -> tuple[list[Any], None]:
        return [], None


class _Credit:
    async def shown(self, name: str) -> str:
        return "12.50 EUR"


class _Memory:
    def everything(self, prefix: str) -> Deferred[dict[str, str]]:
        return succeed({})

    def recall(self, key: str) -> Deferred[str | None]:
        return succeed(None)

    def remember(self, key: str, value: str | None) -> Deferred[None]:
        storable(key + (value or ""))
        return succeed(None)


class _Component:
    """A domain that is connected; `sent` is what was written."""

    up, trouble = True, ""

    def __init__(self, sent: list[Element]) -> None:
        self.sent = sent

    def send(self, element: Element) -> bool:
        """What is written has to be read again, and to come from one of our domains."""
        found = _stanzas(write(element).encode())
        assert len(found) == 1, write(element)
        assert Jid.parse(found[0]["from"]).domain in _DOMAINS
        self.sent.append(found[0])
        return True

    def pause(self) -> None: ...
    def resume(self) -> None: ...


class _Log:
    """Nobody may have to log what he stumbled over."""

    def __init__(self) -> None:
        self.failures: list[str] = []

    def failure(self, text: str, *details: Any, **more: Any) -> None:
        self.failures.append(
            f"{text}: {''.join(str(one) for one in details)} {traceback.format_exc()[-1500:]}"
        )

    def info(self, *details: Any, **more: Any) -> None: ...

    warn = error = debug = info


def _stanzas(octets: bytes) -> list[Element]:
    found: list[Element] = []
    parser = Parser(lambda head: None, found.append, lambda: None, largest=8000)
    with contextlib.suppress(Broken):
        parser.feed(_HEAD + octets)
    return found


def _gateway(clock: Clock, log: _Log) -> tuple[XmppGateway, list[Element]]:
    door = FrontendContext(
        reactor=clock, dispatcher=_Dispatcher(), inbound=None, portal=_Portal(),  # type: ignore[arg-type]
        gateways=frozenset({"gsm1", "gsm2"}), sms_gateways=frozenset({"gsm1", "gsm2"}), clerk=_Clerk(), credit=_Credit(),
        carries=lambda gateway, scheme="sms": True,
    )  # fmt: skip
    context = GatewayContext(
        reactor=clock, outlet=None, inbound=None, memory=_Memory(), server_name="gw.example.org",
        find_account=_ACCOUNTS.directory.find, find_jid=_ACCOUNTS.directory.of_jid, door=door,
    )  # fmt: skip
    gateway = XmppGateway(_SETTINGS, context)
    sent: list[Element] = []
    for domain in _DOMAINS:
        gateway.link.components[domain] = _Component(sent)
    for room in (gateway, gateway.services, gateway.incoming, gateway.people):
        room.log = log  # type: ignore[assignment]
    return gateway, sent


@target("xmpp-link")
def link(octets: bytes) -> None:
    """The stanzas of a stream, one after the other, on a link that has just been started."""
    found = _stanzas(octets)
    if not found:
        return
    clock, log = Clock(), _Log()
    gateway, sent = _gateway(clock, log)
    for element in found:
        before = len(sent)
        to, of = element.getAttribute("to", ""), element.getAttribute("from", "")
        try:
            domain, writer = Jid.parse(to).domain, Jid.parse(of)
        except InvalidValue:
            domain = ""
        component = gateway.link.components.get(domain)
        gateway.stanza(_Home(gateway, domain or _DOMAINS[0]), element)  # type: ignore[arg-type]
        answers = [one for one in sent[before:] if one.name == "iq"]
        if component is not None and element.name == "iq" and element.getAttribute("type") in ("get", "set"):
            assert len(answers) == 1, f"{len(answers)} answers to {element.toXml()}"
            assert answers[0].getAttribute("id", "") == element.getAttribute("id", "")
            assert Jid.parse(answers[0]["to"]) == writer
        for _ in range(3):
            clock.advance(0.01)
    gateway.services.stop()
    assert not log.failures, log.failures[0]


class _Home(_Component):
    """The component that a stanza came by."""

    def __init__(self, gateway: XmppGateway, name: str) -> None:
        found = gateway.link.domain(name)
        self.domain = found or gateway.link.domains[0]
        super().__init__(gateway.link.components[self.domain.name].sent)
