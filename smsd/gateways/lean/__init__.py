"""The client for gateways that carry thousands per second to one provider: HTTP/1.1 over kept connections, one request at a time
on each, answers read by llhttp (httptools).

A request costs one Deferred, one `send` and one `recv`; all deadlines of a client share one timer. It promises what
`exchange.IClient` says, as `fetching.Client` does. `client` has the timer and the servers, `origin` the connections to one server
and what waits for them, `connection` one connection.
"""

from smsd.gateways.lean.client import LeanClient

__all__ = ["LeanClient"]
