"""Doors with the mappings of `etc/providers.yaml`, and provider's calls as their documents show them, byte for byte."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

import smsd
from smsd.codec.provider.incoming import Incoming, read_incoming
from smsd.config import providers
from smsd.core.provided import IncomingSettings, Provided
from smsd.frontends.http import HttpDoor
from smsd.interfaces import IReports
from smsd.values.delivery import NetworkReport
from tests.frontends.fakes import context
from tests.frontends.http.client import PEER, Reply, ask, door

FILE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(smsd.__file__))), "etc", "providers.yaml")
SECRET = "a secret of 24 characters"
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
NOW = 1_800_000_000


@lru_cache(maxsize=1)
def _all() -> dict[str, Any]:
    return dict(providers.load(FILE))


def names() -> list[str]:
    """Every provider that hands something in."""
    return [name for name, each in _all().items() if each.incoming is not None or each.reports is not None]


def mapping(name: str) -> Incoming:
    """The mapping of a provider of `etc/providers.yaml`."""
    provider = _all()[name]
    sections = {"incoming": provider.incoming, "reports": provider.reports}
    found = read_incoming(sections, f"providers.{name}")
    assert found is not None
    return found


@implementer(IReports)
class FakeReports:
    """Records reports; knows the references in `known`. `failure` refuses."""

    def __init__(self) -> None:
        self.told: list[tuple[str, NetworkReport]] = []
        self.known: set[str] = set()
        self.failure: Exception | None = None

    def reported(self, gateway: str, report: NetworkReport) -> Deferred[bool]:
        if self.failure is not None:
            return fail(self.failure)
        self.told.append((gateway, report))
        return succeed(report.reference in self.known)


@dataclass
class Site:
    """A door with one gateway `gw` (and others, by name) and what came through."""

    door: HttpDoor
    context: Any

    @property
    def messages(self) -> list[Any]:
        return list(self.context.inbound.messages)

    @property
    def reports(self) -> list[NetworkReport]:
        return [report for _, report in self.context.reports.told]


def site(name: str, gateway: str = "gw", more: dict[str, Provided] | None = None, **settings: Any) -> Site:
    """A door for a provider's calls; `settings` are those of `incoming:`."""
    given = {"secret": SECRET, **settings}
    known = {gateway: Provided(gateway, mapping(name), IncomingSettings(**given)), **(more or {})}
    made = context(providers=known, reports=FakeReports())
    made.reactor.advance(NOW)
    return Site(door(made), made)


@dataclass(frozen=True)
class Recorded:
    """A provider's call, without what proves that it is one."""

    query: str = ""
    body: bytes = b""
    kind: str = ""

    def send(
        self, to: Site, way: str = "secret", secret: str = SECRET, path: str = "/sms/in/gw", peer: str = PEER,
        unsigned: str = "",
    ) -> Reply:  # fmt: skip
        """The call, signed in that way; what is `unsigned` somebody has put in front of its query."""
        headers = {"Content-Type": self.kind} if self.kind else {}
        query, body = self.query, self.body
        if way in ("secret", "pass"):
            query = f"{query}&{way}={secret.replace(' ', '+')}".lstrip("&")
        elif way == "basic":
            headers["Authorization"] = "Basic " + base64.b64encode(f"any:{secret}".encode()).decode()
        elif way == "twilio":
            url = f"http://sms.example{path}" + (f"?{query}" if query else "")
            fields = sorted(parse_qsl(body.decode(), keep_blank_values=True)) if self.kind == FORM else []
            signed = url + "".join(name + value for name, value in fields)
            sign = hmac.new(secret.encode(), signed.encode(), hashlib.sha1).digest()
            headers["X-Twilio-Signature"] = base64.b64encode(sign).decode()
        elif way == "smsgate":
            sign = hmac.new(secret.encode(), body + str(NOW).encode(), hashlib.sha256).hexdigest()
            headers |= {"X-Signature": sign, "X-Timestamp": str(NOW)}
        elif way == "webhooks":
            sign = hmac.new(secret.encode(), f"911.{NOW}.".encode() + body, hashlib.sha256).digest()
            signature = "v1," + base64.b64encode(sign).decode()
            headers |= {"Webhook-Id": "911", "Webhook-Timestamp": str(NOW), "Webhook-Signature": signature}
        elif way == "jwt":
            headers["Authorization"] = (
                f"Bearer {_token({'iat': NOW, 'exp': NOW + 600, 'nbf': NOW - 600}, secret)}"
            )
        elif way == "jwt-hash":
            claims = {"iat": NOW, "payload_hash": hashlib.sha256(body).hexdigest()}
            headers["Authorization"] = f"Bearer {_token(claims, secret)}"
        elif way == "vonage":
            query = _vonage(query, secret)
        query = "&".join(filter(None, (unsigned, query)))
        return ask(
            to.door,
            path + (f"?{query}" if query else ""),
            "POST" if self.kind else "GET",
            body,
            headers,
            peer,
        )


def _token(claims: dict[str, Any], secret: str) -> str:
    def piece(octets: bytes) -> str:
        return base64.urlsafe_b64encode(octets).decode().rstrip("=")

    signed = (
        f"{piece(json.dumps({'alg': 'HS256', 'typ': 'JWT'}).encode())}.{piece(json.dumps(claims).encode())}"
    )
    return f"{signed}.{piece(hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest())}"


def _vonage(query: str, secret: str) -> str:
    """A query with timestamp and sig as Vonage's documents tell: MD5 over the sorted fields and the secret."""
    query = f"{query}&timestamp={NOW}"
    fields = sorted(parse_qsl(query, keep_blank_values=True))
    signed = "".join(f"&{name}={value.replace('&', '_').replace('=', '_')}" for name, value in fields)
    return f"{query}&sig={hashlib.md5((signed + secret).encode()).hexdigest()}"
