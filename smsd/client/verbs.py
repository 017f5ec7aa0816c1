"""What can be asked, the same for all clients."""

from __future__ import annotations

import json
import secrets
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode, urlsplit

from smsd.client.questions import Question, basic, kept, pairs, read, read_sms, valid

Result = TypeVar("Result")


class Verbs(Generic[Result]):
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

    def _ask(self, question: Question) -> Result:
        raise NotImplementedError

    def _call(
        self, method: str, path: str, query: Any = None, body: Any = None, key: str = "", safe: bool = True,
        kind: str = "application/json",
    ) -> Result:  # fmt: skip
        octets = body if body is None or isinstance(body, bytes) else json.dumps(body).encode("utf-8")
        headers = {"Authorization": self._login, "Accept": "application/json"}
        if key:
            headers["Idempotency-Key"] = key
        return self._ask(
            Question(method, f"/api/v1{path}", read, query or {}, octets, kind, headers=headers, safe=safe)
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
        """What would become of a message, which is not sent; `more` says by whom, when and how: sender, subject, gateway, at
        ("23:30", "2026-12-24 23:30"), door, ip, host, headers (lines); for administrators account."""
        return self._call("POST", "/explain", body={"to": to, "text": text, **more})

    def price(self, to: str | list[str], text: str | None = None, **wishes: Any) -> Result:
        """What a message would cost, and what makes it dear."""
        return self._call(
            "POST", "/price", body={"to": to, **({} if text is None else {"text": text}), **wishes}
        )

    # -- lists from a file

    def check_job(self, file: bytes | str, *, key: str = "", **options: Any) -> Result:
        """Check a file with numbers and texts, as octets or text (CSV); `options` are name, text, to_column, duplicates, gateway …
        → id, total, checked. Nothing is sent before `start_job`."""
        octets = file.encode("utf-8") if isinstance(file, str) else file
        return self._call("POST", "/jobs", options, octets, key or secrets.token_hex(16), kind="text/csv")

    def jobs(self, **page: Any) -> Result:
        """Files, newest first: limit → jobs."""
        return self._call("GET", "/jobs", page)

    def job(self, id: str, *, refused: int | None = None) -> Result:
        """How far it is; `refused`: with so many of the lines that were refused when their turn came."""
        return self._call("GET", f"/jobs/{quote(id, safe='')}", {"refused": refused})

    def start_job(self, id: str) -> Result:
        """Send what was checked. Asked again it is refused (409), because it is started."""
        return self._do(id, "start")

    def pause_job(self, id: str) -> Result:
        """Send nothing more of it until `resume_job`."""
        return self._do(id, "pause")

    def resume_job(self, id: str) -> Result:
        """Go on with it."""
        return self._do(id, "resume")

    def cancel_job(self, id: str) -> Result:
        """Send nothing more of it, for good."""
        return self._do(id, "cancel")

    def _do(self, id: str, deed: str) -> Result:
        return self._call("POST", f"/jobs/{quote(id, safe='')}/{deed}", safe=False)

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
        return self._ask(Question("GET", "/api/v1/account", valid, headers=headers))

    def sms_http(self, query: str, *, msgid: str = "") -> Result:
        """Hand in a message as /sms/ takes it, `number=…&data=…&user=…&pass=…` (IceWarp: SMSHTTP; without user and pass in the name
        of this client's account) → id, recipients. `Local.sms_http` is the way past the login."""
        given = dict(pairs(query))
        given.setdefault("msgid", msgid or secrets.token_hex(16))
        headers = {"Accept": "application/json"}
        if "user" not in given:
            headers["Authorization"] = self._login
        body = urlencode(given).encode("ascii")
        kind = "application/x-www-form-urlencoded"
        return self._ask(Question("POST", "/sms/", read_sms, body=body, kind=kind, headers=headers))

    def sms_incoming(self, query: str) -> Result:
        """Hand in what a phone wrote, `id=…&pass=…&number=…&data=…` (IceWarp: SMSIncoming) → True when it is kept; False when it is
        not, or nobody knows: then it has to come again."""
        body = urlencode(dict(pairs(query))).encode("ascii")
        kind = "application/x-www-form-urlencoded"
        return self._ask(
            Question("POST", "/sms/deliver.html", kept, body=body, kind=kind, safe=False, anyway=False)
        )


def _path(kind: str, name: str) -> str:
    return f"/settings/{quote(kind, safe='')}/{quote(name, safe='')}"
