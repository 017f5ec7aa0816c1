"""What every section of the configuration has in common, as pydantic models. Modules of gateways and doors subclass these.

Scalars arrive as text (YAML would eat phone numbers and PINs: `+39…` as an int, `0371` as octal, `no` as False), so a
field that wants a number or a switch says so by its type. Unknown keys are errors. Secrets are `pydantic.SecretStr`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_validator

from smsd.policy.rules.model import Rules

ID = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$"
"""Ids are names of folders and log files too, so `..` is none."""


class Section(BaseModel):
    """Any mapping in the file: unknown keys refused, values immutable, equality by value (reload compares)."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class LimitSettings(Section):
    """How much a gateway may carry; what is not said has no limit. SMS are counted, so a text of four parts is four."""

    per_second: int = Field(default=0, ge=1, le=100_000, description="1 to 100000 SMS")
    per_minute: int = Field(default=0, ge=1, le=1_000_000, description="1 to 1000000 SMS")
    per_hour: int = Field(default=0, ge=1, le=10_000_000, description="1 to 10000000 SMS")
    per_day: int = Field(default=0, ge=1, le=100_000_000, description="1 to 100000000 SMS")
    recipients_per_month: int = Field(
        default=0, ge=1, le=100_000, description="1 to 100000 different numbers"
    )


class GatewaySettings(Section):
    """What every gateway has (feature G1). `schemes` is what its kind of gateway carries."""

    schemes: ClassVar[frozenset[str]] = frozenset({"sms"})
    id: str = Field(pattern=ID, description="1 to 64 letters, digits, _ . - (no . or - first)")
    type: str = Field(description="the module that carries it: gsm, smtp, loopback, …")
    active: bool = True
    description: str = ""
    template: str | None = Field(default=None, description="predefined settings of a model or provider")
    pin: SecretStr | None = Field(default=None, description="SIM PIN, or the password of /sms/deliver.html")
    mail_from: str = Field(
        default="%s", description="From: of mail made from an SMS; %s is the phone's number"
    )
    deliver_to: str | None = Field(
        default=None,
        description="mailbox (or hook: and a subscriber, xmpp:ann@example.org) that gets this gateway's incoming messages",
    )
    in_doubt: str = Field(default="resend", pattern="^(resend|hold)$")
    country: str | None = Field(default=None, pattern="^[A-Z]{2}$")
    limits: LimitSettings | None = None
    report_account: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="a name; gateways with the same one share the provider's message ids",
    )
    report_ids: Literal["any", "exact", "hex", "decimal"] = Field(
        default="any",
        description="how reports write the ids of messages: any, exact, or hex or decimal where answers write the other",
    )


class DoorSettings(Section):
    """What everything has that takes messages from people."""

    max_parts: int | None = Field(default=None, ge=1, le=128)
    text: Literal["as_is", "tidy", "national"] = Field(
        default="as_is", description="as_is, tidy or national; for accounts that say nothing else"
    )

    @property
    def counted(self) -> bool:
        """Whether its messages are counted for good (`smsd status`)."""
        return False

    def doubts(self) -> list[str]:
        """Warnings at load."""
        return []


class Endpoint:
    """Marks a setting that is an endpoint string: relative files in it are completed as those of a `Path` are."""


Listen = Annotated[str, Endpoint()]


class FrontendSettings(DoorSettings):
    """What every door has."""

    id: str = Field(pattern=ID, description="1 to 64 letters, digits, _ . - (no . or - first)")
    type: str
    active: bool = True
    listen: list[Listen] = Field(
        min_length=1, description="Twisted endpoint strings: tcp:2525:interface=127.0.0.1"
    )
    trusted_networks: list[str] = Field(default=[], description="peers whose authenticated=1 is honoured")


class LinkSettings(GatewaySettings, DoorSettings):
    """What every link has that is a door too: it stands among the gateways, carries what goes to its people, and takes what they
    write."""

    in_doubt: str = Field(default="resend", pattern="^(resend|hold)$")

    @property
    def written_to(self) -> dict[str, str]:
        """Addresses of its own that people write to for something else than SMS, and the scheme of that."""
        return {}


class Place:
    """Marks a setting that is a path: a relative one is completed before anybody sees it (see `Path`)."""


Path = Annotated[str, Place()]
"""A file, folder or device. Relative ones start at `server.folder`, which itself starts at the configuration file."""

LONGEST_SOCKET = 107
"""Octets of `sun_path` in Linux, unix(7); Twisted waits for ever on a longer one."""


def _opens(path: str) -> str:
    if len(os.fsencode(path)) > LONGEST_SOCKET:
        raise ValueError(f"no system opens a path of more than {LONGEST_SOCKET} octets; use a shorter one")
    return path


SocketPath = Annotated[Path, AfterValidator(_opens)]
"""A socket of somebody else."""


class ServerSettings(Section):
    """Who this server is."""

    name: str = Field(
        default="localhost",
        pattern=r"^[A-Za-z0-9.-]{1,253}$",
        description="a host name: letters, digits, . and -",
    )
    folder: str = Field(default="var", description="where smsd keeps its files; relative to this file")
    domains: list[str] = Field(default=[], description="mail domains whose local parts are phone numbers")
    country: str | None = Field(
        default=None, pattern="^[A-Z]{2}$", description="two capital letters of ISO 3166: IT, US, …"
    )
    time_zone: str | None = Field(
        default=None, description="of months, days and times of day: Europe/Rome; the machine's if not set"
    )
    postmaster: str = Field(
        default="", description="mailbox of the administrator; gets what has no other reader"
    )
    user: str | None = Field(
        default=None, description="a user name; taken after the ports are open, when started as root"
    )
    group: str | None = Field(default=None, description="a group name")
    percent_logins: bool = Field(
        default=False, description="yes or no; ann%example.org may stand for ann@example.org"
    )

    @field_validator("domains")
    @classmethod
    def _lower(cls, domains: list[str]) -> list[str]:
        return _domains(domains)

    @field_validator("time_zone")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        if name is not None:
            try:
                ZoneInfo(name)
            except (ValueError, OSError, KeyError):
                raise ValueError(f"{name[:80]!r} is no time zone") from None
        return name


def _domains(domains: list[str]) -> list[str]:
    for domain in domains:
        if not domain or "@" in domain or any(letter.isspace() for letter in domain):
            raise ValueError(f"{domain!r} is no domain: write sms.example.org")
    return [domain.lower().rstrip(".") for domain in domains]


class StoreSettings(Section):
    """Where accepted messages are kept."""

    path: Path = "smsd.db"


class QueueSettings(Section):
    """What holds for every message unless it, or its gateway, says otherwise."""

    expire_minutes: int = Field(default=7200, ge=1, le=525600, description="1 to 525600 (a year)")
    warn_minutes: int = Field(default=240, ge=0, le=525600, description="0 (never) to 525600")
    in_doubt: Literal["resend", "hold"] = "resend"
    reports: Literal["wanted", "failures", "always"] = "wanted"
    unknown_report_hours: int = Field(
        default=24, ge=1, le=720, description="1 to 720; how long a report waits for a message with its id"
    )
    keep_days: int = Field(
        default=90, ge=1, le=3650, description="1 to 3650; how long the call log remembers"
    )
    digest_after_minutes: int = Field(
        default=0,
        ge=0,
        le=525600,
        description="0 (never) to 525600; what has waited that long for one recipient leaves as one digest",
    )


Level = Literal["debug", "info", "warn", "error", "critical"]


class LogSettings(Section):
    """Log files: one for each service, rotated by size, bounded in number."""

    folder: Path = "log"
    level: Level = "info"
    levels: dict[str, Level] = Field(default={}, description="a level for one file: `gsm1: debug`")
    rotate_bytes: int = Field(
        default=10_000_000, ge=10_000, le=10_000_000_000, description="10000 to 10000000000"
    )
    keep: int = Field(default=5, ge=1, le=1000, description="1 to 1000 rotated files each")
    format: Literal["text", "json"] = "text"


class ControlSettings(Section):
    """The local socket that the `smsd` command talks to; whoever may open it administers the server."""

    path: Path = "control.sock"


class DatabaseSettings(Section):
    """A database that rules may ask and write to, under a name."""

    name: str = Field(pattern=ID, description="1 to 64 letters, digits, _ . - (no . or - first)")
    url: SecretStr = Field(description="sqlite:PATH or postgresql://user:password@host/database")

    @field_validator("url")
    @classmethod
    def _known(cls, url: SecretStr) -> SecretStr:
        # What is wrong is told without the URL, which may hold a password.
        text = url.get_secret_value()
        if text.startswith("sqlite:"):
            if text in ("sqlite:", "sqlite::memory:") or "\0" in text:
                raise ValueError("the path of the file is missing")
            return url
        try:
            known = text.startswith("postgresql://") and urlsplit(text).port != 0
        except ValueError:
            known = False
        if not known:
            raise ValueError("this is no database")
        return url


class RepliesSettings(Section):
    """How answers from phones find whoever wrote (features I2 to I4)."""

    by_email_tag: bool = Field(
        default=True, description="yes or no; #address@domain# in an incoming text names the recipient"
    )
    keep_minutes: int = Field(
        default=0, ge=0, le=525600, description="0 (no reply log) to 525600; how long an answer finds back"
    )
    conflict_text: str = Field(
        default="Cannot deliver message, more potential recipients, use #email# in your reply.",
        min_length=1,
        max_length=1000,
        description="1 to 1000 characters; what a phone hears when several could be meant",
    )
    tag_domains: list[str] = Field(
        default=[], description="domains that #address@domain# may name besides server.domains"
    )
    answers_at_once: int = Field(
        default=50, ge=0, le=100_000,
        description="0 (any number) to 100000; answers within seconds from one chat or mailbox to one phone in an hour",
    )  # fmt: skip

    @field_validator("tag_domains")
    @classmethod
    def _lower(cls, domains: list[str]) -> list[str]:
        return _domains(domains)


class EffectsSettings(Section):
    """Limits for the programs, URLs and SQL statements that rules start."""

    seconds: float = Field(default=30, ge=1, le=600, description="1 to 600; how long each may take")
    output: int = Field(
        default=10_000,
        ge=100,
        le=1_000_000,
        description="100 to 1000000; octets that are read of what comes out",
    )
    slots: int = Field(default=4, ge=1, le=64, description="1 to 64; how many at once")
    max_hops: int = Field(
        default=8, ge=1, le=50, description="1 to 50; rules that make messages of messages end here"
    )


class CallbackSettings(Section):
    """How URLs are told what became of messages; those of senders are watched."""

    urls: bool = Field(default=True, description="yes or no; whether senders may give URLs themselves")
    allow_networks: list[str] = Field(
        default=[], description="networks of our own that URLs of senders may lead into: [10.1.2.0/24]"
    )
    days: float = Field(default=3, ge=0.01, le=90, description="0.01 to 90; how long such a URL is tried")
    seconds: float = Field(default=15, ge=1, le=300, description="1 to 300; how long one request may take")
    slots: int = Field(default=8, ge=1, le=64, description="1 to 64 such requests at once")

    @field_validator("allow_networks")
    @classmethod
    def _networks(cls, networks: list[str]) -> list[str]:
        for text in networks:
            try:
                ip_network(text)
            except ValueError as error:
                raise ValueError(f"{text!r} is no network: {error}") from None
        return networks


class ProtectionSettings(Section):
    """What protects accounts, and money: the audit log, and the hold on accounts that suddenly send far more than usual."""

    audit_days: int = Field(
        default=730, ge=1, le=36500, description="1 to 36500; how long it stays on record who changed what"
    )
    hold: bool = Field(
        default=True, description="yes or no; yes holds what an account sends far beyond what it usually does"
    )
    factor: float = Field(
        default=50, ge=2, le=1_000_000, description="2 or more; so many times the usual messages are held"
    )
    spending_factor: float = Field(
        default=10, ge=2, le=1_000_000, description="2 or more; the same for what they cost"
    )
    from_messages: int = Field(
        default=500, ge=1, description="1 or more; so many messages an hour are never held for their number"
    )
    from_spending: float = Field(
        default=20,
        ge=0,
        le=1_000_000_000,
        description="an amount; so much an hour is never held for its cost",
    )
    learn_messages: int = Field(
        default=100,
        ge=0,
        description="0 or more; before an account has sent so many, nothing is usual for it",
    )


class FileSettings(Section):
    """The file's own keys. What a listener, gateway or simulator may say is its module's affair."""

    server: ServerSettings = ServerSettings()
    store: StoreSettings = StoreSettings()
    queue: QueueSettings = QueueSettings()
    log: LogSettings = LogSettings()
    control: ControlSettings = ControlSettings()
    replies: RepliesSettings = RepliesSettings()
    effects: EffectsSettings = EffectsSettings()
    callbacks: CallbackSettings = CallbackSettings()
    protection: ProtectionSettings = ProtectionSettings()
    prices: dict[str, Any] = {}
    listeners: list[dict[str, Any]] = []
    gateways: list[dict[str, Any]] = []
    groups: list[dict[str, Any]] = []
    accounts: list[dict[str, Any]] = []
    account_groups: list[dict[str, Any]] = []
    policies: list[dict[str, Any]] = []
    password_sources: list[dict[str, Any]] = []
    simulators: list[dict[str, Any]] = []
    databases: list[dict[str, Any]] = []
    notifications: list[dict[str, Any]] = []
    lists: list[dict[str, Any]] = []
    programs: list[dict[str, Any]] = []
    outgoing: list[dict[str, Any]] = []
    incoming: list[dict[str, Any]] = []
    rules_files: list[str] = []
    timed: list[dict[str, Any]] = []
    subscribers: list[dict[str, Any]] = []


@dataclass(frozen=True)
class Configuration:
    """A whole configuration that passed every check. `path` is its file, `folder` the absolute `server.folder`.

    The settings of a listener, gateway, account or simulator are instances of the model of its module. `rules` are those of
    the file and of its `rules_files`; the paths of databases and list files are absolute.
    """

    path: str
    folder: str
    server: ServerSettings
    store: StoreSettings
    queue: QueueSettings
    log: LogSettings
    control: ControlSettings
    listeners: tuple[Any, ...] = ()
    gateways: tuple[Any, ...] = ()
    groups: tuple[Any, ...] = ()
    accounts: tuple[Any, ...] = ()
    account_groups: tuple[Any, ...] = ()
    policies: tuple[Any, ...] = ()
    password_sources: tuple[Any, ...] = ()
    simulators: tuple[Any, ...] = ()
    databases: tuple[DatabaseSettings, ...] = ()
    timed: tuple[Any, ...] = ()
    notifications: tuple[Any, ...] = ()
    lists: tuple[Any, ...] = ()
    programs: tuple[Any, ...] = ()
    rules: Rules = field(default_factory=Rules)
    rules_files: tuple[str, ...] = ()
    replies: RepliesSettings = field(default_factory=RepliesSettings)
    effects: EffectsSettings = field(default_factory=EffectsSettings)
    callbacks: CallbackSettings = field(default_factory=CallbackSettings)
    protection: ProtectionSettings = field(default_factory=ProtectionSettings)
    prices: Any = None  # smsd.config.prices.PricesSettings
    subscribers: tuple[Any, ...] = ()
    warnings: tuple[str, ...] = ()
