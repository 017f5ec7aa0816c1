"""Digest authentication, a client's end: our own credentials for proxies and registrars that ask for them (401, 407)."""

from __future__ import annotations

from smsd.codec.sip.credentials import STRENGTH, Digest, fields, ha1, hash_of, line, response_of
from smsd.codec.sip.errors import Malformed
from smsd.codec.sip.messages import Request, Response
from smsd.codec.sip.uri import Pairs

_WAYS = (("WWW-Authenticate", "Authorization"), ("Proxy-Authenticate", "Proxy-Authorization"))
_BARE = frozenset(("algorithm", "nc", "qop"))


def credentials(
    response: Response, request: Request, user: str, password: str, cnonce: str, count: int = 1
) -> Pairs:
    """The headers (Authorization, Proxy-Authorization) that answer all challenges of `response`, by the strongest algorithm of each
    realm; empty when none can be answered. `cnonce` is a random token. Use: `again(request, token, credentials(…))`."""
    headers = []
    for asks, says in _WAYS:
        for asked in _strongest(response, asks).values():
            headers.append((says, _answer(asked, request, user, password, cnonce, count)))
    return tuple(headers)


def is_refused(request: Request, response: Response) -> bool:
    """Whether `request` had credentials already and they were wrong (no stale): asking again with the same ones would not help."""
    for asks, says in _WAYS:
        tried = {said.get("realm") for said in _read(request.all(says))}
        for asked in _strongest(response, asks).values():
            if asked.get("realm") in tried and asked.get("stale", "").lower() != "true":
                return True
    return False


def _read(values: tuple[str, ...]) -> list[dict[str, str]]:
    found = []
    for value in values:
        try:
            read = fields(value)
        except Malformed:  # the next one may be readable
            continue
        if read:
            found.append(read)
    return found


def _rank(asked: dict[str, str]) -> int:
    """The place of its algorithm in STRENGTH, -1 for what cannot be answered."""
    name = asked.get("algorithm", "MD5").upper().removesuffix("-SESS")
    qops = asked.get("qop", "auth").lower().replace(" ", "").split(",")
    if name not in STRENGTH or not asked.get("nonce") or not {"auth", "auth-int"}.intersection(qops):
        return -1
    try:
        hash_of(name, "")
    except Malformed:
        return -1
    return STRENGTH.index(name)


def _strongest(response: Response, header: str) -> dict[str, dict[str, str]]:
    """For each realm the challenge to answer."""
    chosen: dict[str, dict[str, str]] = {}
    for asked in _read(response.all(header)):
        realm = asked.get("realm", "")
        if (rank := _rank(asked)) >= 0 and (realm not in chosen or rank < _rank(chosen[realm])):
            chosen[realm] = asked
    return chosen


def _answer(
    asked: dict[str, str], request: Request, user: str, password: str, cnonce: str, count: int
) -> str:
    algorithm, realm = asked.get("algorithm", "MD5"), asked.get("realm", "")
    qop = ""
    if "qop" in asked:
        qop = "auth" if "auth" in asked["qop"].lower().replace(" ", "").split(",") else "auth-int"
    said = Digest(
        algorithm, asked["nonce"], request.method, request.uri, cnonce, f"{count:08x}", qop, request.body
    )
    pairs = {"username": user, "realm": realm, "nonce": said.nonce, "uri": said.uri}
    pairs["response"] = response_of(ha1(algorithm, user, realm, password), said)
    if "algorithm" in asked:
        pairs["algorithm"] = algorithm
    if "opaque" in asked:
        pairs["opaque"] = asked["opaque"]
    if qop:
        pairs |= {"qop": qop, "nc": said.count, "cnonce": cnonce}
    elif algorithm.upper().endswith("-SESS"):
        pairs["cnonce"] = cnonce
    return line(pairs, _BARE)
