"""The control socket, for who may open it."""

from __future__ import annotations

import json
import socket
from typing import Any

from smsd.client.questions import MOST, NoAnswer, Refused, pairs


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
        """Hand in a message as /sms/ takes it, past every login (IceWarp: SMSHTTP with BypassAuth): `number=…&data=…`, with all
        that may stand there beside callbacks → message, recipients, perhaps warnings. user and pass are not looked at. Refused
        when nobody gets it."""
        sent = self.call("sms_http", given=pairs(query))
        refusals = [one for one in sent["recipients"] if "error" in one]
        if refusals and len(refusals) == len(sent["recipients"]):
            word = str(refusals[0]["reason"]).replace("_", "-")
            raise Refused(422, {"type": f"urn:smsd:problem:{word}", "detail": refusals[0]["error"]})
        return sent
