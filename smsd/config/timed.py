"""The section `timed`: rules that run at a time and send a text, or what an SQL statement gives (feature R10).

Stands above the codecs and the policy, with whose eyes it checks templates and times when the file is read.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from smsd.codec import sqltext
from smsd.config.positions import Document, KeyPath
from smsd.config.settings import Section
from smsd.policy.timedtext import Shape, check, has_columns
from smsd.policy.timetable import Timetable, read_days, read_times, timetable
from smsd.values.errors import InvalidValue


def _several(value: Any) -> Any:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _one(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Several = Annotated[list[str], BeforeValidator(_several)]
"""`08:00`, `08:00, 12:00` or a list."""


class TimedSql(Section):
    """Where the messages of a rule come from: one for each row."""

    database: str = Field(min_length=1, description="the name of one of databases")
    statement: str = Field(min_length=1, description="an SQL statement, with ? for each of values")
    values: list[str] = Field(
        default=[], description="what is bound to each ?; %date%, %time% and %title% may be used"
    )
    seconds: float = Field(default=10, gt=0, le=300, description="how long it may take, up to 300 seconds")

    @field_validator("values")
    @classmethod
    def _templates(cls, values: list[str]) -> list[str]:
        for value in values:
            check(value, rows=False)
        return values


class TimedSettings(Section):
    """A timed rule."""

    title: str = Field(pattern=r"^[^\x00-\x1f\x7f]{1,100}$", description="1 to 100 characters, unique")
    active: bool = True
    at: Several = Field(default=[], description="a time of day, 08:00, or a list of them")
    every: int | None = Field(
        default=None, ge=1, le=1440, description="1 to 1440 minutes, counted from midnight"
    )
    days: Several = Field(
        default=[], description="mon-fri, [mon, wed], [1, 15] or last; every day if not set"
    )
    sql: TimedSql | None = None
    join: bool = Field(default=False, description="yes: all rows in one message, a line each")
    to: Annotated[list[str], BeforeValidator(_one)] = Field(
        min_length=1, max_length=100, description='numbers, sms: and mailto: addresses, or columns: ["%1%"]'
    )
    text: str = Field(min_length=1, max_length=10_000, description="the text, with variables")
    subject: str = Field(default="", max_length=1000, description="the subject of mail")
    account: str | None = Field(default=None, description="the user of the account whose messages these are")
    most: int = Field(
        default=500, ge=1, le=1000, description="1 to 1000 rows of one run; what is more is not sent"
    )
    late_minutes: int = Field(
        default=60,
        ge=0,
        le=720,
        description="0 to 720; a time that was missed is made up for if it is not older",
    )

    @field_validator("at")
    @classmethod
    def _times(cls, value: list[str]) -> list[str]:
        read_times(value)
        return value

    @field_validator("days")
    @classmethod
    def _some_days(cls, value: list[str]) -> list[str]:
        read_days(value)
        return value

    @field_validator("text")
    @classmethod
    def _template(cls, value: str, info: ValidationInfo) -> str:
        check(value, rows=_rows(info))
        return value

    @field_validator("subject")
    @classmethod
    def _subject(cls, value: str, info: ValidationInfo) -> str:
        check(value, rows=_rows(info))
        if info.data.get("join") and has_columns(value):
            raise InvalidValue("with join all rows go into one message: write a subject without columns")
        return value

    @field_validator("to")
    @classmethod
    def _addresses(cls, value: list[str], info: ValidationInfo) -> list[str]:
        rows = _rows(info)
        for address in value:
            check(address, rows)
            if info.data.get("join") and has_columns(address):
                raise InvalidValue("with join all rows go into one message: write an address without columns")
            scheme, colon, _ = address.partition(":")
            if (colon and scheme.strip().lower() not in ("sms", "mailto")) or not (
                "%" in address or "@" in address or any(letter.isdigit() for letter in address)
            ):
                raise InvalidValue(f"{address[:80]!r} is no address: write +15551234567, sms:… or mailto:…")
        return value

    @model_validator(mode="after")
    def _when(self) -> TimedSettings:
        if bool(self.at) == (self.every is not None):
            raise ValueError("it has to say when: write either at or every")
        if self.join and self.sql is None:
            raise ValueError(
                "join is about rows, and there is no sql: leave it away, or add sql with a statement"
            )
        return self

    def timetable(self) -> Timetable:
        """When it runs."""
        return timetable(self.at, self.every or 0, self.days)

    def shape(self) -> Shape:
        """How its messages look."""
        return Shape(tuple(self.to), self.text, self.subject, self.sql is not None, self.join, self.most)


def _rows(info: ValidationInfo) -> bool:
    """Whether there may be columns; also when `sql` itself has a mistake, which is reported already."""
    return "sql" not in info.data or info.data["sql"] is not None


def across(document: Document, found: dict[str, list[tuple[KeyPath, Any]]]) -> list[str]:
    """Report what rules and other sections do not agree on: titles, databases, statements; gives warnings."""
    warnings: list[str] = []
    accounts, databases = _names(document, "accounts", "user"), _names(document, "databases", "name")
    urls = {database.name: database.url.get_secret_value() for _, database in found["databases"]}
    titles: dict[str, KeyPath] = {}
    for path, rule in found["timed"]:
        first = titles.setdefault(rule.title, path)
        if first is not path:
            place = (*first, "title")
            line = document.values[place][0]
            document.report(
                (*path, "title"), f"{rule.title!r} is used twice (first in line {line})", "choose another"
            )
        if rule.account is not None and rule.account not in accounts:
            warnings.append(
                f"timed rule {rule.title!r}: account {rule.account!r} is not in this file: it counts only if the store has it"
            )
        if rule.sql is None:
            continue
        name = rule.sql.database
        if name not in databases:
            allowed = f"allowed: {', '.join(databases) or 'none, add it to databases'}"
            document.report((*path, "sql", "database"), f"there is no database {name!r}", allowed)
        elif name in urls:
            _statement(document, (*path, "sql"), rule.sql, urls[name])
    return warnings


def _names(document: Document, kind: str, key: str) -> list[str]:
    """Also of entries with mistakes: those are reported already."""
    entries = document.data.get(kind)
    return [
        entry[key]
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict) and isinstance(entry.get(key), str)
    ]


def _statement(document: Document, path: KeyPath, sql: TimedSql, url: str) -> None:
    try:
        count = sqltext.read(sql.statement, "sqlite" if url.startswith("sqlite:") else "postgresql").count
    except InvalidValue as error:
        document.report((*path, "statement"), str(error))
        return
    if count != len(sql.values):
        document.report(
            (*path, "statement"),
            f"it has {count} ? and there are {len(sql.values)} values",
            "write one value for each ?",
        )
