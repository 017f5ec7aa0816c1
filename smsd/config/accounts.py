"""What accounts, account groups and policies cannot know of each other: names in two of them, gateways and groups that do not
exist."""

from __future__ import annotations

from typing import Any

from smsd.config.positions import Document, KeyPath

Entries = list[tuple[KeyPath, Any]]


def across(document: Document, found: dict[str, Entries], gateways: list[str]) -> None:
    """Report what does not fit together. `gateways` are the ids of gateways and their groups."""
    known = [group.id for _, group in found["account_groups"]] + _named(document)
    for kind in ("account_groups", "policies"):
        for path, entry in found[kind]:
            if entry.gateway is not None and entry.gateway not in gateways:
                _missing(document, (*path, "gateway"), f"gateway {entry.gateway!r}", gateways)
    for kind in ("accounts", "policies"):
        for path, entry in found[kind]:
            if entry.group is not None and entry.group not in known:
                _missing(document, (*path, "group"), f"account group {entry.group!r}", known)
    users = {account.user.lower(): path for path, account in found["accounts"]}
    for path, policy in found["policies"]:
        account = users.get(policy.who)
        if account is not None:
            place = (*account, "user")
            line = document.values[place][0]
            document.report(
                (*path, "who"),
                f"{policy.who!r} is also an account (line {line}), and a name has one meaning",
                "remove one of them: an account needs no policy",
            )


def source_doubts(found: dict[str, Entries]) -> list[str]:
    """Warnings about password sources."""
    sources = [source for _, source in found["password_sources"] if source.active]
    if sources and not any(policy.access for _, policy in found["policies"]):
        return [
            "password_sources are asked for users whom a policy lets send, and no policy of this file does (access: yes)"
        ]
    return []


def _named(document: Document) -> list[str]:
    """Also groups with mistakes: one mistake should not be reported twice."""
    entries = document.data.get("account_groups")
    return [
        str(entry["id"])
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict) and "id" in entry
    ]


def _missing(document: Document, path: KeyPath, what: str, known: list[str]) -> None:
    document.report(path, f"there is no {what}", f"allowed: {', '.join(dict.fromkeys(known)) or 'none'}")
