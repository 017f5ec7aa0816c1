"""What one section cannot know alone: ids used twice, gateways that do not exist, a demo account open to the world."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from smsd.config import accounts, endpoints, groups
from smsd.config.positions import Document, KeyPath
from smsd.config.settings import FileSettings, LinkSettings
from smsd.policy.rules.sendto import CHATS, read_chat
from smsd.values.errors import InvalidValue

Entries = list[tuple[KeyPath, Any]]

# Names of log files, of the control door, and of where messages come from that no door brings.
RESERVED = (
    "main", "api", "control", "notice", "rules", "timed", "rules-program", "rules-url", "rules-sql", "hooks", "spool",
)  # fmt: skip

RESERVED_DOORS = ("alert", "digest", "answers", "protection", "trial")
"""Messages of these doors are made of others that were accepted, and are asked less."""
_TLS = "write where the certificate and its key are, in PEM; a relative path starts at server.folder"


def across(document: Document, file: FileSettings, found: dict[str, Entries]) -> list[str]:
    """Report what does not fit together; gives warnings, which hinder nothing."""
    doors, gateways = found["listeners"], found["gateways"]
    named = [*gateways, *found["groups"]]
    # number@ID is a mail address too, and in a domain case means nothing.
    _unique(document, [*doors, *named], "id", str.lower)
    _unique(document, found["accounts"], "user")
    _unique(document, found["account_groups"], "id")
    _unique(document, found["policies"], "who")
    _unique(document, found["password_sources"], "id")
    _unique(document, found["simulators"], "id")
    _unique(document, found["databases"], "name")
    _reserved(document, [*doors, *named], RESERVED)
    _reserved(document, doors, RESERVED_DOORS)
    _listen(document, doors)
    _tls(document, doors)
    _domains(document, file, named)
    known = _ids(document, "gateways")
    active = {gateway.id for _, gateway in gateways if gateway.active}
    warnings = groups.across(document, found["groups"], known, active)
    known += _ids(document, "groups")
    _accounts(document, found["accounts"], known, doors)
    accounts.across(document, found, known)
    _mail(document, gateways, doors)
    return [*_warnings(file, found), *_of_links(document, file, gateways), *warnings]


def _ids(document: Document, section: str) -> list[str]:
    """Every id the file gives in a section, also to those with mistakes: one mistake should not be reported twice."""
    entries = document.data.get(section)
    return [
        entry["id"]
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict) and isinstance(entry.get("id"), str)
    ]


def _unique(document: Document, entries: Entries, key: str, same: Callable[[str], str] = str) -> None:
    seen: dict[str, KeyPath] = {}
    for path, settings in entries:
        value = getattr(settings, key, None)
        if value is None:
            continue
        first = seen.setdefault(same(value), path)
        if first is not path:
            place = (*first, key)
            line = document.values[place][0]
            document.report((*path, key), f"{value!r} is used twice (first in line {line})", "choose another")


def _reserved(document: Document, entries: Entries, names: tuple[str, ...]) -> None:
    for path, settings in entries:
        if settings.id in names:
            document.report((*path, "id"), f"{settings.id!r} is a name of smsd's own", "choose another")


def _listen(document: Document, doors: Entries) -> None:
    taken: dict[tuple[str, str], KeyPath] = {}
    for path, door in doors:
        for number, text in enumerate(door.listen):
            here = (*path, "listen", number)
            wrong, _, allowed = (endpoints.problem(text) or "").partition("; ")
            if wrong:
                document.report(here, wrong, allowed)
            for name in endpoints.missing(text) if door.active else []:
                document.report(here, f"there is no file {name}", _TLS)
            address = endpoints.address(text)
            if address is None or address[1] == "0" or not door.active:
                continue
            if address in taken:
                line = document.values[taken[address]][0]
                document.report(
                    here, f"{text!r} is listened on twice (first in line {line})", "choose another port"
                )
            else:
                taken[address] = here


def _tls(document: Document, doors: Entries) -> None:
    """The files of STARTTLS."""
    for path, door in doors:
        files = getattr(door, "tls", None) if door.active else None
        for key in ("certificate", "key") if files is not None else ():
            if endpoints.gone(getattr(files, key)):
                document.report((*path, "tls", key), f"there is no file {getattr(files, key)}", _TLS)


def _domains(document: Document, file: FileSettings, gateways: Entries) -> None:
    for path, gateway in gateways:
        if gateway.id.lower() in file.server.domains:
            document.report(
                (*path, "id"),
                f"{gateway.id!r} is also one of server.domains, so number@{gateway.id} would have two meanings",
                "choose another id",
            )


def _accounts(document: Document, entries: Entries, known: list[str], doors: Entries) -> None:
    for path, account in entries:
        gateway = getattr(account, "gateway", None)
        if gateway is not None and gateway not in known:
            document.report(
                (*path, "gateway"),
                f"there is no gateway {gateway!r}",
                f"allowed: {', '.join(known) or 'none'}",
            )
        if not account.active or not (account.demo or account.user == "demo"):
            continue
        for door_path, door in doors:
            for number, text in enumerate(door.listen if door.active else []):
                if not endpoints.problem(text) and not endpoints.is_loopback(text):
                    document.report(
                        (*door_path, "listen", number),
                        f"the demo account {account.user!r} is refused on any address but loopback, and others can reach this one",
                        "remove that account, or listen on interface=127.0.0.1",
                    )


def _mail(document: Document, gateways: Entries, doors: Entries) -> None:
    carried = {scheme for _, gateway in gateways if gateway.active for scheme in gateway.schemes}
    spools = {f"spool:{door.id}" for _, door in doors if door.active and door.type == "spool"}
    for path, gateway in gateways:
        if (gateway.deliver_to or "").startswith("spool:"):
            if gateway.deliver_to not in spools:
                document.report(
                    (*path, "deliver_to"),
                    f"there is no listener of type spool for {gateway.deliver_to!r}",
                    f"allowed: {', '.join(sorted(spools)) or 'none'}",
                )
            continue
        if not gateway.deliver_to or gateway.deliver_to.startswith("hook:"):
            continue  # a subscriber: `subscribers` looks at that
        scheme, _, rest = gateway.deliver_to.partition(":")
        if scheme in CHATS:
            try:
                read_chat(scheme, rest)
            except InvalidValue as error:
                wrong, _, allowed = str(error).partition(": ")
                document.report((*path, "deliver_to"), wrong, allowed)
            if gateway.active and scheme not in carried:
                document.report(
                    (*path, "deliver_to"),
                    f"no gateway carries {scheme}:, so nothing can be delivered there",
                    f"add a gateway of type {scheme}",
                )
            continue
        if gateway.active and "mailto" not in carried:
            document.report(
                (*path, "deliver_to"),
                "no gateway carries mail, so nothing can be delivered to a mailbox",
                "add a gateway of type smtp (a mail relay) or folder",
            )


def _realms(found: dict[str, Entries]) -> list[str]:
    """Secrets of phones that no gateway asks for."""
    realms = {
        (gateway.realm or gateway.domains[0]).lower()
        for _, gateway in found["gateways"]
        if gateway.active and gateway.type == "sip"
    }
    warnings = []
    for _, account in found["accounts"]:
        secret: str = account.sip_secret.get_secret_value()  # $digest$realm$…
        realm = secret.split("$")[2] if secret else ""
        if realm and realm.lower() not in realms:
            known = ", ".join(sorted(realms)) or "none"
            warnings.append(
                f"account {account.user}: sip_secret is for the realm {realm}, and gateways of type sip have {known}"
            )
    return warnings


def _of_links(document: Document, file: FileSettings, gateways: Entries) -> list[str]:
    """What people who write in chats or on phones would wait for in vain."""
    active = [gateway for _, gateway in gateways if gateway.active]
    links = [one for one in active if isinstance(one, LinkSettings)]
    carried = {scheme for gateway in active for scheme in gateway.schemes}
    warnings = [
        f"gateway {link.id}: nobody can write to {where}: no gateway carries {scheme}:"
        for link in links
        for where, scheme in link.written_to.items()
        if scheme not in carried
    ]
    given = any((one.deliver_to or "").partition(":")[0] in CHATS for one in active)
    ruled = document.data.get("incoming") or document.data.get("rules_files")
    if links and not file.replies.keep_minutes and not given and not ruled:
        names = " and ".join(link.id for link in links)
        warnings.append(
            f"replies.keep_minutes is 0: answers from phones do not find back to people of {names}; 1440 is a day"
        )
    return warnings


def _warnings(file: FileSettings, found: dict[str, Entries]) -> list[str]:
    warnings = []
    links = [one for _, one in found["gateways"] if one.active and isinstance(one, LinkSettings)]
    if not links and not any(door.active for _, door in found["listeners"]):
        warnings.append("no listener is active: nobody can hand in a message")
    users = {account.user for _, account in found["accounts"]}
    for _, door in found["listeners"]:
        warnings += door.doubts() if door.active else []
        payer = getattr(door, "account", None)
        if payer is not None and payer not in users:
            warnings.append(
                f"listener {door.id}: account {payer!r} is not in this file; only if the store has it, it pays"
            )
    for link in links:
        warnings += link.doubts()
    warnings += accounts.source_doubts(found)
    warnings += _realms(found)
    if not any(gateway.active for _, gateway in found["gateways"]):
        warnings.append("no gateway is active: messages will wait")
    if not file.server.postmaster:
        warnings.append("server.postmaster is not set: nobody hears of incoming messages without a recipient")
    return warnings
