"""Our own credentials, for proxies and registrars that ask for them (401, 407)."""

from __future__ import annotations

from smsd.codec.sip.messages import Request, Response
from smsd.codec.sip.uri import Pairs


def credentials(
    response: Response, request: Request, user: str, password: str, cnonce: str, count: int = 1
) -> Pairs:
    """The headers (Authorization, Proxy-Authorization) that answer all challenges of `response`, by the strongest algorithm of each
    realm; empty when none can be answered. `cnonce` is a random token. Use: `again(request, token, credentials(…))`."""
    raise NotImplementedError


def is_refused(request: Request, response: Response) -> bool:
    """Whether `request` had credentials already and they were wrong (no stale): asking again with the same ones would not help."""
    raise NotImplementedError
