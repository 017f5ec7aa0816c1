"""What of notifications, lists and programs does not fit the rest of the configuration: names with two meanings, members that are
none, accounts that do not exist, mail that would go in circles. Problems stand where they are, also inside members files."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from smsd.codec.smsuri import login_names
from smsd.config.positions import Document, KeyPath, Problem
from smsd.core.postoffice.members import MOST_SHOWN, Here, Member, folded, parse_file, read
from smsd.core.postoffice.office import here_of
from smsd.core.postoffice.settings import SENDER, ListSettings, NotificationSettings, ProgramSettings
from smsd.values.errors import InvalidValue

Entries = list[tuple[KeyPath, Any]]
MODELS: dict[str, Any] = {
    "notifications": NotificationSettings,
    "lists": ListSettings,
    "programs": ProgramSettings,
}
"""The sections of the configuration."""
_MEMBERS = {"notifications": "to", "lists": "members"}


def across(document: Document, server: Any, found: dict[str, Entries], starting: bool = False) -> list[str]:
    """Report what does not fit; gives warnings. `found` has the entries of every section that passed by themselves. What is
    wrong in members files keeps no server from `starting`."""
    check = _Check(document, server, found)
    check.starting = starting
    for kind in MODELS:
        for path, box in found[kind]:
            check.box(kind, path, box)
    check.clashes()
    return check.warnings


class _Check:
    def __init__(self, document: Document, server: Any, found: dict[str, Entries]) -> None:
        self.document = document
        self.found = found
        self.warnings: list[str] = []
        self.starting = False
        sections = {kind: tuple(box for _, box in found[kind]) for kind in (*MODELS, "gateways", "groups")}
        self._here: Here = here_of(SimpleNamespace(server=server, **sections))
        self._percent = server.percent_logins
        self._users = {account.user: account for _, account in found["accounts"]}
        self._known = set(self._users) | _names(document, "accounts", "user")
        self._mail = any("mailto" in gateway.schemes for _, gateway in found["gateways"] if gateway.active)

    # -- one address

    def box(self, kind: str, path: KeyPath, box: Any) -> None:
        """Everything about one notification, list or program."""
        if box.account is not None and box.account not in self._known:
            self._no_account(box, box.account)
        for key in ("owner", "reply_to"):
            value = getattr(box, key, None)
            if value not in (None, SENDER) and self._here.is_box(str(value)):
                self.document.report(
                    (*path, key), f"{value!r} is itself a notification, list or program", "name a mailbox"
                )
        if kind == "programs":
            self._program(path, box)
            return
        members = list(self._members(kind, path, box))
        if kind == "lists":
            self._senders(path, box)
            if not box.members and box.file is None:
                self.document.report((*path, "members"), "missing", "write members, or the file they are in")
        if any(member.scheme == "mailto" for member in members) and not self._mail:
            self.document.report(
                (*path, _MEMBERS[kind]),
                "no gateway carries mail, so no mailbox can be a member",
                "add a gateway of type smtp (a mail relay) or folder",
            )
        self._unpaid(kind, path, box, members)

    def _members(self, kind: str, path: KeyPath, box: Any) -> Iterator[Member]:
        """The members that are some; the others are reported."""
        key = _MEMBERS[kind]
        for number, secret in enumerate(getattr(box, key)):
            # One that stands alone, not in a list, has no number of its own.
            here = (*path, key, number) if (*path, key, number) in self.document.values else (*path, key)
            try:
                member = read(secret.get_secret_value(), self._here)
            except InvalidValue as error:
                self.document.report(here, str(error))
                continue
            wrong = self._account(box, member)
            if wrong:
                self.document.report(here, wrong)
            yield member
        if kind == "lists" and box.file is not None:
            yield from self._file((*path, "file"), box.file)

    def _file(self, here: KeyPath, path: str) -> Iterator[Member]:
        try:
            members, wrong = parse_file(path, self._here)
            mode = os.stat(path).st_mode
        except (OSError, InvalidValue) as error:
            if self.starting:
                self.warnings.append(f"{error}; its members get nothing until it can be read")
            else:
                self.document.report(here, str(error), "write the path of a file with one member a line")
            return
        problems = [Problem(path, line, 1, "", what) for line, what in wrong[:MOST_SHOWN]]
        if self.starting:
            self.warnings += [f"{problem}; this member gets nothing" for problem in problems]
        else:
            self.document.problems += problems
        if mode & stat.S_IROTH and any(member.password for member in members):
            self.warnings.append(f"{path} has passwords, and everybody may read it: chmod 640 {path}")
        for user in {member.user for member in members if member.user}:
            if not self._logs_in(user):
                self.warnings.append(f"{path}: a member's user is no account")
        yield from members

    def _account(self, box: Any, member: Member) -> str:
        """What is wrong with the account that a member names."""
        if member.scheme == "account":
            account = self._users.get(member.target)
            if account is None:
                if member.target not in self._known:
                    self._no_account(box, member.target)
                return ""
            if account.phone is None and account.email is None:
                return f"account {member.target!r} has neither phone nor email, so nothing can be sent to it"
        if member.user is not None and not self._logs_in(member.user):
            self._no_account(box, "")
        return ""

    def _logs_in(self, user: str) -> bool:
        return any(name in self._known for name in login_names(user, self._percent))

    def _senders(self, path: KeyPath, box: Any) -> None:
        for one in box.senders:
            kind, _, name = one.partition(":")
            if kind.lower() == "account" and name not in self._known:
                self._no_account(box, name)

    def _unpaid(self, kind: str, path: KeyPath, box: Any, members: list[Member]) -> None:
        """Members for whom nobody pays when somebody writes who has not logged in."""
        believed = [
            one for one in getattr(box, "senders", ())
            if one.lower() != "authenticated" and not one.lower().startswith("account:")
        ]  # fmt: skip
        if (
            believed
            and not box.networks
            and (box.account or any(one.user or one.scheme == "account" for one in members))
        ):
            self.warnings.append(
                f"{box.address}: whoever reaches the mail door can write as {believed[0]}, and SMS would be paid for it:"
                " say in networks where such mail comes from"
            )
        if box.account is not None or all(one.scheme != "sms" or one.user is not None for one in members):
            return
        if kind == "notifications" and (box.open or box.networks):
            self.document.report(
                (*path, "account"),
                "missing: who has not logged in may write, and nobody would pay",
                "name one",
            )
        if believed:
            self.warnings.append(
                f"{box.address}: members without user and pass get nothing from senders who have not logged in:"
                " give the list an account"
            )

    def _program(self, path: KeyPath, box: Any) -> None:
        program = box.command[0]
        if not (os.path.isfile(program) and os.access(program, os.X_OK)):
            self.warnings.append(f"{box.address}: {program} is no program that can be run here")
        if box.open and box.reply:
            self.warnings.append(
                f"{box.address}: open and reply together let everybody who reaches a door have its answers sent to"
                " anybody: say in networks who may use it"
            )

    def _no_account(self, box: Any, name: str) -> None:
        """The store may have it, which only a running server knows."""
        who = f"account {name[:80]!r}" if name else "the user of a member"
        self.warnings.append(f"{box.address}: {who} is not in this file: it counts only if the store has it")

    # -- one address, two meanings

    def clashes(self) -> None:
        """An address is one thing: a notification, a list, a program, or the helper of a mail door."""
        taken: dict[tuple[str, str], tuple[str, KeyPath]] = {}
        for path, door in self.found["listeners"]:
            for name in getattr(door, "helpers", {}):
                taken.setdefault((name.lower(), ""), ("a helper", (*path, "helpers", name)))
        for kind in MODELS:
            for path, box in self.found[kind]:
                self._clash(kind, (*path, "address"), box.address, taken)

    def _clash(
        self, kind: str, path: KeyPath, address: str, taken: dict[tuple[str, str], tuple[str, KeyPath]]
    ) -> None:
        local, domain = folded(address)
        ours = not domain or self._here.ours(domain)
        for (other_local, other_domain), (what, first) in taken.items():
            same = domain == other_domain or (
                ours
                and (not domain or not other_domain)
                and (not other_domain or self._here.ours(other_domain))
            )
            if other_local == local and same:
                place = self.document.keys if what == "a helper" else self.document.values
                line = place.get(first, (0, 0))[0]
                self.document.report(path, f"{address!r} is also {what} (line {line})", "choose another")
                return
        taken[local, domain] = (f"a {kind[:-1]}", path)


def _names(document: Document, section: str, key: str) -> set[str]:
    """Every name a section gives, also in entries with mistakes: one mistake should not be reported twice."""
    entries = document.data.get(section)
    return {
        entry[key]
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict) and isinstance(entry.get(key), str)
    }
