"""What the configuration may say of notifications, lists and programs. What members mean is read by `members`, because it takes
the whole configuration to know; they are secrets, because credentials may stand in them."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, SecretStr, field_validator

from smsd.codec import template
from smsd.config.settings import Path, Section
from smsd.core.networks import read_network
from smsd.core.postoffice.words import VARIABLES
from smsd.values.errors import InvalidValue

DEFAULT_TEXT = "%from_name%: %subject%"
SENDER = "sender"
"""The value of `reply_to` that means whoever wrote the mail."""

_LOCAL = re.compile(r'[^\s@:;,<>()\[\]"\\?%]{1,64}')
_DOMAIN = re.compile(r"(?:[\w-]+\.)*[\w-]+\.?")
_MAILBOX = re.compile(r"[^\s@<>,;]{1,64}@[^\s@<>,;]{1,255}")
_DIALLED = re.compile(r"\+?[0-9*#().-]+")
_ACCOUNT = re.compile(r"account:\S{1,128}")
WORDS = ("authenticated", "everybody")


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Few = BeforeValidator(_listed)
"""One value may stand where a list is wanted."""


def _template(text: str) -> str:
    try:
        template.parse(text, VARIABLES, url=False)
    except InvalidValue as error:
        raise ValueError(str(error)) from None
    return text


class PostboxSettings(Section):
    """What every such address has. `account` pays; `owner` hears of what could not be sent."""

    address: str = Field(description="what stands before the @, or a whole address: alarm, alarm@example.org")
    active: bool = True
    description: str = ""
    account: str | None = Field(default=None, description="the account that pays")
    owner: str | None = Field(
        default=None, description="mailbox that hears of failures; server.postmaster if not set"
    )
    networks: Annotated[list[str], Few] = Field(
        default=[], description="clients who need not log in: 10.0.0.0/8"
    )

    @field_validator("address")
    @classmethod
    def _address(cls, address: str) -> str:
        local, at, domain = address.rpartition("@")
        if not at:
            local, domain = address, ""
        if not _LOCAL.fullmatch(local) or (at and not _DOMAIN.fullmatch(domain)):
            raise ValueError(f"{address!r} is no address: write alarm, or alarm@example.org")
        if _DIALLED.fullmatch(local):
            raise ValueError(f"{address!r} would be a phone number: begin with a letter")
        return address

    @field_validator("networks")
    @classmethod
    def _networks(cls, networks: list[str]) -> list[str]:
        for network in networks:
            read_network(network)
        return networks

    @field_validator("owner")
    @classmethod
    def _owner(cls, owner: str | None) -> str | None:
        if owner is not None and not _MAILBOX.fullmatch(owner):
            raise ValueError(f"{owner!r} is no mailbox: write ann@example.org")
        return owner


class _Sending(PostboxSettings):
    """What goes to phones."""

    reply_to: str | None = Field(
        default=None, description="mailbox that gets answers and reports, or `sender`; the owner if not set"
    )
    maxmsgs: int = Field(default=1, ge=1, le=128, description="1 to 128 SMS; a longer text is cut")

    @field_validator("reply_to")
    @classmethod
    def _reply_to(cls, reply_to: str | None) -> str | None:
        if reply_to not in (None, SENDER) and not _MAILBOX.fullmatch(reply_to):
            raise ValueError(f"{reply_to!r} is no mailbox: write ann@example.org, or sender")
        return reply_to


class NotificationSettings(_Sending):
    """A notification (S6): mail to `address` becomes an SMS made from `text`."""

    to: Annotated[list[SecretStr], Few] = Field(
        min_length=1, description="numbers, sms:, mailto: or account: addresses"
    )
    text: str = Field(default=DEFAULT_TEXT, description="a text with variables such as %subject%")
    open: bool = Field(default=False, description="yes lets everybody who reaches the door send")

    _text = field_validator("text")(_template)


class ListSettings(_Sending):
    """A mailing list (S5): mail to `address` goes to all members."""

    members: Annotated[list[SecretStr], Few] = Field(
        default=[], description="sms:, mailto: or account: addresses, or numbers"
    )
    file: Path | None = Field(
        default=None, description="more members, one a line; read again when it changes"
    )
    senders: Annotated[list[str], Few] = Field(
        default=["authenticated"],
        description="who may write: addresses, @domains, account:USER, authenticated, everybody",
    )
    subject_prefix: str = Field(default="", max_length=80, description="stands before the subject: [ops]")

    @field_validator("senders")
    @classmethod
    def _senders(cls, senders: list[str]) -> list[str]:
        for one in senders:
            domain = one.removeprefix("@")
            known = one.lower() in WORDS or _ACCOUNT.fullmatch(one) or _MAILBOX.fullmatch(one)
            if not known and not (_DOMAIN.fullmatch(domain) and ("." in domain or one != domain)):
                raise ValueError(
                    f"{one!r} is nobody: write an address, @example.org, account:USER, {' or '.join(WORDS)}"
                )
        return senders


class ProgramSettings(PostboxSettings):
    """An executable account (R11): mail to `address` goes to a program."""

    command: Annotated[list[str], Few] = Field(
        min_length=1,
        description="the program with its whole path, then its arguments, each a text with variables",
    )
    open: bool = Field(default=False, description="yes lets everybody who reaches the door use it")
    reply: bool = Field(default=False, description="yes sends what it prints to whoever wrote")

    @field_validator("command")
    @classmethod
    def _command(cls, command: list[str]) -> list[str]:
        if not command[0].startswith("/"):
            raise ValueError(
                f"{command[0][:80]!r} is no whole path: write /usr/local/bin/PROGRAM, and its arguments as further items"
            )
        for argument in command[1:]:
            _template(argument)
        return command
