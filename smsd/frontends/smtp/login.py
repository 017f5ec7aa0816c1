"""Logging in at the mail door: the names to try for one that was given, and the refusals in words.

The portal verifies, slows guessing down and caches (`smsd.core`); this only asks it, name by name in the order of
feature S4, and turns its failures into `Refused`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from smsd.core.accounts import Vouched
from smsd.core.credentials import Login
from smsd.interfaces import IAccount
from smsd.values.errors import Reason, Refused

_log = Logger()


def log_in(
    portal: Portal, names: Sequence[str], password: str, peer: str
) -> Deferred[tuple[Any, Callable[[], None]]]:
    """Fires with (IAccount avatar, logout) of the first of `names` that `password` opens; fails with Refused."""
    login = portal.login(Login(names[0], password, peer), None, IAccount)

    def opened(result: tuple[Any, Any, Callable[[], None]]) -> tuple[Any, Callable[[], None]]:
        return result[1], result[2]

    def refused(failure: Failure) -> Deferred[tuple[Any, Callable[[], None]]]:
        error = failure.value
        if isinstance(error, Refused) and error.reason is not Reason.BAD_CREDENTIALS:
            raise error
        failure.trap(UnauthorizedLogin, Refused)
        if len(names) > 1:
            return log_in(portal, names[1:], password, peer)
        raise Refused(Reason.BAD_CREDENTIALS, "user name or password is wrong")

    return login.addCallbacks(opened, refused)


def vouch(portal: Portal, name: str, peer: str) -> Deferred[Any]:
    """Fires with the IAccount avatar of the account that pays for clients without login; fails with Refused."""
    login = portal.login(Vouched(name, peer), None, IAccount)

    def refused(failure: Failure) -> None:
        failure.trap(UnauthorizedLogin, Refused)
        _log.warn(
            "account {account} cannot pay for {peer}: {why}", account=name, peer=peer, why=str(failure.value)
        )
        raise Refused(
            Reason.NOT_ALLOWED,
            "the account that pays for this listener cannot be used: ask the administrator",
        )

    return login.addCallbacks(lambda result: result[1], refused)


def answered_for(portal: Portal, name: str, peer: str) -> Deferred[Any]:
    """Fires with (IAccount avatar, logout) of the user whom a trusted peer answers for (`authenticated=1`), None when nobody is
    called so and no policy says who may send; fails with Refused."""
    login = portal.login(Vouched(name, peer), None, IAccount)

    def refused(failure: Failure) -> None:
        failure.trap(UnauthorizedLogin, Refused)
        error = failure.value
        if isinstance(error, Refused) and error.reason is not Reason.BAD_CREDENTIALS:
            raise error
        if getattr(portal, "by_policy", False):
            raise Refused(Reason.NOT_ALLOWED, "no policy lets this sender send: ask the administrator")

    return login.addCallbacks(lambda result: (result[1], result[2]), refused)
