"""A spool folder as a door (`type: spool`): where files are taken from, and where what became of them is put."""

from __future__ import annotations

import os
from typing import Literal

from pydantic import Field, model_validator

from smsd.config.settings import FrontendSettings, Path

_NAMES = {
    "smstools": ("outgoing", "checked", "sent", "failed", "incoming", "report"),
    "gammu": ("outbox", "checked", "sent", "error", "inbox", ""),
}
KINDS = ("outgoing", "checked", "sent", "failed", "incoming", "report")


class SpoolSettings(FrontendSettings):
    """`type: spool`. Folders that are not named are those that its dialect has, below `folder`."""

    type: Literal["spool"] = "spool"
    listen: list[str] = Field(default=[], max_length=0, description="nothing: it has a folder")
    dialect: Literal["smstools", "gammu"] = "smstools"
    folder: Path = Field(description="the spool folder; what is missing below it is made")
    outgoing: str = Field(default="", description="what is to be sent (gammu: outbox)")
    checked: str = Field(default="", description="what was taken and is on its way")
    sent: str = Field(default="", description="what a network has taken")
    failed: str = Field(default="", description="what was not sent, and why (gammu: error)")
    incoming: str = Field(default="", description="what phones write (gammu: inbox)")
    report: str = Field(default="", description="delivery reports; gammu has none unless named")
    account: str | None = Field(default=None, description="the account that its messages count for")
    queues: dict[str, str] = Field(
        default={}, description="the gateway that Provider: or Queue: means: {NAME: gateway}"
    )
    includes: Path | None = Field(default=None, description="the folder whose files Include: may name")
    settle: float = Field(
        default=1, ge=0, le=3600, description="seconds that a file that was not moved here must stay the same"
    )
    poll: float = Field(default=1, ge=0.1, le=3600, description="seconds between two looks")
    max_size: int = Field(default=65_536, ge=160, le=1_000_000, description="octets of one file")
    incoming_charset: Literal["utf-8", "utf-16", "iso"] | None = Field(
        default=None,
        description="of incoming texts: utf-8, or as its programs expect it: iso (smstools), utf-16 (gammu)",
    )

    @model_validator(mode="after")
    def _charset_of_its_dialect(self) -> SpoolSettings:
        other = {"smstools": "utf-16", "gammu": "iso"}[self.dialect]
        if self.incoming_charset == other:
            raise ValueError(f"incoming_charset: {other} is not written for {self.dialect}")
        return self

    def place(self, kind: str) -> str:
        """The path of one of its folders, "" for one that it does not have."""
        name = getattr(self, kind) or _NAMES[self.dialect][KINDS.index(kind)]
        return os.path.join(self.folder, name) if name else ""

    def places(self) -> list[str]:
        """All of them."""
        return [place for kind in KINDS if (place := self.place(kind))]
