"""What the configuration says of a chat server that we are a component of (features S7, U2)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr, field_validator

from smsd.codec import smsuri
from smsd.codec.jid import Jid
from smsd.config import endpoints
from smsd.config.settings import LinkSettings, Section
from smsd.links.xmpp.domains import Domain
from smsd.values.errors import InvalidValue

Kind = Literal["sms", "email", "fax"]
_KINDS: dict[str, Kind] = {"fax": "fax", "email": "email", "mail": "email"}
# What one who configures may choose for everybody; who sends and what he writes is his own.
_NOT_HERE = (
    "smsparams sets maxmsgs, sender, id, expire, priority, pid, dcs, sender_required and value: leave {} out"
)


class ComponentSettings(Section):
    """One domain of the chat server that is ours. `kind` is what people expect there, from its name if it is not said
    (`fax.…`, `email.…`, else sms)."""

    domain: str = Field(min_length=1, max_length=255, description="sms.example.org")
    secret: SecretStr = Field(min_length=1, description="the one of the chat server's configuration")
    kind: Kind | None = Field(default=None, description="sms, email or fax")
    only: bool = Field(
        default=False,
        description="yes or no; yes takes no mail addresses on sms domains, and no numbers on email ones",
    )
    smsparams: str = Field(
        default="",
        max_length=2000,
        description="for every SMS: maxmsgs=3&sender=Example, as in sms: addresses",
    )

    @field_validator("domain")
    @classmethod
    def _domain(cls, text: str) -> str:
        return _domain(text)

    @field_validator("smsparams")
    @classmethod
    def _parameters(cls, text: str) -> str:
        _wishes(text)
        return text

    @property
    def made(self) -> Domain:
        """As the link uses it."""
        kind = self.kind or _KINDS.get(self.domain.partition(".")[0], "sms")
        return Domain(self.domain, kind, self.only, _wishes(self.smsparams).parameters)


class Settings(LinkSettings):
    """`type: xmpp`: one chat server (XEP-0114)."""

    schemes = frozenset({"xmpp"})

    type: Literal["xmpp"] = "xmpp"
    server: str = Field(
        default="tcp:127.0.0.1:5347",
        max_length=1000,
        description="where the chat server listens for components: tcp:127.0.0.1:5347, tls:chat.example.org:5348",
    )
    components: list[ComponentSettings] = Field(min_length=1, max_length=20)
    user_domains: list[str] = Field(
        default=[], max_length=1000, description="domains whose users this chat server has logged in itself"
    )
    subject: Literal["ignore", "prefix", "only"] = Field(
        default="ignore", description="ignore, prefix or only: what the subject of a chat message is for"
    )
    slots: int = Field(default=64, ge=1, le=1000, description="1 to 1000 messages on their way to it at once")
    most_waiting: int = Field(
        default=200, ge=1, le=10_000, description="1 to 10000 messages of users that are worked on at once"
    )
    max_recipients: int = Field(default=50, ge=1, le=500, description="1 to 500 numbers of one group text")
    tell_parts: int = Field(
        default=4, ge=0, le=255, description="0 (never) to 255; who writes so many SMS at once is told so"
    )
    receipts: Literal["delivered", "accepted"] = Field(
        default="delivered", description="delivered or accepted: what a receipt in a chat says of a text"
    )
    mail_from: str = Field(
        default="account",
        pattern="^(account|jid)$",
        description="account or jid: From: of mail that users write",
    )

    @field_validator("server")
    @classmethod
    def _server(cls, text: str) -> str:
        kind, *rest = endpoints.split(text)
        port = rest[1] if len(rest) > 1 else ""
        if kind == "unix":
            right = bool(rest and rest[0])
        else:
            right = (
                kind in ("tcp", "tls")
                and bool(rest and rest[0])
                and port.isdecimal()
                and 0 < int(port) < 65536
            )
        if not right:
            raise ValueError(f"{text!r} is no server: write tcp:127.0.0.1:5347, tls:HOST:PORT or unix:PATH")
        return text

    @field_validator("user_domains")
    @classmethod
    def _user_domains(cls, domains: list[str]) -> list[str]:
        return [_domain(text) for text in domains]

    @field_validator("components")
    @classmethod
    def _each_once(cls, components: list[ComponentSettings]) -> list[ComponentSettings]:
        names = [component.domain for component in components]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"{name!r} is there twice: a domain has one connection")
        return components

    @property
    def domains(self) -> list[Domain]:
        """The components' domains, in the file's order."""
        return [component.made for component in self.components]

    @property
    def written_to(self) -> dict[str, str]:
        """See `LinkSettings`."""
        schemes = {"fax": "fax", "email": "mailto"}
        return {one.name: schemes[one.kind] for one in self.domains if one.kind in schemes}

    def doubts(self) -> list[str]:
        """Warnings at load."""
        fields = endpoints.split(self.server)
        host = fields[1] if len(fields) > 1 else ""
        if fields[0] == "tcp" and host not in ("localhost", "::1") and not host.startswith("127."):
            return [
                f"gateway {self.id}: server: texts go to {host} without TLS, and so does the proof of the secret: "
                "use tls:, or a tunnel"
            ]
        return []


def _domain(text: str) -> str:
    try:
        jid = Jid.parse(text)
    except InvalidValue:
        jid = Jid("x", "x")
    if jid.node or jid.resource:
        raise ValueError(f"{text!r} is no domain: write sms.example.org")
    return jid.domain


def _wishes(text: str) -> smsuri.Wishes:
    try:
        wishes = smsuri.read_parameters(smsuri.parse_local("?" + text.lstrip("?&"))[1])
    except InvalidValue as error:
        raise ValueError(str(error)) from None
    for name, said in (
        ("user and pass", wishes.user or wishes.password), ("authenticated", wishes.authenticated),
        ("reply", wishes.reply), ("msgid", wishes.msgid), ("binary and udh", wishes.binary),
        ("number", wishes.numbers), ("data", wishes.data),
    ):  # fmt: skip
        if said:
            raise ValueError(_NOT_HERE.format(name))
    unknown = [warning for warning in wishes.warnings if "unknown" in warning]
    if unknown:
        raise ValueError(f"{unknown[0].replace(' is ignored', '')}: {_NOT_HERE.split(':')[0]}")
    return wishes
