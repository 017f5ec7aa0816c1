"""A store with many messages in its queue, written straight into the file: `python -m tests.bench.fill DATABASE COUNT`.

The rows are those of plain accepted texts for the pool of all gateways, one number each, ready since before the start. The
store must not be in use. Prints how long it took.
"""

from __future__ import annotations

import sqlite3
import sys
import time

from smsd.store.ids import first_at
from smsd.store.schema import migrate

_SEQUENCE = "with recursive n(i) as (select 0 union all select i + 1 from n where i + 1 < :count) "
_MESSAGE = (
    "insert into message(id,door,account,origin,kind,body,hops,arrived)"
    " select :base + i, 'web', 'demo', 'account:demo', 1, 'message ' || i || ' of a long queue', 0, :now from n"
)
_DELIVERY = (
    "insert into delivery(id,message,target,lane,state,priority,due,deadline,expires)"
    " select :base + :count + i, :base + i, 'sms:+1555' || (1000000 + i % 9000000), :lane, 0, 1, :now, :expires, :expires from n"
)


def fill(path: str, count: int) -> float:
    """Seconds that it took."""
    began = time.monotonic()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("pragma journal_mode=wal")
    migrate(connection, path)
    connection.execute("pragma synchronous=OFF")
    connection.execute("pragma cache_size=-200000")
    connection.execute("begin")
    connection.execute("insert or ignore into lane(route, flow) values('any:sms', 'demo')")
    (lane,) = connection.execute("select id from lane where route='any:sms' and flow='demo'").fetchone()
    now = int(time.time() * 1000) - 60_000
    facts = {"count": count, "base": first_at(now), "now": now, "expires": now + 5 * 86_400_000, "lane": lane}
    connection.execute(_MESSAGE.replace(" select ", f" {_SEQUENCE}select ", 1), facts)
    connection.execute(_DELIVERY.replace(" select ", f" {_SEQUENCE}select ", 1), facts)
    connection.execute("commit")
    connection.execute("pragma wal_checkpoint(truncate)")
    connection.close()
    return time.monotonic() - began


if __name__ == "__main__":
    print(f"{int(sys.argv[2])} messages in {fill(sys.argv[1], int(sys.argv[2])):.1f} s")
