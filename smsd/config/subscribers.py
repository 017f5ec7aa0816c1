"""The section `subscribers`: programs that are told by HTTP what became of messages, and what phones answered (feature I8)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import Any, Literal, get_args

from pydantic import Field, SecretStr, field_validator, model_validator

from smsd.codec.weburl import Target, read_url
from smsd.config.positions import Document, KeyPath
from smsd.config.settings import ID, CallbackSettings, Path, Section
from smsd.values.errors import InvalidValue
from smsd.values.message import Wants

Event = Literal["received", "sent", "buffered", "delayed", "delivered", "failed", "expired", "cancelled"]
EVENTS: tuple[str, ...] = get_args(Event)
USUAL: tuple[Event, ...] = ("received", "delivered", "failed", "expired", "cancelled")
"""What ends a message, and what phones answer."""
PREFIX = "whsec_"
SHORTEST = 16
"""Octets of a secret; less can be guessed."""

_WANTS = {
    "received": Wants.ANSWERS, "sent": Wants.SENT, "buffered": Wants.BUFFERED, "delayed": Wants.DELAY,
    "delivered": Wants.SUCCESS, "failed": Wants.FAILURE, "expired": Wants.FAILURE, "cancelled": Wants.FAILURE,
}  # fmt: skip


def wants(events: Iterable[str]) -> Wants:
    """What has to be asked for so that these events come about."""
    wanted = Wants.NOTHING
    for event in events:
        wanted |= _WANTS[event]
    return wanted


def key_of(secret: str) -> bytes:
    """The octets that sign, of a secret as Standard Webhooks writes it (`whsec_` and base64) or of any other text."""
    if not secret.startswith(PREFIX):
        return secret.encode("utf-8")
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"a secret that begins with {PREFIX} goes on in base64") from None


class SubscriberSettings(Section):
    """A subscriber. `accounts` are those whose messages it hears of."""

    id: str = Field(
        pattern=ID.replace("63", "50"), description="1 to 51 letters, digits, _ . - (no . or - first)"
    )
    active: bool = True
    description: str = ""
    url: SecretStr | None = Field(
        default=None, description="where events are posted: https://app.example.org/sms"
    )
    pull: bool = Field(default=False, description="yes: events wait until they are fetched at /sms/events")
    secrets: list[SecretStr] = Field(
        default=[], max_length=5, description="what signs: whsec_ and base64; several while they change"
    )
    events: list[Event] = Field(default=list(USUAL), min_length=1, description=", ".join(EVENTS))
    accounts: list[str] = Field(default=[], description="users whose messages it hears of")
    days: float = Field(
        default=3, ge=0.01, le=90, description="0.01 to 90; how long each event is offered before it is dead"
    )
    ca: Path | None = Field(
        default=None, description="PEM file of the authorities to trust instead of the system's"
    )
    certificate: Path | None = Field(
        default=None, description="PEM file with the certificate that shows who we are, and its key"
    )

    @field_validator("secrets")
    @classmethod
    def _strong(cls, secrets: list[SecretStr]) -> list[SecretStr]:
        for secret in secrets:
            if len(key_of(secret.get_secret_value())) < SHORTEST:
                raise ValueError(
                    f"a secret has at least {SHORTEST} octets: `smsd callbacks secret` makes a good one"
                )
        return secrets

    @field_validator("url")
    @classmethod
    def _readable(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            try:
                read_url(url.get_secret_value())
            except InvalidValue as error:
                raise ValueError(str(error)) from None
        return url

    @model_validator(mode="after")
    def _one_way(self) -> SubscriberSettings:
        if (self.url is None) != self.pull:
            raise ValueError("a subscriber has either a url, or pull: yes")
        return self

    @property
    def target(self) -> Target | None:
        """Its URL, taken apart."""
        return None if self.url is None else read_url(self.url.get_secret_value())

    @property
    def gateway(self) -> str:
        """The id of the gateway that carries its events."""
        return gateway_of(self.id)


def gateway_of(subscriber: str) -> str:
    """The id of the gateway that carries a subscriber's events."""
    return f"hook-{subscriber}"


URLS = "hooks"
"""The gateway for URLs that senders give."""


def bound(subscribers: Iterable[Any], accounts: Iterable[Any]) -> dict[str, tuple[str, ...]]:
    """Per user the active subscribers that hear of his messages; his own wish (`callback`) comes first."""
    found: dict[str, dict[str, None]] = {}
    known = [subscriber for subscriber in subscribers if subscriber.active]
    for account in accounts:
        if any(one.id == account.callback for one in known):
            found[account.user] = {account.callback: None}
    for one in known:
        for user in one.accounts:
            found.setdefault(user, {})[one.id] = None
    return {user: tuple(mine) for user, mine in found.items()}


def across(
    document: Document, file: CallbackSettings, found: dict[str, list[tuple[KeyPath, Any]]]
) -> list[str]:
    """Report what does not fit together; gives warnings."""
    users = {account.user for _, account in found["accounts"]}
    taken = {gateway.id.lower() for kind in ("gateways", "listeners") for _, gateway in found[kind]}
    subscribers = found["subscribers"]
    # Also those with mistakes: one mistake should not be reported twice.
    entries = document.data.get("subscribers") or []
    known = [str(entry.get("id")) for entry in entries if isinstance(entry, dict)]
    seen: set[str] = set()
    warnings = []
    for path, subscriber in subscribers:
        if subscriber.id in seen:
            document.report((*path, "id"), f"{subscriber.id!r} is used twice", "choose another")
        seen.add(subscriber.id)
        if subscriber.gateway.lower() in taken:
            document.report(
                (*path, "id"), f"{subscriber.gateway!r} is a gateway or a listener already", "choose another"
            )
        warnings += [
            f"subscriber {subscriber.id}: account {user!r} is not in this file: it counts only if the store has it"
            for user in subscriber.accounts
            if user not in users
        ]
        if subscriber.active and not subscriber.secrets and not subscriber.pull:
            warnings.append(
                f"subscriber {subscriber.id} has no secrets: it cannot know that events come from here"
            )
    for path, account in found["accounts"]:
        if account.callback is not None and account.callback not in known:
            document.report(
                (*path, "callback"),
                f"there is no subscriber {account.callback!r}",
                f"allowed: {_list(known)}",
            )
    for path, gateway in found["gateways"]:
        if (gateway.deliver_to or "").startswith("hook:"):
            _receives(
                document,
                (*path, "deliver_to"),
                gateway.deliver_to[5:],
                known,
                [one for _, one in subscribers],
            )
    return warnings


def _receives(
    document: Document, path: KeyPath, named: str, known: list[str], subscribers: Iterable[Any]
) -> None:
    """Report a receiver of messages that is none."""
    if named not in known:
        document.report(path, f"there is no subscriber {named!r}", f"allowed: {_list(known)}")
    elif any(one.id == named and "received" not in one.events for one in subscribers):
        document.report(
            path, f"subscriber {named!r} does not want to hear 'received'", "add it to its events"
        )


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
