"""The one number normaliser: what people type as a phone number becomes the form that everything compares.

`normalise` reads `+`, `00`, `011` (North America), a country's own international prefix and national numbers
(with a country); it leaves short codes, service codes with * or # and alphanumeric names alone. What was
typed is kept beside the result. It does not decide whether a space before digits once was a plus: that is the
HTTP door's business. The texts of `InvalidValue` never contain the number.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from smsd.values.errors import InvalidValue
from smsd.values.frozen import frozen

SHORTEST, LONGEST = 7, 15
"""Digits of an international number: E.164 allows 15, no country has fewer than 7 with its code."""

_SHORT_CODE: Final = 6
_NAME: Final = 11  # TS 23.040 9.1.2.5: ten octets of packed septets
_ADDRESS: Final = 20  # semi-octets of a TP address

# Dropped wherever they stand: separators, and what address books and web pages put around a number unseen.
_SEPARATORS: Final = str.maketrans(
    dict.fromkeys(
        " \t\xa0-.()/\u2010\u2011\u2012\u2013\u2014\u2212\xad"
        "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u200b\u200e\u200f"
        "\u202a\u202b\u202c\u202d\u202e\u202f\u2060\u2066\u2067\u2068\u2069\u3000\ufeff"
    )
)


@frozen
class Number:
    """A party on a phone network.

    `kind` is `international` (`value` is + and 7..15 digits), `national` (digits whose country is not known),
    `short` (a short or service code), or `name` (an alphanumeric sender, which cannot be called).
    """

    value: str
    kind: str
    typed: str


def normalise(typed: str, country: str | None = None) -> Number:
    """The normal form of `typed`; national numbers are read as those of `country` (two letters, ISO 3166).

    Raises `InvalidValue` with what to do when it can be no number, code or name.
    """
    if typed.startswith("+") and SHORTEST <= len(typed) - 1 <= LONGEST:
        digits = typed[1:]
        if digits.isascii() and digits.isdigit() and digits[0] != "0":
            return Number(typed, "international", typed)
    region = _region(country)
    bare = _plain(typed)
    if not bare:
        raise InvalidValue(
            "there is no number: write it with + and the country code, for example +15551234567"
        )
    if not bare.strip("+0123456789*#"):
        value, kind = _digits(bare, typed, region)
        return Number(value, kind, typed)
    return Number(_name(typed), "name", typed)


def possible(international: str) -> bool:
    """Whether the country of + and digits has numbers as long as this one."""
    import phonenumbers

    try:
        return bool(phonenumbers.is_possible_number(phonenumbers.parse(international)))
    except phonenumbers.NumberParseException:
        return False


def meant_at_home(digits: str, country: str) -> bool:
    """Whether digits without + are rather a number of this country, written without its code, than a mobile one with a code."""
    import phonenumbers
    from phonenumbers import PhoneNumberType

    code = phonenumbers.country_code_for_region(country)
    here = phonenumbers.PhoneNumber(country_code=code, national_number=int(digits))
    if not phonenumbers.is_valid_number(here):
        return False
    try:
        abroad = phonenumbers.parse(f"+{digits}")
    except phonenumbers.NumberParseException:
        return True
    return phonenumbers.number_type(abroad) not in (
        PhoneNumberType.MOBILE,
        PhoneNumberType.FIXED_LINE_OR_MOBILE,
    )


def _region(country: str | None) -> str | None:
    """The country in capitals, checked."""
    if not country:
        return None
    import phonenumbers  # 50 ms, which commands that never see a national number need not pay

    region = country.strip().upper()
    if region not in phonenumbers.SUPPORTED_REGIONS:
        raise InvalidValue("the country is unknown: use the two letters of ISO 3166, for example IT or US")
    return region


def _plain(typed: str) -> str:
    """`typed` without separators, digits of any script as ASCII digits."""
    bare = typed.strip().translate(
        _SEPARATORS
    )  # a line end inside is none: what stands there are two numbers
    if bare.isascii():
        return bare
    return "".join(
        str(digit) if (digit := unicodedata.decimal(char, -1)) >= 0 else "+" if char == "\uff0b" else char
        for char in bare
    )


def _digits(bare: str, typed: str, region: str | None) -> tuple[str, str]:
    """Value and kind of what consists of digits, +, * and # only."""
    if "*" in bare or "#" in bare:
        if "+" in bare or len(bare) > _ADDRESS:
            raise InvalidValue(f"a code with * or # has no + and at most {_ADDRESS} characters")
        return bare, "short"
    if bare.startswith("+"):
        if "(0)" in typed.replace(" ", ""):
            return _parsed(bare.replace("+", "", 1), typed, region), "international"
        return _international(bare[1:]), "international"
    if "+" in bare:
        raise InvalidValue("a + belongs only in front of the country code")
    if len(bare) <= _SHORT_CODE:
        return bare, "short"
    if region is not None:
        return _national(bare, region), "international"
    if bare.startswith("00"):
        return _international(bare[2:]), "international"
    if len(bare) > _ADDRESS:
        raise InvalidValue(f"the number has {len(bare)} digits: networks take at most {_ADDRESS}")
    return bare, "national"


def _international(digits: str) -> str:
    """+ and the digits, when there can be such a number."""
    if not digits.isdigit():
        raise InvalidValue("there must be digits, and only digits, after the +")
    if digits[0] == "0":
        raise InvalidValue("no country code begins with 0: write + and the country code, without 0 or 00")
    if not SHORTEST <= len(digits) <= LONGEST:
        raise InvalidValue(
            f"the number has {len(digits)} digits:"
            f" an international number has {SHORTEST} to {LONGEST} after the +"
        )
    return "+" + digits


def _parsed(digits: str, typed: str, region: str | None) -> str:
    """`+44 (0)20 …` without the national prefix, which only the country's numbering plan knows."""
    import phonenumbers

    _international(digits)
    try:
        number = phonenumbers.parse("+" + digits, region)
    except phonenumbers.NumberParseException:
        raise InvalidValue("the country code does not exist: check the digits after the +") from None
    return _international(f"{number.country_code}{phonenumbers.national_significant_number(number)}")


def _national(digits: str, region: str) -> str:
    """A number dialled in `region`: with its own international prefix, with 00, or national."""
    import phonenumbers

    calling_code = phonenumbers.country_code_for_region(region)
    if calling_code == 1 and digits.startswith("011"):
        return _international(digits[3:])
    try:
        number = phonenumbers.parse(digits, region, keep_raw_input=True)
    except phonenumbers.NumberParseException:
        number = None
    abroad = phonenumbers.CountryCodeSource.FROM_NUMBER_WITH_IDD
    if digits.startswith("00") and (number is None or number.country_code_source != abroad):
        return _international(digits[2:])
    if number is None or not phonenumbers.is_possible_number(number):
        raise InvalidValue(
            f"this is no possible number in {region}:"
            " check its digits, or write it with + and the country code"
        )
    return _international(f"{number.country_code}{phonenumbers.national_significant_number(number)}")


def _name(typed: str) -> str:
    """An alphanumeric name as it is; InvalidValue when it can be none."""
    if len(typed) > _NAME or not typed.isprintable():
        raise InvalidValue(
            "this is neither a number (digits, perhaps with + in front) nor a sender name"
            f" (at most {_NAME} letters and digits)"
        )
    return typed
