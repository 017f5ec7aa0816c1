"""`smsd template`: what an HTTP gateway would request for a message. Nothing is sent, and no server is needed."""

from __future__ import annotations

import argparse
import os
from functools import partial
from typing import TYPE_CHECKING, Any

from smsd.cli.client import DONE, Refusal
from smsd.cli.output import as_json, printable
from smsd.config.positions import ConfigError

if TYPE_CHECKING:
    from smsd.codec.provider.model import Provider
    from smsd.codec.provider.request import HttpRequest
    from smsd.codec.segment import Segmentation
    from smsd.values.delivery import Piece

HIDDEN = "xxx"
"""Stands for a credential."""


def add(commands: Any) -> None:
    """Add the verb to the parser."""
    template = commands.add_parser(
        "template",
        help="what an HTTP gateway would request for a message",
        description="Fills a URL with variables, or the template of a provider, for one message. Nothing is sent.",
        epilog="examples:\n"
        "  smsd template 'http://gw.example.org/send?to=%number%&text=%data%' --text 'Hello, world'\n"
        "  smsd template clickatell --to +15551234567 --text Žluťoučký --set user=ann\n"
        "  smsd template smsd --set server=http://b.example.org --data 00ff10 --udh 050003040201\n"
        "  smsd template list",
    )
    argument = template.add_argument
    argument("template", metavar="URL|PROVIDER", help="a URL, the name of a provider, or list")
    argument("--to", default="+15551234567", metavar="NUMBER", help="who gets it")
    argument("--text", default=None, help="what it says")
    argument("--data", default=None, metavar="HEX", help="octets instead of a text")
    argument("--udh", default="", metavar="HEX", help="the user data header of octets, without its length")
    argument("--sender", default="", help="the sender that the message names")
    argument("--phone", default="", help="the phone of the account that sends (%%sender_phonealias%%)")
    argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a credential, or server=…; may be repeated",
    )
    argument("--split", action="store_true", help="long texts SMS by SMS")
    argument("--show", action="store_true", help="show credentials and passwords too")
    template.set_defaults(run=_template)


def _template(options: argparse.Namespace) -> int:
    if options.template == "list":
        return _list(options)
    given = dict(_pair(text) for text in options.set)
    provider = _provider(options, given)
    piece, made = _piece(options)
    total = made.total if provider.split or options.data is not None else 1
    requests = [_request(provider, piece, seq, total, options, given) for seq in range(1, total + 1)]
    shown = [_masked(request, options.show) for request in requests]
    facts = {"encoding": made.alphabet.name, "parts": made.total}
    if as_json(options, facts | {"requests": shown}):
        return DONE
    print(f"{made.total} SMS ({made.alphabet.name}), {len(shown)} request{'s' if len(shown) > 1 else ''}")
    for each in shown:
        print(f"\n{each['method']} {printable(each['url'])}")
        for name, value in each["headers"].items():
            print(f"{name}: {printable(value)}")
        if each["body"] is not None:
            print(f"\n{printable(each['body'])}")
    return DONE


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise Refusal(f"--set {printable(text)}: write NAME=VALUE")
    return name, value


def _list(options: argparse.Namespace) -> int:
    from smsd.cli.output import table
    from smsd.config import providers

    found = providers.names(_find_data(options))
    if not as_json(options, dict(found)):
        table(found, ("NAME", "DESCRIPTION"))
    return DONE


def _find_data(options: argparse.Namespace) -> Any:
    """Where data files are: beside the configuration, if there is one."""
    from smsd.config.places import find_configuration, find_data

    try:
        beside: str | None = find_configuration(options.config, os.environ)
    except ConfigError:
        beside = None
    return partial(find_data, beside=beside)


def _provider(options: argparse.Namespace, given: dict[str, str]) -> Provider:
    from dataclasses import replace

    from smsd.config import providers
    from smsd.values.errors import InvalidValue

    server = given.pop("server", None)
    if options.template.lower().startswith(("http://", "https://")):
        provider = _own(options.template, given)
    else:
        try:
            provider = providers.find(options.template, _find_data(options), server)
        except InvalidValue as error:
            raise Refusal(str(error)) from None
        known = {credential.name for credential in provider.credentials}
        for name in given:
            if name not in known:
                raise Refusal(
                    f"{options.template} has no credential {name!r}: it has {', '.join(sorted(known))}"
                )
    return replace(provider, split=True) if options.split else provider


def _own(url: str, given: dict[str, str]) -> Provider:
    from smsd.codec.provider import model
    from smsd.values.errors import InvalidValue

    try:
        request = model.Request(
            "GET", model.read_url(url, model.MESSAGE | set(given)), limit=model.fixed_parts(url)
        )
    except InvalidValue as error:
        raise Refusal(f"the URL cannot be used: {error}") from None
    credentials = tuple(model.Credential(name) for name in given)
    return model.Provider("this URL", request, model.binary_of(request), credentials=credentials)


def _piece(options: argparse.Namespace) -> tuple[Piece, Segmentation]:
    from smsd.codec.number import normalise
    from smsd.codec.segment import plan_binary, plan_text
    from smsd.values.address import Address
    from smsd.values.delivery import Piece
    from smsd.values.errors import InvalidValue
    from smsd.values.message import Binary, Parameters, Text

    if options.data is not None and options.text is not None:
        raise Refusal("a message is a --text, or octets in --data: give one of them")
    try:
        found = normalise(options.to, None)
        if found.kind == "name":
            raise Refusal(f"--to {printable(options.to)}: a name cannot receive an SMS: write +15551234567")
        number = found.value
        content: Text | Binary
        if options.data is not None:
            content = Binary(_octets("--data", options.data), _octets("--udh", options.udh))
            made = plan_binary(content.data, udh=content.header)
        else:
            content = Text("Hello" if options.text is None else options.text)
            made = plan_text(content.text)
    except InvalidValue as error:
        raise Refusal(str(error)) from None
    parameters = Parameters(sender=options.sender or None)
    piece = Piece(
        delivery=911813352047513600, message=1, lane=1, gateway="", target=Address("sms", number), content=content,
        origin=Address("sms", number), code=made.code, reference=0xAB, parameters=parameters, report=True,
    )  # fmt: skip
    return piece, made


def _octets(name: str, text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise Refusal(f"{name} is no octets in hexadecimal: write 00ff10") from None


def _request(
    provider: Provider, piece: Piece, seq: int, total: int, options: argparse.Namespace, given: dict[str, str]
) -> HttpRequest:
    from dataclasses import replace

    from smsd.codec.provider.request import Facts, write
    from smsd.values.errors import InvalidValue

    credentials = {each.name: HIDDEN if each.default is None else "" for each in provider.credentials}
    credentials |= given if options.show else dict.fromkeys(given, HIDDEN)
    part = f"-{seq}" if total > 1 else ""
    facts = Facts(credentials, phone=options.phone, msgid=f"{piece.delivery}{part}")
    try:
        return write(provider, replace(piece, seq=seq, total=total), facts)
    except InvalidValue as error:
        raise Refusal(str(error)) from None


def _masked(request: HttpRequest, show: bool) -> dict[str, Any]:
    """What of a request is shown; passwords that stand in a URL are not."""
    from smsd.codec.weburl import read_url

    url = request.url
    headers = dict(request.headers)
    if not show:
        for secret in sorted(read_url(url).secrets, key=len, reverse=True):
            url = url.replace(f"={secret}", f"={HIDDEN}").replace(f":{secret}@", f":{HIDDEN}@")
        if "Authorization" in headers:
            headers["Authorization"] = f"{headers['Authorization'].split(' ')[0]} {HIDDEN}"
    body = None if request.body is None else request.body.decode("utf-8", "replace")
    return {"method": request.method, "url": url, "headers": headers, "body": body}
