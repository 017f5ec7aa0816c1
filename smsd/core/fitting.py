"""Texts as their account wants them sent (`as_is`, `tidy`, `national`), and what a delivery remembers of it."""

from __future__ import annotations

import json
from dataclasses import replace

from smsd.codec import tidy
from smsd.values.message import Content, Text

MOST_SHOWN = 10
"""Characters that a note names."""


def fitted(content: Content, policy: str, national: frozenset[int]) -> tuple[Content, str]:
    """A content as a policy wants it, and in words what was written for what ("" when it is as it was). `national` are the tables
    of the gateway."""
    if policy == "as_is" or not isinstance(content, Text) or content.text.isascii():
        return content, ""
    text, replaced = tidy.fitted(content.text, policy, national)
    if text == content.text:
        return content, ""
    words = ", ".join(f"{char} → {plain or 'nothing'}" for char, plain in [*replaced.items()][:MOST_SHOWN])
    more = f" and {len(replaced) - MOST_SHOWN} more" if len(replaced) > MOST_SHOWN else ""
    return replace(content, text=text), words + more or "letters that were written in two characters"


def with_step(trace: str, step: str) -> str:
    """A trace (`core.traces.trace_json`) with one more line."""
    version, decided, steps, stopped = json.loads(trace) if trace else (0, "", [], "")
    return json.dumps([version, decided, [*steps, step], stopped], ensure_ascii=False, separators=(",", ":"))
