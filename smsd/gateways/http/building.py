"""From the settings of a gateway to the provider it speaks to: one of `providers.yaml`, or what its own `url:` says."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from smsd.codec.provider import model
from smsd.codec.provider.model import Credential, Provider
from smsd.config import providers
from smsd.config.places import find_data
from smsd.config.positions import ConfigError, Document, KeyPath
from smsd.core import provided
from smsd.gateways import trust
from smsd.gateways.http.settings import Settings
from smsd.values.errors import InvalidValue


def build(settings: Settings, find: Callable[[str], str]) -> Provider:
    """The provider; ConfigError or InvalidValue when it cannot be used."""
    document = Document("configuration")
    provider = _provider(settings, find, (), document)
    if document.problems:
        raise ConfigError(document.problems)
    return provider


def check(settings: Settings, path: KeyPath, document: Document) -> None:
    """Report what is wrong with a gateway that stands at `path` of a configuration."""
    try:
        _provider(settings, lambda name: find_data(name, document.file), path, document)
    except ConfigError as error:
        document.problems += error.problems
    except InvalidValue as error:
        wrong, _, allowed = str(error).partition(": ")
        document.report((*path, "template"), wrong, allowed)
    if settings.incoming is not None:
        provided.check(settings.incoming, settings.template, (*path, "incoming"), document)
    if settings.certificate or settings.key or settings.ca:
        try:
            trust.policy(settings.ca, settings.certificate, settings.key)
        except ValueError as error:
            wrong, _, allowed = str(error).partition(": ")
            document.report((*path, "certificate" if settings.certificate else "ca"), wrong, allowed)


def stamp(settings: Settings, find: Callable[[str], str]) -> tuple[object, ...]:
    """What the files say that a gateway is made of, in short: other after a certificate was renewed or its provider changed."""
    described: object = None
    if settings.template is not None:
        with contextlib.suppress(ConfigError, InvalidValue):
            described = providers.find(settings.template, find, settings.server)
    found = []
    for path in (settings.certificate, settings.key, settings.ca):
        try:
            found.append(None if path is None else os.stat(path).st_mtime_ns)
        except OSError:
            found.append(0)
    return (described, *found)


def _provider(settings: Settings, find: Callable[[str], str], path: KeyPath, document: Document) -> Provider:
    named = settings.template is not None
    provider = _described(settings, find, path, document) if named else _own(settings, path, document)
    if settings.answers is not None:
        provider = replace(
            provider, answers=providers.read_answers(document, (*path, "answers"), settings.answers)
        )
    if settings.split is not None:
        provider = replace(provider, split=settings.split)
    return replace(provider, reports=_reports(settings, provider, find))


def _reports(settings: Settings, provider: Provider, find: Callable[[str], str]) -> Any:
    """How reports are read, None when none can come: then nobody waits for them."""
    if settings.incoming is None or not settings.reports:
        return None
    named = settings.incoming.template
    return provider.reports if named is None else providers.find(named, find).reports


def _described(settings: Settings, find: Callable[[str], str], path: KeyPath, document: Document) -> Provider:
    """One of `providers.yaml`."""
    for name in ("url", "body", "method", "login", "headers", "omit"):
        if getattr(settings, name):
            document.report((*path, name), "this belongs to a gateway without a template", "leave one out")
    provider = providers.find(settings.template or "", find, settings.server)
    if provider.wants_server and settings.server is None:
        document.report((*path, "server"), "missing", "write server: https://sms.example.org")
    known = {credential.name for credential in provider.credentials}
    for name in settings.credentials:
        if name not in known:
            allowed = f"allowed: {', '.join(sorted(known)) or 'none'}"
            document.report(
                (*path, "credentials", name), "the provider has no such credential", allowed, at_key=True
            )
    for credential in provider.credentials:
        if credential.name not in settings.credentials and not credential.optional:
            about = credential.about or "the provider wants it"
            document.report(
                (*path, "credentials"), f"{credential.name} is missing", f"{credential.name}: {about}"
            )
    return provider


def _own(settings: Settings, path: KeyPath, document: Document) -> Provider:
    """What the gateway says itself."""
    if settings.url is None:
        document.report(
            path, "there is neither a template nor a url", "write template: NAME, or url: http://…"
        )
        return Provider(settings.id, None)
    if settings.server is not None:
        document.report(
            (*path, "server"), "this belongs to a gateway with a template", "write it into the url"
        )
    for name in settings.credentials:
        if not providers.is_name(name):
            document.report(
                (*path, "credentials", name),
                "this cannot be the name of a credential",
                "write small letters: user",
            )
    data: dict[str, Any] = {
        "url": settings.url.get_secret_value(),
        "method": settings.method,
        "body": settings.body and settings.body.get_secret_value(),
        "headers": {name: value.get_secret_value() for name, value in settings.headers.items()} or None,
        "login": settings.login and settings.login.get_secret_value(),
        "omit": settings.omit,
    }
    if settings.body is not None:
        data["type"] = settings.body_type
    names = model.MESSAGE | set(settings.credentials)
    request = providers.read_request(providers.Reading(document), path, data, names, None)
    return Provider(
        name=settings.id,
        text=request,
        binary=model.binary_of(request),
        credentials=tuple(Credential(name) for name in settings.credentials),
    )
