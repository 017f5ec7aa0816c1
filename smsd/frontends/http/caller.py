"""Who is asking: user and pass of the request, HTTP Basic (RFC 7617), a token (RFC 6750), or a trusted peer that vouches
for its sender.

Order of feature U4; `authenticated=1` (U5) counts from the door's trusted networks only. It never says
whether a user exists, and never keeps a password. A browser that was lured here by another site has the
user's stored Basic login or address, but not the user's intention: such requests are refused unless they
carry user and pass themselves.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from smsd.codec.smsuri import Wishes
from smsd.core.accounts import Vouched
from smsd.core.credentials import Login
from smsd.frontends.http.request import DoorRequest
from smsd.interfaces import FrontendContext, IAccount
from smsd.values.errors import Reason, Refused

STRANGER = (
    "user and password are needed: send user= and pass=, HTTP Basic, or a token (Authorization: Bearer)"
)
LONGEST_TOKEN = 200
WRONG = "unknown user or wrong password"
USELESS = (
    "the token is right, but opens nothing: its account is gone, or may not be used from your address"
    " (smsd token list, smsd account show)"
)
"""Said to whoever shows a token that was made here; of tokens that were not there is nothing to be told."""


def _basic(request: DoorRequest) -> tuple[str, str] | None:
    value = request.header(b"authorization")
    if value is None or value[:6].lower() != "basic ":
        return None
    try:
        text = base64.b64decode(value[6:].strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise Refused(
            Reason.BAD_CREDENTIALS, "the Authorization header is not Basic with UTF-8 in base64"
        ) from None
    user, colon, password = text.partition(":")
    if not colon or not user:
        raise Refused(Reason.BAD_CREDENTIALS, "the Authorization header has no user name and password")
    return user, password


def shown_token(request: DoorRequest, tokens: Any) -> Any:
    """The token that the caller shows, None when he shows none; Refused when it is not known here."""
    way, _, shown = (request.header(b"authorization") or "").strip().partition(" ")
    if way.lower() != "bearer":
        return None
    shown = shown.strip()
    if tokens is None or not shown or len(shown) > LONGEST_TOKEN:
        raise Refused(Reason.BAD_CREDENTIALS, "this is no token: smsd token create makes one")
    return tokens.check(shown)


def _owner(request: DoorRequest, context: FrontendContext, scopes: tuple[str, ...]) -> str | None:
    """Whose token is shown, if it may do that; Refused when it may not."""
    token = shown_token(request, context.tokens)
    if token is None:
        return None
    missing = [scope for scope in scopes if scope not in token.scopes]
    if missing or not token.account:
        why = f"has not got the scope {missing[0]}" if missing else "is nobody's"
        raise Refused(Reason.NOT_ALLOWED, f"this token {why}: use another one (smsd token create)")
    return str(token.account)


def _lured(request: DoorRequest) -> bool:
    return request.header(b"sec-fetch-site") in ("cross-site", "same-site")


def _wrong(failure: Failure) -> Any:
    failure.trap(UnauthorizedLogin)
    if isinstance(failure.value, Refused):
        return failure
    raise Refused(Reason.BAD_CREDENTIALS, WRONG)


def identify(
    request: DoorRequest, wishes: Wishes, context: FrontendContext, *, trusted: bool, required: bool, scopes: tuple[str, ...] = ()
) -> Any:  # fmt: skip
    """The IAccount of the caller, or None for one who needs no account, or a Deferred of either; raises or
    fails with Refused. No Deferred is the common case: a password that was verified lately. `scopes` are what a token
    needs here; without any, tokens are not taken."""
    portal = context.portal
    user, password = wishes.user, wishes.password or ""
    if user is None or password == "":
        if _lured(request):
            raise Refused(Reason.NOT_ALLOWED, "another web site sent you here: send user and pass yourself")
        if trusted and wishes.authenticated:
            if user is not None:
                return _account(portal, Vouched(user, request.peer))
            if getattr(portal, "by_policy", False):
                raise Refused(Reason.NOT_AUTHENTICATED, "say whose message it is: user=ann@example.org")
            return None
        if user is None:
            basic = _basic(request)
            if basic is not None:
                user, password = basic
            elif scopes and (owner := _owner(request, context, scopes)) is not None:
                return holder(owner, request, context)
    if user is None:
        if required:
            raise Refused(Reason.NOT_AUTHENTICATED, STRANGER)
        return None
    return _account(portal, Login(user, password, request.peer))


def holder(owner: str, request: DoorRequest, context: FrontendContext) -> Deferred[Any]:
    """The IAccount for which a token stands; fails with Refused."""
    login: Deferred[Any] = context.portal.login(Vouched(owner, request.peer), None, IAccount)
    return login.addCallbacks(lambda found: found[1], _useless)


def _useless(failure: Failure) -> Any:
    failure.trap(UnauthorizedLogin)
    if getattr(failure.value, "reason", Reason.BAD_CREDENTIALS) is not Reason.BAD_CREDENTIALS:
        return failure
    raise Refused(Reason.BAD_CREDENTIALS, USELESS)


def _account(portal: Any, credentials: Any) -> Any:
    login: Deferred[Any] = portal.login(credentials, None, IAccount)
    found = getattr(login, "result", None)
    if isinstance(found, tuple):
        return found[1]
    return login.addCallbacks(lambda found: found[1], _wrong)
