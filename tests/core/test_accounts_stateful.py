"""The directory and the book of accounts under everything at once: changes by command, reloads, crashes.

Always: what was told done is there, also after a crash, and nothing else; a name is in the configuration or in the store; nobody
is bound to a group that does not exist without being closed; who is gone cannot send.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from smsd.core.accounts import AccountGroupSettings, AccountSettings, Directory, PolicySettings, hash_password
from smsd.core.accounts.book import Book
from smsd.store.accounts import kept
from smsd.values.errors import InvalidValue
from tests.house import House

HASH = hash_password("annpw")
NAMES = {
    "account": ["ann", "bob", "joe@example.org"],
    "group": ["sales", "office"],
    "policy": ["example.org", "joe@example.org"],
}
KIND = st.sampled_from(list(NAMES))
NAMED = KIND.flatmap(lambda kind: st.tuples(st.just(kind), st.sampled_from(NAMES[kind])))
SAYABLE: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "account": {"active": st.booleans(), "group": st.sampled_from(["sales", "sales", "office", None])},
    "group": {"active": st.booleans()},
    "policy": {"access": st.booleans(), "group": st.sampled_from(["sales", None])},
}
BOTH = {
    "monthly_limit": st.integers(0, 9),
    "gateway": st.sampled_from(["gsm1", "gsm2", "gsm1", "gone", None]),
}
CHANGED = KIND.flatmap(
    lambda kind: st.tuples(
        st.tuples(st.just(kind), st.sampled_from(NAMES[kind])),
        st.fixed_dictionaries(SAYABLE[kind], optional=BOTH),
    )
)
ACTION = st.one_of(
    st.tuples(st.just("add"), CHANGED),
    st.tuples(st.just("add"), CHANGED),
    st.tuples(st.just("set"), CHANGED),
    st.tuples(st.just("set"), CHANGED),
    st.tuples(st.just("remove"), CHANGED),
    st.tuples(st.just("reload"), st.tuples(st.sets(NAMED, max_size=3), st.none())),
    st.tuples(st.just("crash"), st.just((None, None))),
)


class Story:
    """One run: what the store should have, what the configuration says."""

    def __init__(self) -> None:
        self.house = House()
        self.kept: dict[tuple[str, str], dict[str, Any]] = {}
        self.file: set[tuple[str, str]] = set()
        self.gone: set[str] = set()
        self.begin()
        self.reload({("group", "office")})
        self.change("add", "group", "sales", {})
        self.change("add", "account", "ann", {"group": "sales"})
        self.change("add", "account", "bob", {"group": "office"})

    def begin(self) -> None:
        self.directory = Directory(self.house.planner.zone)
        self.directory.use(self.sections(self.file))
        self.book = Book(
            self.house.store, self.directory, self.house.planner.period, lambda: ["gsm1", "gsm2"]
        )
        self.house.wait(Deferred.fromCoroutine(self.book.load()))
        self.gone.clear()

    def sections(self, names: set[tuple[str, str]]) -> dict[str, list[Any]]:
        made: dict[str, list[Any]] = {"account": [], "group": [], "policy": []}
        for kind, name in names:
            if kind == "account":
                made[kind].append(AccountSettings(user=name, password=HASH))
            elif kind == "group":
                made[kind].append(AccountGroupSettings(id=name))
            else:
                made[kind].append(PolicySettings(who=name, access=True))
        return made

    def do(self, what: str, which: Any, said: Any) -> None:
        if what == "crash":
            self.house = self.house.crash()
            self.begin()
        elif what == "reload":
            self.reload(which)
        else:
            self.change(what, *which, {} if what == "remove" else said)

    def reload(self, names: set[tuple[str, str]]) -> None:
        """As the server does: a configuration that clashes is not taken."""
        sections = self.sections(names)
        clash = bool(names & self.kept.keys()) or self.double({*names, *self.kept})
        assert bool(self.directory.clashes(sections)) == clash, (names, self.kept)
        if not clash:
            self.gone |= {name for kind, name in self.file - names if kind == "account"}
            self.file = names
            self.directory.use(sections)

    @staticmethod
    def double(names: set[tuple[str, str]]) -> bool:
        return ("account", "joe@example.org") in names and ("policy", "joe@example.org") in names

    def change(self, what: str, kind: str, name: str, said: dict[str, Any]) -> None:
        key = (kind, name)
        arguments: dict[str, Any] = {"kind": kind, "name": name, "settings": dict(said)}
        if kind == "account" and what == "add":
            arguments["settings"]["password"] = HASH
        refusal = None
        try:
            self.house.wait(Deferred.fromCoroutine(getattr(self.book, what)(arguments)))
        except InvalidValue as error:
            refusal = str(error)
        if refusal is not None:
            assert self.may_be_refused(what, key, said), (refusal, what, key, said)
            return
        assert not self.must_be_refused(what, key, said), (what, key, said)
        if what == "remove":
            del self.kept[key]
            if kind == "account":
                self.gone.add(name)
            return
        known = {} if what == "add" else self.kept[key]
        changed = {**known, **arguments["settings"]}
        self.kept[key] = {field: value for field, value in changed.items() if value is not None}

    def must_be_refused(self, what: str, key: tuple[str, str], said: dict[str, Any]) -> bool:
        if key in self.file or (what == "add") == (key in self.kept):
            return True
        groups = {name for kind, name in {*self.file, *self.kept} if kind == "group"}
        return (
            said.get("gateway") == "gone"
            or (said.get("group") is not None and said["group"] not in groups)
            or (what == "add" and self.double({*self.file, *self.kept, key}))
        )

    def may_be_refused(self, what: str, key: tuple[str, str], said: dict[str, Any]) -> bool:
        lost = self.kept.get(key, {}).get(
            "group"
        )  # of a reload that took the group away: it has to be mended first
        return (
            self.must_be_refused(what, key, said)
            or (
                what == "remove"
                and key[0] == "group"
                and any(one.get("group") == key[1] for one in self.kept.values())
            )
            or (lost is not None and ("group", lost) not in {*self.file, *self.kept})
        )

    def check(self) -> None:
        rows = self.house.wait(self.house.store.ask(kept))
        written = {
            (kind, name): json.loads(text) for kind, each in rows.items() for name, text in each.items()
        }
        assert written == self.kept, (written, self.kept)
        assert self.directory.clashes() == []
        now = self.house.clock.seconds()
        for name in NAMES["account"]:
            key = ("account", name)
            account = self.directory.find(name)
            if key in self.kept:
                said = self.kept[key]
                assert account is not None
                group = said.get("group")
                missing = group is not None and ("group", group) not in {*self.file, *self.kept}
                closed = missing or not said.get("active", True)
                closed = closed or (
                    group is not None and not self.kept.get(("group", group), {}).get("active", True)
                )
                assert bool(account.closed(now)) == closed, (name, said)
                assert account.monthly_limit == said.get("monthly_limit", 0)
            elif key in self.file:
                assert account is not None
                assert account.closed(now) is None
            elif "@" not in name:
                assert (account is not None) == (name in self.gone), name
                assert account is None or account.closed(now)


class Accounts(SynchronousTestCase):
    @settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(ACTION, min_size=1, max_size=30))
    def test_what_was_told_done_is_there(self, actions: list[tuple[str, tuple[Any, Any]]]) -> None:
        story = Story()
        try:
            for what, (which, said) in actions:
                story.do(what, which, said)
                story.check()
        finally:
            story.house.close()
