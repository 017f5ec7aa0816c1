"""What a link is made of besides its settings: the rules, from the configuration and from a file of their own (feature R9)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from smsd.config.endpoints import files, gone
from smsd.core.trust import certificates
from smsd.links.sip.settings import Settings
from smsd.policy.siprules import SipRule, default_rules, make
from smsd.policy.siprulesxml import MOST_OCTETS, read_rules
from smsd.values.errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Callable

    from smsd.config.positions import Document, KeyPath


@dataclass(frozen=True, slots=True)
class Built:
    """The rules in their order, and warnings."""

    rules: tuple[SipRule, ...]
    warnings: tuple[str, ...] = ()


def build(settings: Settings) -> Built:
    """Those of the file first; InvalidValue says in which line something is wrong."""
    rules: list[SipRule] = []
    warnings: list[str] = []
    if settings.rules_file is not None:
        try:
            with open(settings.rules_file, "rb") as stream:
                data = stream.read(MOST_OCTETS + 1)
        except OSError as error:
            raise InvalidValue(f"{settings.rules_file}: cannot be read ({error.strerror})") from None
        found, doubts = read_rules(data, settings.rules_file)
        rules += found
        warnings += doubts
    for number, rule in enumerate(settings.rules):
        words = {name.upper(): value for name, value in rule.model_dump().items()}
        try:
            made, doubts = make(words, f"rules[{number}]")
        except InvalidValue as error:
            raise WrongRule(number, str(error)) from None
        rules.append(made)
        warnings += [f"rules[{number}]: {doubt}" for doubt in doubts]
    if settings.rules_file is None and not settings.rules:
        rules = [*default_rules()]
    return Built(tuple(rules), tuple(warnings))


class WrongRule(InvalidValue):
    """A rule of the configuration that cannot be used."""

    def __init__(self, number: int, text: str) -> None:
        super().__init__(f"rules[{number}]: {text}")
        self.number = number
        self.text = text


def check(settings: Settings, path: KeyPath, document: Document) -> None:
    """Report what is wrong with the rules, and which files are not there."""
    for number, listener in enumerate(settings.listeners):
        for name in listener.files:
            if gone(name):
                document.report((*path, "listen", number), f"there is no file {name}")
    if settings.proxy_ca is not None:
        try:
            certificates(settings.proxy_ca, "file of authorities")
        except ValueError as error:
            document.report((*path, "proxy_ca"), str(error))
    try:
        build(settings)
    except WrongRule as error:
        word, colon, rest = error.text.partition(": ")
        known = bool(colon) and word.isupper()
        key = (word.lower(),) if known else ()
        wrong, _, allowed = (rest if known else error.text).partition(": ")
        document.report((*path, "rules", error.number, *key), wrong, allowed)
    except InvalidValue as error:
        for line in str(error).splitlines():
            document.report((*path, "rules_file"), line)


def stamp(settings: Settings, find_data: Callable[[str], str]) -> object:
    """The times of its files: a changed file of rules, or a renewed certificate, makes the link anew at a reload."""
    paths = {path for text in settings.listen for path in files(text)}
    paths |= {path for path in (settings.rules_file, settings.proxy_ca) if path is not None}
    found = []
    for path in sorted(paths):
        try:
            found.append((path, os.stat(path).st_mtime_ns))
        except OSError:
            found.append((path, 0))
    return tuple(found)
