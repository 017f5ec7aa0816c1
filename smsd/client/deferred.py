"""The client with Deferreds, on treq, which is imported when something is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from smsd.client.questions import NoAnswer, Question, Refused, headers, keep, settled
from smsd.client.verbs import Verbs

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred


class Client(Verbs["Deferred[Any]"]):
    """The same with Deferreds, on treq; `agent`: another one than treq's own."""

    def __init__(self, reactor: Any, url: str, token: str = "", *, agent: Any = None, **login: Any) -> None:
        super().__init__(url, token, **login)
        self._reactor = reactor
        self._agent = agent

    def _ask(self, question: Question) -> Deferred[Any]:
        from twisted.internet.defer import Deferred

        return Deferred.fromCoroutine(self._asked(question))

    async def _asked(self, question: Question) -> Any:
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
                return settled(question, result)
            await deferLater(self._reactor, wait)

    async def _exchange(self, question: Question) -> tuple[int, Mapping[str, str], bytes]:
        import treq
        from twisted.internet.defer import CancelledError, TimeoutError
        from twisted.internet.error import ConnectError, ConnectionClosed, DNSLookupError
        from twisted.web.client import RequestGenerationFailed, RequestTransmissionFailed, ResponseFailed
        from twisted.web.error import SchemeNotSupported

        options = {} if self._agent is None else {"agent": self._agent}
        try:
            answer = await treq.request(
                question.method, self._base + question.target, headers=headers(question), data=question.body,
                allow_redirects=False, timeout=self._timeout, reactor=self._reactor, persistent=False, unbuffered=True, **options,
            )  # fmt: skip
            found = bytearray()
            reading = treq.collect(answer, lambda data: keep(found, data))
            await reading.addTimeout(self._timeout, self._reactor)
        except (
            ConnectError, ConnectionClosed, DNSLookupError, TimeoutError, CancelledError, ResponseFailed,
            RequestGenerationFailed, RequestTransmissionFailed, SchemeNotSupported,
        ) as error:  # fmt: skip
            raise NoAnswer(f"no answer from {self._base}: {error or type(error).__name__}") from None
        told = {
            name.decode("latin-1").lower(): values[-1].decode("latin-1")
            for name, values in answer.headers.getAllRawHeaders()
        }
        return answer.code, told, bytes(found)
