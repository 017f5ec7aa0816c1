"""Send SMS and hear what became of them, from Python: `Client` with Deferreds (treq), `BlockingClient` with nothing but Python.

    client = BlockingClient("http://127.0.0.1:8080", token="smsd_…")
    sent = client.send("+15551234567", "Hello")
    client.look_up(sent["id"])["deliveries"][0]["state"]

Both have the same verbs, which give what the API tells (docs/api.rst) as dicts, and raise `Refused` for what it refuses. What is
sent has a key: it is repeated when no answer came, and goes out once. `Local` speaks to the control socket, for who may open it.
"""

from __future__ import annotations

from smsd.client.blocking import BlockingClient
from smsd.client.deferred import Client
from smsd.client.local import Local
from smsd.client.questions import NoAnswer, Refused

__all__ = ["BlockingClient", "Client", "Local", "NoAnswer", "Refused"]
