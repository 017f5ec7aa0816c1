"""What the API accepted is committed: random requests, keys, repeats, lists and crashes."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.frontends.http.api.case import ApiCase

NUMBERS = st.sampled_from(["+15551234567", "+15557654321", "nonsense", "12x"])
MESSAGE = st.builds(
    lambda to, text: {"to": to, "text": text},
    NUMBERS | st.lists(NUMBERS, min_size=1, max_size=3),
    st.sampled_from(["a", "b", "Ж" * 80]),
)
REQUEST = st.tuples(
    MESSAGE | st.lists(MESSAGE, min_size=1, max_size=4), st.sampled_from(["", "", "k1", "k2"])
)
STEP = REQUEST | st.just("crash") | st.just("again")


class Committed(ApiCase):
    @settings(max_examples=40, deadline=None)
    @given(st.lists(STEP, min_size=1, max_size=8))
    def test_neither_lost_nor_doubled(self, steps: list[Any]) -> None:
        self.house.close()
        from tests.house import House

        self.house = House()
        self.furnish()
        accepted: dict[str, tuple[str, ...]] = {}
        known: dict[str, tuple[str, Any]] = {}
        before: Any = None
        for step in steps:
            if step == "crash":
                self.house = self.house.crash()
                self.furnish()
                continue
            if step == "again":
                step = before
            if step is None:
                continue
            before = content, key = step
            headers = {"Idempotency-Key": key} if key else {}
            reply = self.ask("POST", "/messages", content, headers=headers, user="other")
            found = _accepted(reply.json()) if reply.status in (200, 201) else {}
            meaning = json.dumps(content, sort_keys=True)
            if key and key in known and known[key][0] == meaning and known[key][1]:
                self.assertEqual(found, known[key][1])
            if reply.status != 409 and key and (found or isinstance(content, list)):
                known.setdefault(key, (meaning, found))
            elif reply.status == 409:
                self.assertNotEqual(known[key][0], meaning)
            accepted |= found
        kept: dict[str, tuple[str, ...]] = {}
        for row in self.house.rows():
            kept[str(row["message"])] = (*kept.get(str(row["message"]), ()), str(row["id"]))
        self.assertEqual(kept, accepted)


def _accepted(said: Any) -> dict[str, tuple[str, ...]]:
    """The deliveries of each message that was taken."""
    messages = (
        [one["message"] for one in said["messages"] if one["status"] == 201] if "messages" in said else [said]
    )
    return {
        one["id"]: tuple(
            sorted({fate["delivery"] for fate in one["recipients"] if fate["status"] == "accepted"})
        )
        for one in messages
    }
