"""What the configuration says of a mail relay or an LMTP server, and the TLS that follows from it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, SecretStr, model_validator

from smsd.config.settings import GatewaySettings, Path, SocketPath
from smsd.core import trust

Security = Literal["none", "starttls", "starttls-required", "tls"]


class Settings(GatewaySettings):
    """`type: smtp`. With a user, `starttls` means `starttls-required`: a password is never sent in clear by chance. A socket
    is on this machine and needs no TLS."""

    schemes = frozenset({"mailto"})

    type: Literal["smtp"] = "smtp"
    protocol: Literal["smtp", "lmtp"] = "smtp"
    host: str = Field(default="", pattern=r"^[^\s/@]{1,255}$", description="the relay's name or address")
    port: int | None = Field(
        default=None, ge=1, le=65535, description="25, 465 with security: tls, 24 with protocol: lmtp"
    )
    socket: SocketPath | None = Field(default=None, description="the LMTP server's socket, instead of host")
    security: Security = Field(
        default="starttls", description="none, starttls (if offered), starttls-required, tls"
    )
    user: str | None = Field(default=None, min_length=1, description="login name at the relay")
    password: SecretStr | None = None
    verify: bool | None = Field(
        default=None, description="check the certificate; default: yes, but not for opportunistic starttls"
    )
    ca: Path | None = Field(
        default=None, description="PEM file of the authorities to trust instead of the system's"
    )
    timeout: float = Field(
        default=60.0, gt=0, le=600, description="seconds for connecting and for each answer"
    )
    deadline: float = Field(
        default=600.0, gt=0, le=3600, description="seconds for a whole mail, its last answer included"
    )
    idle: float = Field(
        default=15.0, ge=0, le=300, description="seconds that an unused connection stays open"
    )
    slots: int = Field(default=4, ge=1, le=100, description="connections, and mails at once")
    hello: str | None = Field(
        default=None, pattern=r"^[A-Za-z0-9.:\[\]-]{1,255}$", description="name for EHLO"
    )
    postmaster: str | None = Field(
        default=None, pattern=r"^[^@\s<>]+@[^@\s<>]+$", description="where bounces go"
    )
    folders: Literal["plus", "header", "ignore"] = Field(
        default="header", description="plus (ann+SMS@example.org), header (X-SMSD-Folder: SMS), ignore"
    )
    folder_separator: Literal["/", "."] = Field(
        default="/", description="what the mail server puts between folders in folders"
    )

    @model_validator(mode="after")
    def _one_place(self) -> Settings:
        if bool(self.host) == bool(self.socket):
            raise ValueError(
                "host or socket is needed: name the mail server, or the socket of an LMTP server"
            )
        if self.socket and self.protocol != "lmtp":
            raise ValueError("socket goes with protocol: lmtp")
        if self.socket and (self.port or self.security in ("tls", "starttls-required")):
            raise ValueError("socket goes without port and TLS: it is on this machine")
        return self

    @model_validator(mode="after")
    def _login_is_whole(self) -> Settings:
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password go together: give both or none")
        return self

    @property
    def effective_security(self) -> Security:
        """`security` as it is done."""
        if self.socket:
            return "none"
        return "starttls-required" if self.security == "starttls" and self.user is not None else self.security

    @property
    def needs_tls(self) -> bool:
        """Whether nothing may be sent before TLS is up."""
        return self.effective_security in ("tls", "starttls-required")

    @property
    def verifies(self) -> bool:
        """Whether the relay's certificate must be valid for its name."""
        return self.needs_tls if self.verify is None else self.verify

    @property
    def where(self) -> str:
        """host:port or the socket, for people."""
        return self.socket or f"{self.host}:{self.effective_port}"

    @property
    def effective_port(self) -> int:
        """The port that is connected to."""
        return self.port or (24 if self.protocol == "lmtp" else 465 if self.security == "tls" else 25)

    def tls_options(self) -> Any:
        """A client context for Twisted; ValueError when the `ca` file cannot be read or has no certificate."""
        return trust.towards(self.host, self.verifies, self.ca)
