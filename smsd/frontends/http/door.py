"""The HTTP door as a service: its settings, its listeners, which page answers which path, and its edge.

The edge is the one place of this door where an unexpected exception is caught: it is logged under a number,
the client is told 500 with that number, and the next request is served as if nothing had happened.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

from pydantic import Field, field_validator
from twisted.application.service import Service
from twisted.internet.defer import Deferred, FirstError, gatherResults
from twisted.internet.endpoints import serverFromString
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from smsd.config.settings import FrontendSettings
from smsd.core.calls import CallLog
from smsd.core.networks import Networks, read_network
from smsd.frontends.http import answer, api
from smsd.frontends.http.connections import DoorFactory
from smsd.frontends.http.deliver import Deliver
from smsd.frontends.http.events import Events
from smsd.frontends.http.front import Front
from smsd.frontends.http.jobs import JobsPage
from smsd.frontends.http.kannel import PATH as SENDSMS
from smsd.frontends.http.kannel import Kannel
from smsd.frontends.http.providers import pages
from smsd.frontends.http.request import DoorRequest
from smsd.frontends.http.sms import Sms
from smsd.interfaces import FrontendContext, IFrontend
from smsd.values.address import Address
from smsd.values.errors import Reason, Refused
from smsd.values.message import Parameters, Recipient


class Settings(FrontendSettings):
    """What a listener of `type: http` may say."""

    require_auth: bool = Field(default=True, description="false: whoever reaches this door may send")
    max_body: int = Field(
        default=1_000_000, ge=1_000, le=100_000_000, description="octets; more is answered 413"
    )
    max_upload: int | None = Field(
        default=None,
        ge=1_000,
        le=100_000_000,
        description="octets of a file for /sms/jobs and /api/v1/jobs; max_body when not set",
    )
    max_recipients: int = Field(default=500, ge=1, le=500, description="numbers in one request")
    max_connections: int = Field(default=1_000, ge=1, le=50_000)
    idle_timeout: float = Field(default=60, ge=1, le=3_600, description="seconds between two requests")
    request_timeout: float = Field(
        default=30, ge=1, le=3_600, description="seconds for one request to arrive"
    )
    kannel: bool = Field(
        default=False, description="true: /cgi-bin/sendsms answers programs written for Kannel"
    )
    kannel_smsc: dict[str, str] = Field(
        default={},
        description='which gateway an smsc means: {smsc-id: gateway}; "" is any, "*" each other smsc',
    )

    api: bool = Field(default=False, description="yes or no; yes: the JSON API answers under /api/v1")

    @field_validator("trusted_networks")
    @classmethod
    def _networks(cls, value: list[str]) -> list[str]:
        for text in value:
            read_network(text)
        return value


class Page(Protocol):
    """What answers a path."""

    methods: tuple[bytes, ...]

    def handle(self, request: DoorRequest) -> Deferred[Any]:
        """Answer the request, now or when the Deferred fires; it fails with what nobody expected."""


PAGES: dict[bytes, Callable[[HttpDoor], Page]] = {
    b"/": Front,
    b"/sms": Sms,
    b"/sms/": Sms,
    b"/sms/deliver.html": Deliver,
    b"/sms/events": Events,
    b"/sms/jobs": JobsPage,
    SENDSMS: Kannel,
}


@implementer(IFrontend)
class HttpDoor(Service):
    """A door of `type: http`."""

    name: str

    def __init__(self, settings: Settings, context: FrontendContext) -> None:
        self.name = settings.id
        self.settings = settings
        self.context = context
        self.trusted = Networks(settings.trusted_networks)
        self.smscs = {**{name: name for name in context.gateways}, **settings.kannel_smsc}
        self._log = Logger()
        self.calls = CallLog(self._log, context.reactor, settings.id)
        self._pages = {path: make_page(self) for path, make_page in PAGES.items()} | pages(self)
        self._api = api.Api(self) if settings.api else None
        self._ports: list[Any] = []
        self.factory = DoorFactory(context.reactor, settings, self.serve)
        self.factory.spell = self._spell

    def startService(self) -> Deferred[Any]:
        """Fires when every address is listened on; fails when one cannot be, with those opened before closed
        again."""
        Service.startService(self)
        self.factory.start()
        reactor = self.context.reactor
        opening = [serverFromString(reactor, text).listen(self.factory) for text in self.settings.listen]
        for listening in opening:
            listening.addCallback(self._ports.append)
        return gatherResults(opening, consumeErrors=True).addErrback(self._cannot_listen)

    def _cannot_listen(self, failure: Failure) -> Deferred[Any]:
        error = failure.value
        reason = error.subFailure if isinstance(error, FirstError) else failure

        def give_up(_: Any) -> Failure:
            return reason

        return self.stopService().addCallback(give_up)

    def stopService(self) -> Deferred[Any]:
        """Stops listening at once; fires when requests that were being served have had their answers."""
        Service.stopService(self)
        closing = [port.stopListening() for port in self._ports]
        self._ports.clear()
        waiting = [d for d in (*closing, self.factory.stop()) if d is not None]
        return gatherResults(waiting, consumeErrors=True).addBoth(self._last_words)

    def _last_words(self, result: Any) -> Any:
        self.calls.flush()
        return result

    @property
    def addresses(self) -> list[Any]:
        """Where it listens now (IAddress)."""
        return [port.getHost() for port in self._ports]

    def recipient(self, number: str, parameters: Parameters) -> Recipient:
        """A recipient as typed: `+1555…`, `sms:+1555…`, or `+1555…@gateway` (which pins it to that
        gateway)."""
        target = number[4:] if number[:4].lower() == "sms:" else number
        local, at, gateway = target.rpartition("@")
        if at and gateway in self.context.gateways:
            target = local
            parameters = replace(parameters, gateway=gateway)
        return Recipient(Address("sms", target), number, parameters)

    def serve(self, request: DoorRequest) -> None:
        """A complete request: find its page, and catch what falls off the edge."""
        page = self._pages.get(request.path)
        if page is None and self._api is not None and request.path.startswith(api.PREFIX):
            self._api.handle(request).addErrback(self._fell, request)
            return
        if page is None:
            page = self._pages.get(unquote_to_bytes(_SCHEME_AND_HOST.sub(b"", request.path)))
            if page is None:
                request.answer(_NOT_FOUND)
                return
        if request.method not in page.methods:
            allow = b"Allow: " + b", ".join(page.methods)
            refusal = Refused(
                Reason.BAD_REQUEST, f"this path takes {' or '.join(m.decode() for m in page.methods)}"
            )
            request.answer(answer.refused(refusal, status=405, headers=(allow,)))
            return
        try:
            page.handle(request).addErrback(self._fell, request)
        except Exception:
            self._fell(Failure(), request)

    def _spell(self, path: bytes, refusal: Refused) -> answer.Answer:
        if self._api is not None and path.startswith(api.PREFIX):
            return api.refused(refusal)
        return answer.refused(refusal)

    def _fell(self, failure: Failure, request: DoorRequest) -> None:
        mark = secrets.token_hex(4)
        self._log.failure("{door}: error {mark} while serving", failure, door=self.name, mark=mark)
        if self._api is not None and request.path.startswith(api.PREFIX):
            request.answer(api.failed(mark))
            return
        as_json = "json" in (request.header(b"accept") or "").lower()
        request.answer(answer.failed(mark, as_json=as_json))


# A request that was meant for a proxy: `GET http://host/sms/` must be understood too (RFC 9112 3.2.2).
_SCHEME_AND_HOST = re.compile(rb"(?i)^https?://[^/]*")

_NOT_FOUND = answer.refused(
    Refused(
        Reason.BAD_REQUEST, "nothing is here: messages are handed in at /sms/, answers at /sms/deliver.html"
    ),
    status=404,
)


def make(settings: Settings, context: FrontendContext) -> HttpDoor:
    """The door for these settings."""
    return HttpDoor(settings, context)
