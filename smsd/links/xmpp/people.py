"""Whose account a chat address has (features U2, U4)."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed

from smsd.codec.jid import Jid
from smsd.interfaces import IAccount
from smsd.links.xmpp.link import Link
from smsd.values.errors import Reason, Refused


class People:
    """Knows the people of one link."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def start(self) -> Deferred[None]:
        """Learn who has registered; nothing is taken from people before this fires."""
        return succeed(None)

    def account(self, jid: Jid) -> Deferred[IAccount]:
        """The account that pays for what this address writes; fails with Refused, whose text says how to get one. Fires at once
        where it is known already, so that messages stay in their order."""
        account: Any = self._link.context.find_account(jid.bare)
        if account is None:
            return fail(Refused(Reason.NOT_AUTHENTICATED, "register first"))
        return succeed(account)
