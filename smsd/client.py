"""Send SMS and hear what became of them, from Python: `Client` with Deferreds (treq), `BlockingClient` with nothing but Python.

    client = BlockingClient("http://127.0.0.1:8080", token="smsd_…")
    sent = client.send("+15551234567", "Hello")
    client.look_up(sent["id"])["deliveries"][0]["state"]

Both have the same verbs, which give what the API tells (docs/api.rst) as dicts, and raise `Refused` for what it refuses. What is
sent has a key: it is repeated when no answer came, and goes out once. `Local` speaks to the control socket, for who may open it.
"""

from __future__ import annotations

import base64
import http.client
import json
import secrets
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

MOST = 50_000_000
"""Octets of an answer that are read."""
TRIES = 3
"""How often something is asked when no answer comes, or the server says `not now`."""
LONGEST_WAIT = 30.0
"""Seconds between two tries; who is told to wait longer is told so (`Refused`)."""
Result = TypeVar("Result")


class Refused(Exception):
    """The server says no. `status` is that of HTTP, `reason` the word for programs (`bad-number`), `problem` all that was said;
    the text is for people. `retry_after`: seconds, if it may be tried again."""

    def __init__(self, status: int, problem: Mapping[str, Any], retry_after: float | None = None) -> None:
        super().__init__(str(problem.get("detail") or f"the server answered {status}"))
        self.status = status
        self.problem = dict(problem)
        self.reason = str(problem.get("type", "")).rpartition(":")[2]
        self.retry_after = retry_after


class NoAnswer(Exception):
    """Nobody answered, or what came is no answer. Whether the request was done is not known: ask again with the same key."""


@dataclass(frozen=True)
class _Question:
    """A request, and how its answer is read. `anyway` is the result when there is no answer."""

    method: str
    path: str
    read: Callable[[int, Mapping[str, str], bytes], Any]
    query: Mapping[str, Any] = field(default_factory=dict)
    body: bytes | None = field(default=None, repr=False)
    kind: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    safe: bool = True
    anyway: Any = None

    @property
    def target(self) -> str:
        """Path and query."""
        said = {name: value for name, value in self.query.items() if value is not None}
        return self.path + (f"?{urlencode(said, doseq=True)}" if said else "")

    def waits(self, result: Any, tried: int) -> float | None:
        """Seconds until it is asked again; None when it is not."""
        if not self.safe or tried >= TRIES:
            return None
        if isinstance(result, NoAnswer):
            return float(tried)
        if isinstance(result, Refused) and result.status in (429, 503) and result.retry_after is not None:
            return result.retry_after if result.retry_after <= LONGEST_WAIT else None
        return None


class _Verbs(Generic[Result]):
    """What can be asked. `Result` is the answer, or the promise of one."""

    def __init__(
        self, url: str, token: str = "", *, user: str = "", password: str = "", timeout: float = 90
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
            raise ValueError("url: http://HOST:PORT or https://HOST is expected, without user and password")
        if bool(token) == bool(user):
            raise ValueError("a token is needed, or user and password")
        self._base = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self._login = f"Bearer {token}" if token else basic(user, password)
        self._timeout = timeout

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._base}>"

    def _ask(self, question: _Question) -> Result:
        raise NotImplementedError

    def _call(
        self, method: str, path: str, query: Any = None, body: Any = None, key: str = "", safe: bool = True
    ) -> Result:
        octets = None if body is None else json.dumps(body).encode("utf-8")
        headers = {"Authorization": self._login, "Accept": "application/json"}
        if key:
            headers["Idempotency-Key"] = key
        return self._ask(
            _Question(method, f"/api/v1{path}", _read, query or {}, octets, headers=headers, safe=safe)
        )

    # -- messages

    def send(self, to: str | list[str], text: str | None = None, *, key: str = "", **wishes: Any) -> Result:
        """Hand in a message (IceWarp: SendSMS); `wishes` are the other fields of the request: sender, gateway, priority, msgid,
        send_at … → id, recipients. Refused when nobody gets it."""
        message = {"to": to, **({} if text is None else {"text": text}), **wishes}
        return self._call("POST", "/messages", body=message, key=key or secrets.token_hex(16))

    def send_many(self, messages: list[dict[str, Any]], *, key: str = "") -> Result:
        """Hand in a list of messages, each with its `to`, `text` and wishes → messages, each with its status."""
        return self._call("POST", "/messages", body=messages, key=key or secrets.token_hex(16))

    def look_up(self, id: str) -> Result:
        """A message with its deliveries and all that is known of them."""
        return self._call("GET", f"/messages/{quote(id, safe='')}")

    def find(self, **filters: Any) -> Result:
        """Deliveries, newest first: state, to, msgid, since, until, account, cursor, limit → deliveries, next."""
        return self._call("GET", "/messages", filters)

    def cancel(self, id: str) -> Result:
        """Do not send what still waits of it."""
        return self._call("DELETE", f"/messages/{quote(id, safe='')}", safe=False)

    def explain(self, id: str) -> Result:
        """Why it went where it went."""
        return self._call("GET", f"/messages/{quote(id, safe='')}/explain")

    def try_out(self, to: str, text: str, **more: Any) -> Result:
        """What would become of a message, which is not sent."""
        return self._call("POST", "/explain", body={"to": to, "text": text, **more})

    def price(self, to: str | list[str], text: str | None = None, **wishes: Any) -> Result:
        """What a message would cost, and what makes it dear."""
        return self._call(
            "POST", "/price", body={"to": to, **({} if text is None else {"text": text}), **wishes}
        )

    # -- what comes in

    def incoming(self, after: str = "", **filters: Any) -> Result:
        """What phones wrote, oldest first, since the cursor `after` → messages, cursor."""
        return self._call("GET", "/incoming", {"after": after or None, **filters})

    def events(self, after: str = "", *, wait: int | None = None, **filters: Any) -> Result:
        """What became of messages and what phones answered; `after` confirms what came before → events, cursor."""
        return self._call("GET", "/events", {"after": after or None, "wait": wait, **filters})

    # -- accounts, gateways

    def account(self) -> Result:
        """The account: limits, counters, balance."""
        return self._call("GET", "/account")

    def accounts(self, **page: Any) -> Result:
        """All accounts (scope admin)."""
        return self._call("GET", "/accounts", page)

    def settings(self, kind: str, name: str) -> Result:
        """Settings of an `account`, a `group` of accounts, or a `policy` for mail users (scope admin; IceWarp: D_SMSContent,
        U_SMSContent) → kind, name, source, settings."""
        return self._call("GET", _path(kind, name))

    def add_settings(self, kind: str, name: str, **settings: Any) -> Result:
        """A new one with these settings."""
        return self._call("PUT", _path(kind, name), body={"settings": settings}, safe=False)

    def change_settings(self, kind: str, name: str, **settings: Any) -> Result:
        """Change some; None: back to the default."""
        return self._call("PATCH", _path(kind, name), body={"settings": settings})

    def remove_settings(self, kind: str, name: str) -> Result:
        """There is none any more."""
        return self._call("DELETE", _path(kind, name), safe=False)

    def gateways(self) -> Result:
        """The gateways, and what waits (scope admin)."""
        return self._call("GET", "/gateways")

    # -- for those who come from IceWarp

    def validate_account(self, user: str, password: str) -> Result:
        """Whether an account may log in with this password (IceWarp: ValidateAccount) → True or False."""
        headers = {"Authorization": basic(user, password)}
        return self._ask(_Question("GET", "/api/v1/account", _valid, headers=headers))

    def sms_http(self, query: str, *, msgid: str = "") -> Result:
        """Hand in a message as /sms/ takes it, `number=…&data=…&user=…&pass=…` (IceWarp: SMSHTTP; without user and pass in the name
        of this client's account) → id, recipients. `Local.sms_http` is the way past the login."""
        pairs = dict(_pairs(query))
        pairs.setdefault("msgid", msgid or secrets.token_hex(16))
        headers = {"Accept": "application/json"}
        if "user" not in pairs:
            headers["Authorization"] = self._login
        body = urlencode(pairs).encode("ascii")
        kind = "application/x-www-form-urlencoded"
        return self._ask(_Question("POST", "/sms/", _read_sms, body=body, kind=kind, headers=headers))

    def sms_incoming(self, query: str) -> Result:
        """Hand in what a phone wrote, `id=…&pass=…&number=…&data=…` (IceWarp: SMSIncoming) → True when it is kept; False when it is
        not, or nobody knows: then it has to come again."""
        body = urlencode(dict(_pairs(query))).encode("ascii")
        kind = "application/x-www-form-urlencoded"
        return self._ask(
            _Question("POST", "/sms/deliver.html", _kept, body=body, kind=kind, safe=False, anyway=False)
        )


class BlockingClient(_Verbs[Any]):
    """Asks and waits for the answer, at most `timeout` seconds for each. With the standard library alone."""

    def _ask(self, question: _Question) -> Any:
        tried = 0
        while True:
            tried += 1
            try:
                result: Any = question.read(*self._exchange(question))
            except (Refused, NoAnswer) as error:
                result = error
            wait = question.waits(result, tried)
            if wait is None:
                return _settled(question, result)
            time.sleep(wait)

    def _exchange(self, question: _Question) -> tuple[int, Mapping[str, str], bytes]:
        parts = urlsplit(self._base)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=self._timeout)
        try:
            connection.request(
                question.method, parts.path + question.target, question.body, _headers(question)
            )
            answer = connection.getresponse()
            body = answer.read(MOST + 1)
            headers = {name.lower(): value for name, value in answer.getheaders()}
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswer(f"no answer from {self._base}: {error or type(error).__name__}") from None
        finally:
            connection.close()
        return answer.status, headers, _bounded(body)

    def find_all(self, **filters: Any) -> Iterator[dict[str, Any]]:
        """Every delivery that `find` finds, page after page."""
        while True:
            page = self.find(**filters)
            yield from page["deliveries"]
            if page["next"] is None:
                return
            filters["cursor"] = page["next"]


class Client(_Verbs["Deferred[Any]"]):
    """The same with Deferreds, on treq; `agent`: another one than treq's own."""

    def __init__(self, reactor: Any, url: str, token: str = "", *, agent: Any = None, **login: Any) -> None:
        super().__init__(url, token, **login)
        self._reactor = reactor
        self._agent = agent

    def _ask(self, question: _Question) -> Deferred[Any]:
        from twisted.internet.defer import Deferred

        return Deferred.fromCoroutine(self._asked(question))

    async def _asked(self, question: _Question) -> Any:
        from twisted.internet.task import deferLater

        tried = 0
        while True:
            tried += 1
            try:
                result: Any = question.read(*await self._exchange(question))
            except (Refused, NoAnswer) as error:
                result = error
            wait = question.waits(result, tried)
            if wait is None:
                return _settled(question, result)
            await deferLater(self._reactor, wait)

    async def _exchange(self, question: _Question) -> tuple[int, Mapping[str, str], bytes]:
        import treq
        from twisted.internet.defer import CancelledError, TimeoutError
        from twisted.internet.error import ConnectError, ConnectionClosed, DNSLookupError
        from twisted.web.client import RequestGenerationFailed, RequestTransmissionFailed, ResponseFailed
        from twisted.web.error import SchemeNotSupported

        options = {} if self._agent is None else {"agent": self._agent}
        try:
            answer = await treq.request(
                question.method, self._base + question.target, headers=_headers(question), data=question.body,
                allow_redirects=False, timeout=self._timeout, reactor=self._reactor, persistent=False, unbuffered=True, **options,
            )  # fmt: skip
            found: list[bytes] = []
            reading = treq.collect(answer, lambda data: _keep(found, data))
            await reading.addTimeout(self._timeout, self._reactor)
        except (
            ConnectError, ConnectionClosed, DNSLookupError, TimeoutError, CancelledError, ResponseFailed,
            RequestGenerationFailed, RequestTransmissionFailed, SchemeNotSupported,
        ) as error:  # fmt: skip
            raise NoAnswer(f"no answer from {self._base}: {error or type(error).__name__}") from None
        headers = {
            name.decode("latin-1").lower(): values[-1].decode("latin-1")
            for name, values in answer.headers.getAllRawHeaders()
        }
        return answer.code, headers, b"".join(found)


class Local:
    """The control socket of a server on this machine: whoever may open it (its owner, and root) may do everything, without a
    login."""

    def __init__(self, path: str, timeout: float = 60) -> None:
        self._path = path
        self._timeout = timeout

    def call(self, verb: str, **arguments: Any) -> Any:
        """A verb of the operator (docs/cli.rst): `status`, `account_set` … → its result. Refused, NoAnswer."""
        question = json.dumps({"verb": verb, "args": arguments}).encode("utf-8") + b"\n"
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(self._timeout)
                connection.connect(self._path)
                connection.sendall(question)
                with connection.makefile("rb") as answers:
                    answer = json.loads(answers.readline(MOST))
        except (OSError, ValueError) as error:
            raise NoAnswer(f"no answer at {self._path}: {error}") from None
        if not answer["ok"]:
            raise Refused(400, {"detail": answer["error"]})
        return answer["result"]

    def sms_http(self, query: str) -> Any:
        """Hand in a message as /sms/ takes it, past every login (IceWarp: SMSHTTP with BypassAuth): `number=…&data=…`, with id,
        sender, expire, maxmsgs and priority → message, recipients. user and pass are not looked at. Refused when nobody gets it."""
        given = dict(_pairs(query))
        numbers = given.pop("number", "").replace(";", ",").replace("\n", ",")
        said: dict[str, Any] = {
            "to": [one.strip() for one in numbers.split(",") if one.strip()],
            "text": given.pop("data", ""),
        }
        for name, verb in _LOCAL.items():
            if given.get(name):
                said[verb] = int(given[name]) if name in ("expire", "maxmsgs") else given[name]
            given.pop(name, None)
        others = given.keys() - {"user", "pass", "authenticated"}
        if others:
            raise ValueError(
                f"{', '.join(sorted(others))}: not over the control socket; there are {', '.join(_LOCAL)}"
            )
        sent = self.call("send", **said)
        refusals = [one for one in sent["recipients"] if "error" in one]
        if refusals and len(refusals) == len(sent["recipients"]):
            word = str(refusals[0]["reason"]).replace("_", "-")
            raise Refused(422, {"type": f"urn:smsd:problem:{word}", "detail": refusals[0]["error"]})
        return sent


_LOCAL = {
    "id": "gateway",
    "sender": "sender",
    "expire": "expire_minutes",
    "maxmsgs": "max_parts",
    "priority": "priority",
}


def basic(user: str, password: str) -> str:
    """The Authorization header of RFC 7617."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")


def _path(kind: str, name: str) -> str:
    return f"/settings/{quote(kind, safe='')}/{quote(name, safe='')}"


def _headers(question: _Question) -> dict[Any, Any]:
    headers = {"User-Agent": "smsd", **question.headers}
    return headers if question.body is None else {**headers, "Content-Type": question.kind}


def _pairs(query: str) -> list[tuple[str, str]]:
    """The pairs of a query, where the plus of a number may not be encoded."""
    pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=1000)
    return [
        (name, "+" + value[1:] if name == "number" and value[:1] == " " else value) for name, value in pairs
    ]


def _settled(question: _Question, result: Any) -> Any:
    if isinstance(result, NoAnswer) and question.anyway is not None:
        return question.anyway
    if isinstance(result, Exception):
        raise result
    return result


def _bounded(body: bytes) -> bytes:
    if len(body) > MOST:
        raise NoAnswer(f"the answer has more than {MOST} octets")
    return body


def _keep(found: list[bytes], data: bytes) -> None:
    found.append(data)
    if sum(map(len, found)) > MOST:
        raise NoAnswer(f"the answer has more than {MOST} octets")


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise NoAnswer("what came is no JSON: does an smsd answer here, with api: yes?") from None


def _read(status: int, headers: Mapping[str, str], body: bytes) -> Any:
    said = _json(body) if "json" in headers.get("content-type", "") else None
    if 200 <= status < 300 and said is not None:
        return said
    wait = headers.get("retry-after", "")
    problem = (
        said
        if isinstance(said, dict)
        else {"detail": f"the server answered {status}: is the API switched on (api: yes)?"}
    )
    raise Refused(status, problem, float(wait) if wait.isdecimal() else None)


def _read_sms(status: int, headers: Mapping[str, str], body: bytes) -> Any:
    if status == 200:
        return _json(body)
    said = _json(body)
    error: dict[str, Any] = said.get("error") or next(
        (one for one in said.get("recipients", []) if one["status"] == "refused"), {}
    )
    word = str(error.get("reason", "")).lower().replace("_", "-")
    wait = headers.get("retry-after", "")
    problem = {**said, "type": f"urn:smsd:problem:{word}", "detail": error.get("text")}
    raise Refused(status, problem, float(wait) if wait.isdecimal() else None)


def _valid(status: int, headers: Mapping[str, str], body: bytes) -> bool:
    if status in (401, 403):
        return False
    _read(status, headers, body)
    return True


def _kept(status: int, headers: Mapping[str, str], body: bytes) -> bool:
    return status == 200 and body.strip() == b"True"
