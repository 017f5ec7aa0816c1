"""What a model of modem does its own way, as data of `modems.yaml`: found by what the modem says of itself.

A profile holds values and named flags, never code; what a model needs that no flag says becomes a flag here. The file is
checked when it is read, with the place and the key of everything wrong.
"""

from __future__ import annotations

import os
import re

from pydantic import Field, field_validator

from smsd.config.positions import ConfigError, read_file
from smsd.config.settings import Section
from smsd.config.validate import Surroundings, section
from smsd.links.gsm.settings import check_command, check_memory

GENERIC = "generic"
_CNMI = re.compile(r"[0-3],[0-3],[0-3],[0-2],[01]$")


class Profile(Section):
    """One model. Times are seconds."""

    about: str = Field(default="", description="for people: which modems")
    match: list[str] = Field(default=[], description="regular expressions over its maker, model and revision")
    init: list[str] = Field(default=[], description="commands at the start; a refusal is no error")
    cnmi: list[str] = Field(
        default=[
            *("2,2,0,1,0", "1,2,0,1,0", "2,1,0,1,0", "2,1,0,2,0"),
            *("1,1,0,1,0", "1,1,0,2,0", "2,1,0,0,0", "3,1,0,0,0"),
        ],
        min_length=1,
        description="wanted +CNMI=mode,mt,bm,ds,bfr, best first",
    )
    memories: list[str] = Field(
        default=["SM", "ME", "SR"], min_length=1, description="read; receives into the first"
    )
    iccid: list[str] = Field(
        default=["AT+CCID", "AT+ICCID", "AT+CICCID", "AT^ICCID?", "AT+QCCID", "AT#CCID"],
        description="commands that may tell the SIM's number",
    )
    reports: bool = Field(default=True, description="delivers status reports")
    send_only: bool = Field(default=False, description="cannot hand over received messages")
    poll: float = Field(
        default=600, ge=0, description="reads its memories this often even if it announces messages"
    )
    keep_link: bool = Field(default=True, description="understands +CMMS")
    no_cnma: bool = Field(
        default=False, description="+CNMA is not to be used: messages are stored, then read"
    )
    csca_writeback: bool = Field(
        default=False, description="sends only after +CSCA was written with its own value"
    )
    escape: bool = Field(default=True, description="ESC leaves a prompt and does no harm")
    chunk: int = Field(default=0, ge=0, le=512, description="writes a PDU in pieces of so many characters")
    chunk_pause: float = Field(default=0.01, ge=0, le=5, description="between two pieces")
    prompt_delay: float = Field(default=0, ge=0, le=5, description="between the prompt and the PDU")
    command_pause: float = Field(default=0, ge=0, le=5, description="after each answer")
    patience: float = Field(
        default=20, ge=0, le=300, description="how long it may say that it is still starting"
    )
    wait_for: list[str] = Field(default=[], description="lines that say that it has started")
    restarted: list[str] = Field(
        default=[r"RDY$", r"\^SYSSTART", r"START$"],
        description="lines that say that it has lost its settings",
    )
    full: list[str] = Field(default=[], description="lines that say that a memory is full")
    ignore: list[str] = Field(default=[], description="lines that belong to no answer and mean nothing to us")

    @field_validator("match", "wait_for", "restarted", "full", "ignore")
    @classmethod
    def _patterns(cls, value: list[str]) -> list[str]:
        for pattern in value:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression: {error}") from None
        return value

    @field_validator("init", "iccid")
    @classmethod
    def _commands(cls, value: list[str]) -> list[str]:
        return [check_command(command) for command in value]

    @field_validator("memories")
    @classmethod
    def _memories(cls, value: list[str]) -> list[str]:
        return [check_memory(name) for name in value]

    @field_validator("cnmi")
    @classmethod
    def _notify(cls, value: list[str]) -> list[str]:
        for choice in value:
            if not _CNMI.match(choice):
                raise ValueError(f"{choice!r} is no setting of +CNMI: write five numbers such as 2,1,0,1,0")
        return value

    def matches(self, words: str) -> bool:
        """Whether the modem's own words are those of this model."""
        return any(re.search(pattern, words, re.IGNORECASE) for pattern in self.match)

    @property
    def unsolicited(self) -> tuple[str, ...]:
        """Patterns of lines that belong to no answer."""
        return (*self.wait_for, *self.restarted, *self.full, *self.ignore)


def load(path: str) -> dict[str, Profile]:
    """The profiles of the file `path` by name, in its order; ConfigError with every problem otherwise."""
    document = read_file(path)
    around = Surroundings(os.path.dirname(os.path.abspath(path)), ".", {})
    profiles: dict[str, Profile] = {}
    for name, data in document.data.items():
        profile = section(Profile, {} if data is None else data, (name,), document, around)
        if profile is not None:
            profiles[name] = profile
    if GENERIC not in document.data:
        document.report((), f"there is no profile {GENERIC!r}", "it serves every modem that no other matches")
    if document.problems:
        raise ConfigError(document.problems)
    return profiles


def recognise(profiles: dict[str, Profile], words: str, template: str | None = None) -> tuple[str, Profile]:
    """The profile of a modem: the configured one, else the first that matches its words, else the generic one."""
    if template is not None:
        return template, profiles[template]
    for name, profile in profiles.items():
        if profile.matches(words):
            return name, profile
    return GENERIC, profiles[GENERIC]
