"""What a newcomer is shown when the server has started: lines to paste that send the first message and show the answer.

Only where there is a demo account, so only on loopback; a real installation gets none.
"""

from __future__ import annotations

import os
import shutil
import sys
from typing import Any

from smsd.config import endpoints
from smsd.config.settings import Configuration


def lines(configuration: Configuration) -> list[str]:
    """The lines, without secrets other than the demo account's own."""
    account = next((each for each in configuration.accounts if each.active and each.demo), None)
    if account is None:
        return []
    user, password = account.user, account.password.get_secret_value()
    shown = ["", "Send a first message (paste one of these into another terminal):", ""]
    address = _address(configuration, "http")
    if address:
        shown.append(
            f"  curl 'http://{address}/sms/?user={user}&pass={password}&number=%2B15551234567&data=Hello+from+smsd'"
        )
    address = _address(configuration, "smtp")
    if address:
        shown.append(
            f"  swaks --server {address} --auth PLAIN --auth-user {user} --auth-password {password}"
            f" --from you@example.org --to 'sms:+15551234567@{_domain(configuration)}' --body 'Hello by mail'"
        )
    shown += _chats(configuration, account.jids)
    simulator = next((each for each in configuration.simulators if each.control), None)
    if simulator is not None:
        shown += [
            "",
            "Be the phone that gets it, and answer:",
            "",
            f"  {_command()} simulate phone --control {simulator.control}",
        ]
    folder = next((each for each in configuration.gateways if each.active and each.type == "folder"), None)
    if folder is not None:
        shown += ["", "Read the answer in the mailbox:", "", f"  cat {folder.folder}/new/*"]
    shown += ["", f"See what happens:  {_command()} -c {configuration.path} log", ""]
    return shown


def _chats(configuration: Configuration, jids: list[str]) -> list[str]:
    """Where to write to in a chat program, for whom the account names."""
    link = next((each for each in configuration.gateways if each.active and each.type == "xmpp"), None)
    domain = next((one.name for one in link.domains if one.kind == "sms"), None) if link is not None else None
    return [f"  in a chat, as {jids[0]}: write to +15551234567@{domain}"] if domain and jids else []


def _command() -> str:
    """The smsd command as it can be typed here. The shell may not find ours, or another program of that name."""
    ours = os.path.join(os.path.dirname(sys.executable), "smsd")
    return "smsd" if not os.path.exists(ours) or shutil.which("smsd") == ours else ours


def _address(configuration: Configuration, kind: str) -> str | None:
    """host:port of the first active TCP listener of a type."""
    for door in configuration.listeners:
        if door.active and door.type == kind:
            for text in door.listen:
                found = endpoints.address(text)
                if found is not None:
                    return f"{found[0] or '127.0.0.1'}:{found[1]}"
    return None


def _domain(configuration: Configuration) -> Any:
    return next(iter(configuration.server.domains), configuration.server.name)
