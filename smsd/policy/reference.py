"""What networks call messages, compared: whether a report names what a submission's answer named.

The same id comes in several spellings: other case, leading zeros more or less, decimal in one place and hexadecimal in the
other. The spelling that is closest counts, and nothing is matched that could be another message: a report nobody is found
for does no harm, one for the wrong message does.
"""

from __future__ import annotations

from collections.abc import Sequence

from smsd.values.frozen import frozen

LONG = 16
"""Characters from which on a reference is no other message's by chance: then the number is not asked."""
SHORTEST = 4
"""Characters that a reference must have to be found by its value alone, without a number."""
SKEW = 10 * 60_000
"""How far the clock of a network may be from ours."""
WAYS = ("", "exact", "hex", "decimal")
"""`exact`: as it is written. `hex`: reports write in hexadecimal what answers write in decimal; `decimal`: the other way round.
"": whatever fits."""

_HEX = frozenset("0123456789abcdef")
_MOST_DIGITS = 40
_SUFFIX = 7


@frozen
class Known:
    """An entry of the ledger: part `part` of `parts` of a delivery (its piece `seq`), which the network calls `name` since `at`."""

    name: str
    number: str
    delivery: int
    seq: int = 1
    part: int = 1
    parts: int = 1
    at: int = 0


def folded(reference: str) -> str:
    """The form that is looked for: trimmed, small letters, no leading zeros."""
    text = reference.strip().lower()
    if text.startswith("0x") and len(text) > 2:
        return "0x" + (text[2:].lstrip("0") or "0")
    return text.lstrip("0") or text[-1:]


def octet(reference: str) -> bool:
    """Whether it is a number up to 255, as modems count: such a reference comes again soon."""
    text = folded(reference)
    return len(text) <= 3 and text.isascii() and text.isdigit() and int(text) < 256


def converted(reference: str, way: str = "") -> tuple[str, ...]:
    """The folded forms that have the same value, decimal for hexadecimal and back."""
    text = folded(reference)
    bare = text[2:] if text.startswith("0x") else text
    if not bare or len(bare) > _MOST_DIGITS or not _HEX.issuperset(bare) or way == "exact":
        return ()
    found = []
    if way != "decimal":
        found += [str(int(bare, 16)), bare, f"0x{bare}"]
    if way != "hex" and text.isdigit():
        value = f"{int(text):x}"
        found += [value, f"0x{value}"]
    return tuple(form for form in dict.fromkeys(found) if form != text)


def forms(reference: str, way: str = "") -> tuple[str, ...]:
    """Every folded form under which its entry may stand."""
    return (folded(reference), *converted(reference, way))


def backwards(way: str) -> str:
    """The way from an answer's reference to a report's."""
    return {"hex": "decimal", "decimal": "hex"}.get(way, way)


def agree(number: str, said: str) -> bool:
    """Whether a report's number may be this one: the same but for prefixes, or none at all, or one with hidden digits."""
    one, other = number.lstrip("+0"), said.lstrip("+0")
    if not (one.isascii() and one.isdigit() and other.isascii() and other.isdigit()):
        return True
    short, long = sorted((one, other), key=len)
    return short == long or (len(short) >= _SUFFIX and long.endswith(short))


def matching(entries: Sequence[Known], reference: str, number: str, way: str = "") -> list[Known]:
    """Those of the entries that are closest to what a report names; [] when that is nobody, or could be several."""
    name, key = reference.strip(), folded(reference)
    for close in range(3):
        if close == 0:
            found = [one for one in entries if one.name == name]
        elif way == "exact":
            break
        elif close == 1:
            found = [one for one in entries if folded(one.name) == key]
        else:
            values = frozenset(converted(reference, way))
            found = [one for one in entries if folded(one.name) in values]
            if not number and len(key) < SHORTEST:
                return []
        if way in ("hex", "decimal") and close < 2 and _turns(key, way):
            continue
        if close == 2 or len(key) < LONG:
            found = [one for one in found if agree(one.number, number)]
        if found:
            same = [one for one in found if one.number == number] or found
            return same if len({(one.name, one.number) for one in same}) == 1 else []
    return []


def _turns(key: str, way: str) -> bool:
    """Whether it can be what the way says, so that the same digits mean another message."""
    return _HEX.issuperset(key.removeprefix("0x")) if way == "hex" else key.isdigit()


def of_its_time(entries: Sequence[Known], submitted: int | None, at: int | None) -> Known:
    """Which of several messages with one reference to one number a report is about: the one the network took when it says it
    did; else the newest, of those that were there when it happened. A modem's one octet comes again after 256 messages."""
    if len(entries) == 1:
        return entries[0]
    if submitted is not None:  # where no message is near that time, the network's clock or its zone is wrong
        near = [one for one in entries if abs(one.at - submitted) <= SKEW]
        return min(near, key=lambda one: abs(one.at - submitted)) if near else max(entries, key=_at)
    there = [one for one in entries if at is None or one.at <= at + SKEW]
    return max(there or entries, key=_at)


def _at(one: Known) -> int:
    return one.at
