"""The control socket, for who may open it."""

from __future__ import annotations

import json
import socket
from typing import Any

from smsd.client.questions import MOST, NoAnswer, Refused, pairs

_LOCAL = {
    "id": "gateway",
    "sender": "sender",
    "expire": "expire_minutes",
    "maxmsgs": "max_parts",
    "priority": "priority",
}


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
        given = dict(pairs(query))
        numbers = given.pop("number", "").replace(";", ",").replace("\n", ",")
        said: dict[str, Any] = {
            "to": [one.strip() for one in numbers.split(",") if one.strip()],
            "text": given.pop("data", ""),
        }
        for name, verb in _LOCAL.items():
            if given.get(name):
                said[verb] = _whole(name, given[name]) if name in ("expire", "maxmsgs") else given[name]
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


def _whole(name: str, value: str) -> int:
    if not (value.isascii() and value.isdecimal()):
        raise ValueError(f"{name}: {value[:20]!r} is not possible: write a whole number")
    return int(value)
