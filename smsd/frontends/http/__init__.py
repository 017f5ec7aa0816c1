"""The HTTP door (`type: http`): `/sms/` hands messages in, `/sms/deliver.html` takes answers from other
servers.

One file per thing: `request` (one of them, bounded), `wire` (a connection), `connections` (all of them), `fields` (queries and
bodies to name and value), `keys` (Idempotency-Key), `caller` (who is asking), `answer` (what is said back), `sms`, `deliver`,
`providers` and `front` (one page each), `door` (the service). It holds no policy and is built for speed: no session, no access
log, nothing of a request is parsed twice.
"""

from __future__ import annotations

from smsd.frontends.http.door import HttpDoor, Settings, make

__all__ = ["HttpDoor", "Settings", "make"]
