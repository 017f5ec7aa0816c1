"""Who gets what a phone wrote, and in which form: the text's own `#address#`, the reply log, the rules, the gateway's mailbox,
in this order (features I1 to I5, R6).

`known` is what can be seen of a message at once, `ruling` puts the rules to work on it, `deciding` says what is written. All
of it runs inside the store's transaction, for one message, and waits for nothing: what rules have to ask outside comes back
as `Ask`. Nothing is ever dropped: what nobody gets is on record with the reason.
"""

from __future__ import annotations

from smsd.core.arriving.deciding import Arriving
from smsd.core.arriving.known import Arrivals
from smsd.core.arriving.ruling import Rulebook

__all__ = ["Arrivals", "Arriving", "Rulebook"]
