"""Targets in what comes in by HTTP from strangers' programs: the calls of providers, their answers, and Kannel's sendsms.

Whatever is said is read, or refused with a sentence; what was read can be stored.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from smsd.codec import kannel, sendsms
from smsd.codec.provider import handed
from smsd.codec.provider.answer import Reply, judge
from smsd.codec.provider.incoming import Incoming, read_incoming
from smsd.codec.provider.model import Provider
from smsd.codec.provider.taking import take
from smsd.config import providers
from smsd.config.places import find_data
from smsd.values.delivery import Accepted, Failure
from smsd.values.errors import InvalidValue, Refused, storable
from smsd.values.message import Text
from tests.fuzz.driver import target, text_of

_TYPES = ("application/json", "application/x-www-form-urlencoded", "", "text/plain; charset=utf-16")
_NAMED = [name for name, _ in providers.names(lambda name: find_data(name, ""))]
_PROVIDERS: dict[str, Provider] = {}
_MAPPINGS: dict[str, Incoming] = {}


def _provider(number: int) -> Provider:
    name = _NAMED[number % len(_NAMED)]
    if name not in _PROVIDERS:
        _PROVIDERS[name] = providers.find(name, lambda file: find_data(file, ""))
    return _PROVIDERS[name]


def _mapping(number: int) -> Incoming | None:
    provider = _provider(number)
    if provider.name not in _MAPPINGS:
        found = read_incoming({"incoming": provider.incoming, "reports": provider.reports}, provider.name)
        if found is None:
            return None
        _MAPPINGS[provider.name] = found
    return _MAPPINGS[provider.name]


@target("provider-calls")
def calls(octets: bytes) -> None:
    """The first octet chooses the provider, the second how the rest is sent: its first line is the query."""
    if len(octets) < 2 or (mapping := _mapping(octets[0])) is None:
        return
    query, _, body = octets[2:].partition(b"\n")
    try:
        taken = take(mapping, handed.read(query, body, _TYPES[octets[1] % len(_TYPES)]))
    except (InvalidValue, Refused):
        return
    for heard in taken.messages:
        for text in (heard.sender, heard.own, heard.id, heard.join):
            storable(text)
        if isinstance(heard.content, Text):
            storable(heard.content.text)
        assert 1 <= heard.seq <= heard.total <= 255
    for report in taken.reports:
        assert report.status in ("delivered", "pending", "failed", "expired")
        storable(report.reference + report.number + report.detail)


@target("provider-answers")
def answers(octets: bytes) -> None:
    """The first octet chooses the provider, the next two the status; every answer means something, and its words can be shown."""
    if len(octets) < 3:
        return
    reply = Reply(
        200 + int.from_bytes(octets[1:3], "big") % 400,
        octets[3:],
        {"content-type": "text/plain"},
        octets[1] % 5 > 0,
    )
    outcome = judge(_provider(octets[0]).answers, reply, 60.0, "17")
    if isinstance(outcome, Accepted):
        for reference in (outcome.reference or "", *outcome.more):
            assert storable(reference).isprintable()
    else:
        assert isinstance(outcome, Failure)
        assert outcome.reason
        storable(outcome.reason)


@target("sendsms")
def kannel_request(octets: bytes) -> None:
    """What Kannel's sendsms is asked by: the first octet chooses query, headers or XML."""
    way, said = (octets[0] % 3, octets[1:]) if octets else (0, b"")
    try:
        if way == 0:
            fields = sendsms.read_form(said)
        elif way == 1:
            lines = [line.partition(":") for line in text_of(said).split("\n")[1:]]
            fields = sendsms.read_headers(
                [(f"X-Kannel-{name.strip()}", value.strip()) for name, _, value in lines], said, "text/plain"
            )
        else:
            fields = sendsms.read_xml(said)
        sendsms.read(fields)
    except (InvalidValue, Refused):
        return


@target("kannel-escapes")
def escapes(octets: bytes) -> None:
    """The first octet says where the template ends. Nothing of a message gets out of its place in the URL: server and path are the
    administrator's."""
    cut = octets[0] if octets else 0
    template, hostile = text_of(octets[1 : cut + 1]), octets[cut + 1 :]
    written = text_of(hostile).encode("utf-8", "replace").decode("utf-8")  # as values hold it
    facts = kannel.Facts(text=hostile, sender=written, receiver="+1555", meta=written)
    kannel.fill(template, facts)
    url = kannel.fill("http://example.org/x?a=%a&b=%b&k=%k&s=%s&r=%r&p=%p&q=%q", facts)
    parts = urlsplit(url)
    assert (parts.netloc, parts.path, parts.fragment) == ("example.org", "/x", ""), url
    assert parts.query.count("&") == 6, url
