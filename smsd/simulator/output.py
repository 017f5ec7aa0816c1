"""What leaves the simulated modem: through the silence of its faults, whole or in small chunks with pauses."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from smsd.simulator.faults import Faults


class Output:
    """Writes to `line`, any callable that takes octets; order is kept when the size of the chunks changes."""

    def __init__(self, clock: Any, faults: Faults, line: Callable[[bytes], None]) -> None:
        self._clock, self._faults, self._line = clock, faults, line
        self._chunks: deque[bytes] = deque()
        self._timer: Any = None

    def write(self, data: bytes) -> None:
        """Octets to send, now or behind those that wait."""
        faults = self._faults
        if faults.silent or faults.silent_after is not None:
            data = faults.let_out(data)
        if not data:
            return
        if not faults.chunk and not self._chunks:
            self._line(data)
            return
        size = faults.chunk or len(data)
        idle = not self._chunks
        self._chunks.extend(data[at : at + size] for at in range(0, len(data), size))
        if idle:
            self._send()

    def clear(self) -> None:
        """What waits is lost."""
        self._chunks.clear()
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _send(self) -> None:
        self._line(self._chunks[0])
        self._timer = self._clock.callLater(self._faults.pause, self._sent)

    def _sent(self) -> None:
        self._chunks.popleft()
        if self._chunks:
            self._send()
