"""Who is asking: user and pass of the request, HTTP Basic (RFC 7617), or a trusted peer that vouches for its
sender.

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
from smsd.interfaces import IAccount
from smsd.values.errors import Reason, Refused

STRANGER = "user and password are needed: send user= and pass=, or HTTP Basic"
WRONG = "unknown user or wrong password"


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


def _lured(request: DoorRequest) -> bool:
    return request.header(b"sec-fetch-site") in ("cross-site", "same-site")


def _wrong(failure: Failure) -> Any:
    failure.trap(UnauthorizedLogin)
    if isinstance(failure.value, Refused):
        return failure
    raise Refused(Reason.BAD_CREDENTIALS, WRONG)


def identify(request: DoorRequest, wishes: Wishes, portal: Any, *, trusted: bool, required: bool) -> Any:
    """The IAccount of the caller, or None for one who needs no account, or a Deferred of either; raises or
    fails with Refused. No Deferred is the common case: a password that was verified lately."""
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
    if user is None:
        if required:
            raise Refused(Reason.NOT_AUTHENTICATED, STRANGER)
        return None
    return _account(portal, Login(user, password, request.peer))


def _account(portal: Any, credentials: Any) -> Any:
    login: Deferred[Any] = portal.login(credentials, None, IAccount)
    found = getattr(login, "result", None)
    if isinstance(found, tuple):
        return found[1]
    return login.addCallbacks(lambda found: found[1], _wrong)
