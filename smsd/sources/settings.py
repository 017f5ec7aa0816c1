"""What the configuration says of every password source, and of those that are mail servers."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator
from twisted.internet.abstract import isIPAddress, isIPv6Address

from smsd.config.settings import ID, Path, Section
from smsd.core import trust


class SourceSettings(Section):
    """What every source has. It is asked for users whom a policy lets send and who have no password there."""

    id: str = Field(pattern=ID, description="1 to 64 letters, digits, _ . - (no . or - first)")
    type: str = Field(description="the module that asks: imap, smtp, dovecot, pam")
    active: bool = True
    description: str = ""
    domains: list[str] = Field(
        default=[], description="asked for users of these domains: [example.org]; of all, when empty"
    )
    login: Literal["address", "local"] = Field(
        default="address",
        description="address (ann@example.org) or local (ann), as the users are called there",
    )
    seconds: float = Field(default=10, ge=1, le=60, description="1 to 60; how long one answer may take")
    connections: int = Field(default=8, ge=1, le=100, description="1 to 100 questions at once")

    @field_validator("domains")
    @classmethod
    def _read_domains(cls, domains: list[str]) -> list[str]:
        for domain in domains:
            if not domain or "@" in domain or any(letter.isspace() for letter in domain):
                raise ValueError(f"{domain!r} is no domain: write example.org")
        return [domain.lower().rstrip(".") for domain in domains]

    @model_validator(mode="after")
    def _local_names_are_of_somewhere(self) -> SourceSettings:
        if self.login == "local" and not self.domains:
            raise ValueError("login: local needs domains: ann of any domain would be the same user here")
        return self

    def doubts(self) -> list[str]:
        """Warnings at load."""
        return []


class ServerSettings(SourceSettings):
    """A mail server, by TCP."""

    host: str = Field(pattern=r"^[^\s/@]{1,255}$", description="the mail server's name or address")
    port: int | None = Field(default=None, ge=1, le=65535)
    security: Literal["tls", "starttls", "none"]
    verify: bool = Field(default=True, description="yes or no; no takes any certificate")
    ca: Path | None = Field(
        default=None, description="PEM file of the authorities to trust instead of the system's"
    )

    @property
    def where(self) -> str:
        """host:port, for people."""
        return f"{self.host}:{self.effective_port}"

    @property
    def effective_port(self) -> int:
        """The port that is connected to."""
        raise NotImplementedError

    def tls_options(self) -> Any:
        """A client context for Twisted, None without TLS; ValueError when the `ca` file cannot be used."""
        return None if self.security == "none" else trust.towards(self.host, self.verify, self.ca)

    def doubts(self) -> list[str]:
        """Warnings at load."""
        if self.security == "none":
            if _is_here(self.host):
                return []
            return [f"password source {self.id}: passwords go to {self.host} in clear (security: none)"]
        if not self.verify:
            return [
                f"password source {self.id}: verify: no, so whoever stands between here and {self.host} can read the passwords"
            ]
        return []


def _is_here(host: str) -> bool:
    if isIPAddress(host):
        return host.startswith("127.")
    return host == "localhost" or (isIPv6Address(host) and host == "::1")


def check(settings: Any, path: Any, document: Any) -> None:
    """What only a look at the disk tells: a `ca` file that cannot be used; and a host that no certificate can be for."""
    try:
        settings.tls_options()
    except UnicodeError:
        document.report(
            (*path, "host"), f"{settings.host!r} is no name of a server", "write mail.example.org"
        )
    except ValueError as error:
        document.report((*path, "ca"), str(error), "name a PEM file with certificates of authorities")
