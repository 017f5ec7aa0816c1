"""IceWarp's folder, read: which files of SMS users there are, what each of their lines becomes here, and what is left for people.

Nothing is written, nothing is asked of the server. What cannot be read is kept as a mistake with its file and line, so that all
mistakes are told at once.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from smsd.cli.client import Refusal
from smsd.codec import icewarp
from smsd.config.bounded import read_bounded
from smsd.values.errors import InvalidValue

MOST_OCTETS = 16_000_000
MOST_PASSWORD = 1024
FAR = "9999-12-31"
"""The last day of who never expires, where the settings above say another."""


@dataclass(slots=True)
class Entry:
    """What a line becomes. `password` is in clear, for as long as it takes to make a hash of it."""

    where: str
    kind: str
    name: str
    settings: dict[str, Any]
    sent: int = 0
    sent_before: int = 0
    last_sent: int = 0
    password: str = field(default="", repr=False)


@dataclass(slots=True)
class Folder:
    """Everything found: `entries`, `mistakes` as lines for people, `notes` on what is different here or to be done by hand,
    `unknown` what no document describes, `certificates` (where, its path, the path here or None), `files` (path, charset)."""

    entries: list[Entry] = field(default_factory=list)
    mistakes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    certificates: list[tuple[str, str, str | None]] = field(default_factory=list)
    files: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Wishes:
    """How to read: `charset` of all files ("": UTF-8, else CP1252), our gateway ids by IceWarp's (None: no gateway), networks of
    accounts without password, folders of Windows and of this machine."""

    charset: str = ""
    gateways: dict[str, str | None] = field(default_factory=dict)
    networks: tuple[str, ...] = ()
    maps: Sequence[tuple[str, str]] = ()


def read(path: str, wishes: Wishes) -> Folder:
    """The folder of an IceWarp server, or its `config` alone."""
    return _Reader(path, wishes).read()


class _Reader:
    def __init__(self, path: str, wishes: Wishes) -> None:
        self._path = path
        self._wishes = wishes
        self._found = Folder()
        self._seen: dict[tuple[str, str], str] = {}
        self._policies: dict[str, icewarp.Line] = {}

    def read(self) -> Folder:
        if not os.path.isdir(self._path):
            raise Refusal(
                f"{self._path} is no folder: name the one in which IceWarp is, with config and mail in it"
            )
        config = self._inside(self._path, "config")
        mail = self._inside(self._path, "mail")
        if config is None:
            config = self._path
        self._policy(config, "*")
        for domain in self._folders(config):
            self._policy(os.path.join(config, domain), domain.lower())
        for domain in self._folders(mail):
            for user in self._folders(os.path.join(mail or "", domain)):
                self._policy(os.path.join(mail or "", domain, user), f"{user}@{domain}".lower())
        users = self._inside(config, "smsusers.dat")
        if users is not None:
            for number, line in self._lines(users):
                self._account(f"{users}:{number}", line)
        self._rest(config, mail)
        if not self._found.files and not self._found.mistakes and not self._found.unknown:
            raise Refusal(
                f"{self._path} has none of IceWarp's files: config/smsusers.dat, config/sms.dat, config/DOMAIN/sms.dat, "
                "mail/DOMAIN/USER/sms.dat"
            )
        self._different()
        return self._found

    # -- files

    def _inside(self, folder: str, name: str) -> str | None:
        """The path of a file or folder, whatever the case of its name is."""
        found = [one for one in self._listed(folder) if one.lower() == name]
        if len(found) > 1:
            self._found.mistakes.append(
                f"{folder}: there are {' and '.join(sorted(found))}: keep one of them"
            )
        return os.path.join(folder, found[0]) if found else None

    def _folders(self, folder: str | None) -> Iterator[str]:
        for name in () if folder is None else self._listed(folder):
            if os.path.isdir(os.path.join(folder or "", name)):
                yield name

    def _listed(self, folder: str) -> list[str]:
        try:
            return sorted(os.listdir(folder))
        except OSError as error:
            self._found.mistakes.append(f"{folder} cannot be read ({error.strerror})")
            return []

    def _content(self, path: str) -> bytes | None:
        try:
            return read_bounded(path, MOST_OCTETS)[0]
        except InvalidValue as error:
            self._found.mistakes.append(str(error))
            return None

    def _lines(self, path: str) -> list[tuple[int, icewarp.Line]]:
        data = self._content(path)
        if data is None:
            return []
        try:
            text, charset = icewarp.decode(data, self._wishes.charset)
            self._found.files.append((path, charset))
            return icewarp.read_lines(text)
        except icewarp.Broken as error:
            self._found.mistakes += [f"{path}:{line}: {wrong}" for line, wrong in error.mistakes]
            return []

    # -- what lines become

    def _account(self, where: str, line: icewarp.Line) -> None:
        user = line.user
        if user.startswith("[") and user.endswith("]"):
            user = user[1:-1]
            if "@" not in user:
                self._found.mistakes.append(
                    f"{where}: user: what brackets without an address mean is in no document; take it out"
                )
                return
            self._found.notes.append(
                f"{where}: a user of IceWarp's own mail, so in brackets: it becomes the account {user}"
            )
        if not user:
            self._found.mistakes.append(f"{where}: user: an account has a name")
            return
        settings = self._settings(where, line)
        if line.inactive:
            settings["active"] = False
        if line.maxsend:
            settings["monthly_limit"] = line.maxsend
        if line.expire is not None:
            settings["expires"] = str(line.expire)
        if len(line.password) > MOST_PASSWORD:
            self._found.mistakes.append(f"{where}: password: it has more than {MOST_PASSWORD} characters")
            return
        if not line.password:
            if not self._wishes.networks:
                self._found.mistakes.append(
                    f"{where}: it has no password, so anybody could send: say with --networks from where such accounts may be used"
                )
                return
            settings["networks"] = list(self._wishes.networks)
        self._add(
            Entry(
                where, "account", user, settings, line.sent, line.prevsent, line.lastsent * 1000, line.password
            )
        )  # fmt: skip

    def _policy(self, folder: str, who: str) -> None:
        path = self._inside(folder, "sms.dat")
        if path is None:
            return
        lines = self._lines(path)
        if not lines:
            return
        number, line = lines[0]
        where = f"{path}:{number}"
        for number, _ in lines[1:]:
            self._found.mistakes.append(
                f"{path}:{number}: a second line: what it would mean is in no document"
            )
        if line.user or line.password:
            self._found.mistakes.append(
                f"{where}: user and password are empty in sms.dat; accounts are in config/smsusers.dat"
            )
            return
        settings = self._settings(where, line)
        settings["monthly_limit"] = line.maxsend  # 0 too: it goes before the limit of the domain
        above = self._above(who)
        if line.inactive:
            settings["access"] = False
        elif any(one.inactive for one in above):
            self._found.notes.append(
                f"{where}: {who} is active where what stands above is not: smsd account set --policy {who} access=yes"
            )
        if line.expire is not None:
            settings["expires"] = str(line.expire)
        elif any(one.expire is not None for one in above):
            settings["expires"] = FAR
        if not line.gateway and any(one.gateway for one in above):
            self._found.notes.append(
                f"{where}: {who} has no gateway of its own, and takes the one of its domain or of all here"
            )
        if line.sent or line.prevsent or line.lastsent:
            self._found.notes.append(
                f"{where}: the counters of sms.dat are not those of mail users, who begin at 0 here"
            )
        self._policies[who] = line
        self._add(Entry(where, "policy", who, settings))

    def _above(self, who: str) -> list[icewarp.Line]:
        names = (["*"] if who != "*" else []) + ([who.rpartition("@")[2]] if "@" in who else [])
        return [self._policies[name] for name in names if name in self._policies]

    def _settings(self, where: str, line: icewarp.Line) -> dict[str, Any]:
        settings: dict[str, Any] = {}
        if line.description.strip():
            settings["description"] = line.description.strip()
        if line.gateway:
            gateway = self._wishes.gateways.get(line.gateway, line.gateway)
            if gateway is not None:
                settings["gateway"] = gateway
        return settings

    def _add(self, entry: Entry) -> None:
        before = self._seen.setdefault((entry.kind, entry.name), entry.where)
        if before != entry.where:
            self._found.mistakes.append(f"{entry.where}: {entry.name} stands already in {before}")
            return
        self._found.entries.append(entry)

    # -- what is left

    def _rest(self, config: str, mail: str | None) -> None:
        gateways = self._inside(config, "smsgateway.dat")
        data = None if gateways is None else self._content(gateways)
        if data is not None:
            try:
                found, charset = icewarp.read_gateways(data, self._wishes.charset)
            except icewarp.Broken as error:
                self._found.mistakes += [f"{gateways}:{line}: {wrong}" for line, wrong in error.mistakes]
            else:
                self._found.files.append((gateways or "", charset))
                for line, path in found.certificates:
                    here = icewarp.map_path(path, self._wishes.maps)
                    self._found.certificates.append((f"{gateways}:{line}", path, here))
                tags = ", ".join(f"{name} ({count})" for name, count in found.others)
                if tags:
                    self._found.unknown.append(
                        f"{gateways}: {tags}: gateways are written anew, in the configuration"
                    )
        for folder in dict.fromkeys((self._path, config, *([mail] if mail else []))):
            stat = self._inside(folder, "smsstat.dat")
            if stat is not None:
                self._found.unknown.append(
                    f"{stat}: how the counters of mail users are laid out; they begin at 0 here"
                )

    def _different(self) -> None:
        whom = [entry.name for entry in self._found.entries if entry.kind == "policy"]
        if whom:
            self._found.notes.append(
                "whether mail users may send at all is not in these files (IceWarp: Policies): "
                f"smsd account set --policy {next((one for one in whom if '@' not in one and one != '*'), whom[0])} access=yes"
            )
