"""Who calls, and what he may: a token (`Authorization: Bearer`, RFC 6750), or an account's password (`Basic`, RFC 7617).

A token stands for its account, so what holds for that account holds for it: its networks, its last day, whether it is active.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from smsd.codec.smsuri import Wishes
from smsd.frontends.http.api.problems import OtherScope
from smsd.frontends.http.caller import holder, identify, shown_token
from smsd.frontends.http.request import DoorRequest
from smsd.interfaces import FrontendContext
from smsd.values.errors import Reason, Refused
from smsd.values.frozen import frozen

STRANGER = (
    "log in: Authorization: Bearer and a token (smsd token create), or Basic with an account and its password"
)
_OF_PASSWORDS = ("send", "read", "incoming")
_NOBODY = Wishes()


@frozen
class Caller:
    """`account` is an IAccount, None for a token that is nobody's; `scopes` is what he may."""

    account: Any
    scopes: tuple[str, ...]
    token: int = 0

    @property
    def who(self) -> str:
        """As the audit log has it."""
        token = f"token {self.token}" if self.token else ""
        return ", ".join(part for part in (f"account {self.name}" if self.account else "", token) if part)

    @property
    def name(self) -> str:
        """The name of the account, "" for nobody's."""
        return "" if self.account is None else str(self.account.name)

    @property
    def everything(self) -> bool:
        """Whether everybody's messages may be seen."""
        return "admin" in self.scopes

    def own(self) -> str:
        """The name of the account; Refused when the token has none."""
        if self.account is None:
            raise Refused(Reason.NOT_ALLOWED, "this token is nobody's: use one that belongs to an account")
        return self.name

    def whose(self, wanted: str | None) -> str:
        """Whose messages are asked for ("": everybody's); Refused for those of others."""
        if wanted is not None and wanted != self.name and not self.everything:
            raise OtherScope(("admin",))
        return wanted or ("" if self.everything else self.own())


async def find(request: DoorRequest, context: FrontendContext, scopes: tuple[str, ...]) -> Caller:
    """Who calls; Refused when nobody is known, or when he may not what needs these scopes (one with admin may look at
    everything)."""
    token = shown_token(request, context.tokens)
    if token is not None:
        caller = await _owner(request, context, token)
    elif (request.header(b"authorization") or "").strip()[:6].lower() == "basic ":
        found = identify(request, _NOBODY, context, trusted=False, required=True)
        caller = Caller(await found if isinstance(found, Deferred) else found, _OF_PASSWORDS)
    else:
        raise Refused(Reason.NOT_AUTHENTICATED, STRANGER)
    missing = [scope for scope in scopes if scope not in caller.scopes]
    if missing and not (caller.everything and "send" not in missing):
        raise OtherScope(scopes)
    return caller


async def _owner(request: DoorRequest, context: FrontendContext, known: Any) -> Caller:
    if not known.account:
        return Caller(None, known.scopes, known.id)
    return Caller(await holder(known.account, request, context), known.scopes, known.id)
