"""What the configuration says of SIP phones, and of a PBX or proxy (features S8, R9)."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from smsd.codec.sip.errors import Malformed
from smsd.codec.sip.uri import Uri, read_uri
from smsd.config.settings import LinkSettings, Listen, Path, Section
from smsd.core.digests import REALM
from smsd.core.networks import Networks, read_network
from smsd.links.sip.listening import Listener, read_listener
from smsd.links.sip.records import read_server
from smsd.values.errors import InvalidValue

_OPEN = ("0.0.0.0", "")


class RuleSettings(Section):
    """One SIP rule, as the file of rules has it in XML."""

    number: str = Field(default="", description="a regular expression for the user part of the address")
    method: str = Field(default="", description="a regular expression for the method")
    stop: str = Field(default="", description="1: no SMS, and no other rule is looked at")
    sms: str = Field(default="", description="1, or parameters: maxmsgs=1")
    response: str = Field(default="", description="what is answered when all went well: 200 OK")


class Settings(LinkSettings):
    """`type: sip`."""

    schemes = frozenset({"sip"})

    type: Literal["sip"] = "sip"
    domains: list[str] = Field(
        min_length=1, max_length=100, description="domains of the phones' addresses: sip.example.org"
    )
    realm: str | None = Field(
        default=None, description="what phones show when they ask for a password; the first domain"
    )
    listen: list[Listen] = Field(
        default=["udp:5060", "tcp:5060"],
        min_length=1,
        max_length=20,
        description="udp:5060, tcp:5060:interface=192.0.2.1, ssl:5061:privateKey=key.pem:certKey=cert.pem",
    )
    trusted_networks: list[str] = Field(
        default=[],
        max_length=1000,
        description="a PBX or proxy that answers for its users, and needs no password",
    )
    account: str | None = Field(
        default=None,
        min_length=1,
        max_length=128,
        description="whose messages those of trusted_networks are; not said: their users are accounts",
    )
    rules_file: Path | None = Field(default=None, description="SIP rules in XML")
    rules: list[RuleSettings] = Field(default=[], max_length=1000)
    accepted: Literal["200", "202"] = Field(
        default="202", description="200 or 202: the answer to what has become an SMS, if no rule has another"
    )
    algorithms: list[Literal["SHA-256", "MD5"]] = Field(
        default=["SHA-256", "MD5"],
        min_length=1,
        description="of digest, the first that a phone knows is used",
    )
    # `register` is a name of pydantic's metaclass.
    registrar: bool = Field(
        default=True,
        description="yes or no; whether phones register here (no: all their domains are behind the proxy)",
    )
    min_expires: int = Field(default=60, ge=10, le=86_400, description="10 to 86400 seconds")
    max_expires: int = Field(default=3600, ge=60, le=604_800, description="60 to 604800 seconds")
    max_contacts: int = Field(default=10, ge=1, le=100, description="1 to 100 phones of one address")
    proxy: str | None = Field(
        default=None, description="who knows other addresses: sip:pbx.example.org:5060;transport=tcp"
    )
    proxy_user: str | None = Field(default=None, min_length=1, max_length=320, description="our login there")
    proxy_password: SecretStr | None = None
    proxy_ca: Path | None = Field(
        default=None,
        description="PEM file of the authorities to trust for TLS to the proxy, not the system's",
    )
    name_servers: list[str] = Field(
        default=[],
        max_length=3,
        description="DNS servers to ask for the proxy's hosts (SRV), if not those of the system: 192.0.2.53",
    )
    public: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9.-]{1,253}$|^[0-9a-fA-F:]{2,45}$",
        description="our name or address as others see it, if not that of the socket",
    )
    slots: int = Field(default=64, ge=1, le=1000, description="1 to 1000 messages on their way at once")
    max_connections: int = Field(default=1000, ge=1, le=100_000, description="1 to 100000")
    idle_seconds: float = Field(
        default=4000, ge=10, le=86_400, description="10 to 86400; how long a quiet connection is kept"
    )

    @field_validator("domains")
    @classmethod
    def _domains(cls, domains: list[str]) -> list[str]:
        for domain in domains:
            if not REALM.fullmatch(domain.rstrip(".")):
                raise ValueError(f"{domain!r} is no domain: write sip.example.org")
        return [domain.lower().rstrip(".") for domain in domains]

    @field_validator("realm")
    @classmethod
    def _realm(cls, realm: str | None) -> str | None:
        if realm is not None and not REALM.fullmatch(realm):
            raise ValueError(f"{realm!r} is no realm: write a domain, such as sip.example.org")
        return realm

    @field_validator("listen")
    @classmethod
    def _listen(cls, listen: list[str]) -> list[str]:
        seen = []
        for text in listen:
            try:
                place = read_listener(text).place
            except InvalidValue as error:
                raise ValueError(str(error)) from None
            if place in seen:
                raise ValueError(f"{text!r} is listened on twice: choose another port")
            seen.append(place)
        return listen

    @field_validator("trusted_networks")
    @classmethod
    def _networks(cls, networks: list[str]) -> list[str]:
        for text in networks:
            read_network(text)
        return networks

    @field_validator("name_servers")
    @classmethod
    def _name_servers(cls, servers: list[str]) -> list[str]:
        for text in servers:
            read_server(text)
        return servers

    @field_validator("proxy")
    @classmethod
    def _proxy(cls, proxy: str | None) -> str | None:
        if proxy is None:
            return None
        try:
            uri = read_uri(proxy if re.match("sips?:", proxy, re.I) else f"sip:{proxy}")
        except Malformed as error:
            raise ValueError(
                f"{proxy!r} is no SIP address ({error.text}): write sip:pbx.example.org"
            ) from None
        if not uri.host or (uri.parameter("transport") or "udp").lower() not in ("udp", "tcp", "tls"):
            raise ValueError(f"{proxy!r}: write sip:pbx.example.org;transport=tcp (or udp, tls)")
        return str(uri)

    @model_validator(mode="after")
    def _fit(self) -> Settings:
        if self.min_expires > self.max_expires:
            raise ValueError("min_expires is larger than max_expires")
        if (self.proxy_user is None) is not (self.proxy_password is None):
            raise ValueError("proxy_user and proxy_password belong together")
        if self.proxy_user is not None and self.proxy is None:
            raise ValueError("proxy_user is for a proxy, and there is none")
        if self.account is not None and not self.trusted_networks:
            raise ValueError("account is for trusted_networks, and there are none")
        return self

    @property
    def listeners(self) -> list[Listener]:
        """What `listen` means."""
        return [read_listener(text) for text in self.listen]

    @property
    def next_hop(self) -> Uri | None:
        """The proxy, read."""
        return None if self.proxy is None else read_uri(self.proxy)

    def doubts(self) -> list[str]:
        """Warnings at load."""
        found = []
        everybody = Networks(self.trusted_networks)
        if "192.0.2.1" in everybody and "198.51.100.1" in everybody:
            found.append(
                f"gateway {self.id}: trusted_networks: everybody on earth may send as anybody: name the PBX"
            )
        if not self.registrar and self.proxy is None:
            found.append(f"gateway {self.id}: without registrar and proxy no answer finds a phone")
        return found
