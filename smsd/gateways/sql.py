"""SQL statements that rules run (`type: sql`) on the databases of the configuration, see `smsd.core.databases`.

`context.databases` does the work; this says what of it goes back as an answer.
"""

from __future__ import annotations

from typing import Literal

from twisted.logger import Logger

from smsd.gateways.errands import Errands, Limits, clean, temporary
from smsd.interfaces import GatewayContext
from smsd.values.delivery import Accepted, Piece
from smsd.values.message import Call


class Settings(Limits):
    """`type: sql`."""

    schemes = frozenset({"sql"})

    type: Literal["sql"] = "sql"


class Statements(Errands):
    """Runs statements."""

    log = Logger()
    kind = "sql"

    async def _run(self, piece: Piece, call: Call) -> Accepted:
        databases = self.context.databases
        if databases is None:
            raise temporary("this server has no databases")
        rows = await databases.run(call.what, call.text, call.arguments, self._limits.seconds)
        self.log.info(
            "{gateway}: a statement on {database} is done (rule {rule!r})",
            gateway=self.name, database=call.what, rule=call.rule,
        )  # fmt: skip
        output = rows.text.encode("utf-8", "replace")
        if rows.more or len(output) > self._limits.output:
            self.log.info(
                "{gateway}: what {database} gave is longer than its limits, the rest is dropped",
                gateway=self.name, database=call.what,
            )  # fmt: skip
        return Accepted(output=clean(output, self._limits.output))


def make(settings: Settings, context: GatewayContext) -> Statements:
    """The gateway for one section of the configuration."""
    return Statements(settings, context)
