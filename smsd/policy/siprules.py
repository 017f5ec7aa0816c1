"""Rules for SIP requests (feature R9): which of them become SMS, which are stopped, and what a sender hears when all went well.

The words are the document's: NUMBER (a regular expression for the user part of the request's address), METHOD (one for the
method), STOP, SMS (`1`, or parameters such as `maxmsgs=1`) and RESPONSE, which takes the place of the answer of success only: a
refusal keeps its code. The first rule with SMS or STOP that matches decides; a RESPONSE of its own, or of a rule before it that
matched too and had nothing else, is what is said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from smsd.codec.smsuri import parse_local, read_parameters
from smsd.policy.rules.pattern import Pattern, read
from smsd.values.errors import InvalidValue
from smsd.values.message import DEFAULT_PARAMETERS, Parameters

WORDS: Final = ("NUMBER", "METHOD", "STOP", "SMS", "RESPONSE")
"""What a rule may say."""
CONDITIONS: Final = frozenset(WORDS[:2])
MOST_RULES: Final = 1000
_YES, _NO = ("1", "yes", "true", "on"), ("", "0", "no", "false", "off")
_RESPONSE = re.compile(r"([2-6][0-9]{2})(?:[ \t]+([^\x00-\x1f\x7f]{1,100}))?")
_NOT_FOR_RULES = ("user", "password", "authenticated", "reply", "msgid", "udh", "data")


@dataclass(frozen=True, slots=True)
class Response:
    """A status code, and its words ("": the usual ones)."""

    code: int
    phrase: str = ""


@dataclass(frozen=True, slots=True)
class SipRule:
    """One rule. `sms`: the parameters of the SMS, None when it makes none. `place`: where it stands, for logs."""

    number: Pattern | None = None
    method: Pattern | None = None
    stop: bool = False
    sms: Parameters | None = None
    response: Response | None = None
    place: str = ""

    def matches(self, number: str, method: str) -> bool:
        """Whether it is about this request."""
        return (self.number is None or self.number.search(number)) and (
            self.method is None or self.method.search(method)
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules say of a request: an SMS with these parameters, a stop, or (neither) nothing; and what the answer of success
    is."""

    sms: Parameters | None = None
    stop: bool = False
    response: Response | None = None
    place: str = ""


def judge(rules: Sequence[SipRule], number: str, method: str) -> Verdict:
    """What the rules say of a request of this method for this user part."""
    response: Response | None = None
    place = ""
    for rule in rules:
        if not rule.matches(number, method):
            continue
        response, place = rule.response or response, rule.place
        if rule.sms is not None or rule.stop:
            return Verdict(rule.sms, rule.stop, response, place)
    return Verdict(response=response, place=place)


def make(words: Mapping[str, str], place: str = "") -> tuple[SipRule, list[str]]:
    """A rule from its words (in capitals), and warnings; InvalidValue names the word that is wrong."""
    rule = SipRule(
        _pattern("NUMBER", words),
        _pattern("METHOD", words),
        _switch("STOP", words.get("STOP", "")),
        _sms(words.get("SMS", "")),
        _response(words.get("RESPONSE", "")),
        place,
    )
    if rule.sms is None and not rule.stop and rule.response is None:
        raise InvalidValue("this rule does nothing: give it SMS, STOP or RESPONSE, behind NUMBER and METHOD")
    if rule.sms is not None and rule.response is not None and not 200 <= rule.response.code < 300:
        raise InvalidValue(
            f"RESPONSE: {rule.response.code} would tell the sender that his SMS was refused, and it is not: write a 2xx code,"
            " or leave SMS out"
        )
    warnings = [warning for pattern in (rule.number, rule.method) if pattern for warning in pattern.warnings]
    if rule.sms is None and rule.response is not None and rule.response.code < 300:
        warnings.append("RESPONSE says yes to a message that no SMS is made of: it is thrown away")
    return rule, warnings


def default_rules() -> tuple[SipRule, ...]:
    """Without rules, a MESSAGE to a number is an SMS."""
    return (make({"NUMBER": r"^\+?[0-9]", "METHOD": "^MESSAGE$", "SMS": "1"}, "the usual rule")[0],)


def _pattern(word: str, words: Mapping[str, str]) -> Pattern | None:
    text = words.get(word, "").strip()
    if not text:
        return None
    try:
        return read(text, case=True)
    except InvalidValue as error:
        raise InvalidValue(f"{word}: {error}") from None


def _switch(word: str, text: str) -> bool:
    text = text.strip().lower()
    if text in _YES:
        return True
    if text in _NO:
        return False
    raise InvalidValue(f"{word}: {text[:40]!r} is not possible: write 1 or 0")


def _sms(text: str) -> Parameters | None:
    text = text.strip()
    if text.lower() in _YES:
        return DEFAULT_PARAMETERS
    if text.lower() in _NO:
        return None
    if "=" not in text:
        raise InvalidValue(f"SMS: {text[:40]!r} is not possible: write 1, or parameters such as maxmsgs=1")
    try:
        wishes = read_parameters(parse_local(f"?{text.removeprefix('?')}")[1])
    except InvalidValue as error:
        raise InvalidValue(f"SMS: {error}") from None
    unfit = [warning for warning in wishes.warnings if warning.startswith("unknown")]
    unfit += [f"{name} has no place in a rule" for name in _NOT_FOR_RULES if getattr(wishes, name)]
    if unfit or wishes.binary or wishes.numbers:
        raise InvalidValue(f"SMS: {unfit[0] if unfit else 'number and binary have no place in a rule'}")
    return wishes.parameters


def _response(text: str) -> Response | None:
    text = text.strip()
    if not text:
        return None
    found = _RESPONSE.fullmatch(text)
    if found is None:
        raise InvalidValue(
            f"RESPONSE: {text[:40]!r} is no answer: write a code and its words, such as 200 OK"
        )
    return Response(int(found[1]), found[2] or "")
