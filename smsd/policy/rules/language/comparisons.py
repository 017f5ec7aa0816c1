"""How a text is compared, as it is written: plain, or `{starts: "+1", case: yes}`."""

from __future__ import annotations

from smsd.policy.rules.language.reading import Spot
from smsd.policy.rules.model import Each, How, TextTest

HOWS = {how.value: how for how in How}
EACH = {each.value: each for each in Each}
COMPARE = {"text": "text", "number": "number"}
KEYS = (*HOWS, "case", "each", "compare")
_ITEMS = "write [a, b], {file: PATH}, or [a, b, {file: PATH}]"


def read_test(spot: Spot, plain: How) -> TextTest:
    """A plain text is compared as `plain` says; a mapping says it itself."""
    if isinstance(spot.value, dict):
        before = spot.reader.mistakes
        fields = spot.fields(KEYS)
        # An unknown key probably was to be the comparison.
        test = read_comparison(spot, fields) if fields or spot.reader.mistakes == before else None
        return test or TextTest(plain)
    if isinstance(spot.value, list):
        spot.wrong("this must be a text or a mapping", "write {item: [a, b]} for one of several")
        return TextTest(plain)
    return TextTest(plain, spot.text())


def read_comparison(spot: Spot, fields: dict[str, Spot], *, required: bool = True) -> TextTest | None:
    """The comparison among the `fields` of `spot`; None when there is none."""
    given = [word for word in HOWS if word in fields]
    if len(given) != 1:
        if given or required or fields.keys() & {"case", "each", "compare"}:
            wrong = f"{' and '.join(given)} at the same time" if given else "the comparison is missing"
            spot.wrong(wrong, f"write one of {', '.join(HOWS)}")
        return None
    how, value = HOWS[given[0]], fields[given[0]]
    case = fields["case"].switch() if "case" in fields else False
    each = fields["each"].word(EACH) if "each" in fields else Each.ANY
    compare = fields["compare"].word(COMPARE) if "compare" in fields else "text"
    if how in (How.ITEM, How.IN):
        items, file = _items(value)
        return TextTest(how, "", items, file, case, each, compare)
    if how is How.EMPTY:
        # "no" would be a second way to say `not`, which a test for every item cannot mean.
        value.word({"yes": True, "": True}, "write `empty: yes`, inside `not:` for the contrary")
        return TextTest(how, "", (), "", case, each, compare)
    return TextTest(how, value.text(), (), "", case, each, compare)


def _items(spot: Spot) -> tuple[tuple[str, ...], str]:
    """The items written out, and the list file."""
    if isinstance(spot.value, dict):
        return (), _file(spot)
    items, file = [], ""
    for entry in spot.entries(_ITEMS):
        if not isinstance(entry.value, dict):
            items.append(entry.text())
        elif file:
            entry.wrong("this is the second file", "put both lists into one")
        else:
            file = _file(entry)
    return tuple(items), file


def _file(spot: Spot) -> str:
    """`{file: PATH}`, as the whole path of a file that can be read."""
    return spot.fields(("file",), ("file",))["file"].approved(spot.reader.checks.list_file)
