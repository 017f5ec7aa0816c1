"""Who is asking: digest with the secret of an account (RFC 7616), or a trusted peer that answers for its users (features U4, U5).

Never says whether a user exists. Who may send what is decided behind the dispatcher.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from twisted.cred.error import UnauthorizedLogin
from twisted.python.failure import Failure

from smsd.codec.sip import Challenger, Malformed, Outcome, Peer, Request, Uri, read_party, readable
from smsd.core.accounts import Vouched
from smsd.core.networks import Networks
from smsd.interfaces import FrontendContext, IAccount
from smsd.links.sip.offers import Offers
from smsd.links.sip.refusals import Rejected
from smsd.links.sip.settings import Settings
from smsd.values.errors import Reason, Refused


@dataclass(frozen=True, slots=True)
class Caller:
    """`account` (IAccount): None for somebody whom a trusted peer answers for, and who needs none. `identity`: who he says he is,
    or who it says he is."""

    account: Any
    identity: Uri
    trusted: bool

    def may_be(self, uri: Uri) -> bool:
        """Whether this address is his."""
        if self.trusted:
            return True
        name = self.account.name.lower()
        return name in (uri.user.lower(), uri.address.lower())


class Logins:
    """`key`: octets that seal nonces; kept over a restart, so that a request that comes once more is known again."""

    def __init__(self, settings: Settings, door: FrontendContext, key: bytes) -> None:
        self._settings = settings
        self._door = door
        self._trusted = Networks(settings.trusted_networks)
        self.realm = settings.realm or settings.domains[0]
        self._challenger = Challenger(self.realm, key, tuple(settings.algorithms))
        self._simple = Challenger(self.realm, key, ("MD5",))
        self._offers = Offers(settings.algorithms)

    def trusts(self, peer: Peer) -> bool:
        """Whether this peer answers for its users."""
        return peer.host in self._trusted

    def caller(self, request: Request, peer: Peer, now: float) -> Caller:
        """Rejected (401 with a challenge, 403) or Refused for who may not."""
        if self.trusts(peer):
            return self._vouched(request, peer)
        secrets = {}
        claimed = self._challenger.claimed(request)
        if claimed:
            secret = self._door.digests.secret(readable(claimed), self.realm, peer.host)
            if secret is not None:
                secrets = {"MD5": secret.md5, "SHA-256": secret.sha256}

        def of(user: str, algorithm: str) -> str | None:
            return secrets.get(algorithm) if user == claimed else None

        verdict = self._challenger.judge(request, now, of, peer.host)
        outcome = verdict.outcome
        who = (peer.host, readable(request.sender.uri)[:300], request.get("User-Agent")[:100])
        if outcome is Outcome.NONE:
            simple = self._offers.simple(who, now)
            challenger = self._simple if simple else self._challenger
            raise Rejected(challenger.status, "", challenger.challenge(now, whom=peer.host))
        if outcome in (Outcome.STALE, Outcome.REPLAYED):
            # Who has answered by MD5 although there was better is not offered that again: it may stumble.
            challenger = self._simple if verdict.algorithm == "MD5" else self._challenger
            raise Rejected(challenger.status, "", challenger.challenge(now, True, peer.host))
        if outcome is Outcome.RIGHT:
            self._offers.answered(who, verdict.algorithm)
        account = self._door.digests.admitted(readable(claimed), peer.host, outcome is Outcome.RIGHT)
        return Caller(account, request.sender.target, False)

    def _vouched(self, request: Request, peer: Peer) -> Caller:
        identity = _asserted(request)
        if self._settings.account is not None:
            return Caller(self._login(self._settings.account, peer), identity, True)
        names = [identity.address] if identity.host else []
        if identity.host in self._settings.domains or not names:
            names.append(identity.user)
        for name in names:
            try:
                return Caller(self._login(name, peer), identity, True)
            except Refused as error:
                if error.reason is not Reason.BAD_CREDENTIALS:
                    raise
        if getattr(self._door.portal, "by_policy", False):
            raise Refused(Reason.NOT_ALLOWED, f"no account and no policy lets {names[0]} send")
        return Caller(None, identity, True)

    def _login(self, name: str, peer: Peer) -> Any:
        """Names alone are looked up, so the answer is there at once."""
        answers: list[Any] = []
        asked = self._door.portal.login(Vouched(readable(name), peer.host), None, IAccount)
        asked.addBoth(answers.append)
        (answer,) = answers
        if isinstance(answer, Failure):
            if answer.check(UnauthorizedLogin) and not answer.check(Refused):
                raise Refused(Reason.BAD_CREDENTIALS, "there is no such account")
            answer.raiseException()
        return answer[1]


def _asserted(request: Request) -> Uri:
    """Who a trusted peer says that it is (RFC 3325), else From."""
    for value in request.all("P-Asserted-Identity"):
        try:
            return read_party(value).target
        except Malformed:
            continue
    return request.sender.target
