"""The client that waits, with the standard library alone."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from smsd.client.questions import MOST, NoAnswer, Question, Refused, bounded, headers, settled
from smsd.client.verbs import Verbs


class BlockingClient(Verbs[Any]):
    """Asks and waits for the answer, at most `timeout` seconds for each. With the standard library alone."""

    def _ask(self, question: Question) -> Any:
        tried = 0
        while True:
            tried += 1
            try:
                result: Any = question.read(*self._exchange(question))
            except (Refused, NoAnswer) as error:
                result = error
            wait = question.waits(result, tried)
            if wait is None:
                return settled(question, result)
            time.sleep(wait)

    def _exchange(self, question: Question) -> tuple[int, Mapping[str, str], bytes]:
        parts = urlsplit(self._base)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=self._timeout)
        try:
            connection.request(
                question.method, parts.path + question.target, question.body, headers(question)
            )
            answer = connection.getresponse()
            body = answer.read(MOST + 1)
            told = {name.lower(): value for name, value in answer.getheaders()}
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswer(f"no answer from {self._base}: {error or type(error).__name__}") from None
        finally:
            connection.close()
        return answer.status, told, bounded(body)

    def find_all(self, **filters: Any) -> Iterator[dict[str, Any]]:
        """Every delivery that `find` finds, page after page."""
        while True:
            page = self.find(**filters)
            yield from page["deliveries"]
            if page["next"] is None:
                return
            filters["cursor"] = page["next"]
