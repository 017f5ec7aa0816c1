"""`smsd rules list`, `export` and `import`: the rules of a configuration, which need not be running."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import os
import sys
from typing import TYPE_CHECKING, Any

from smsd.cli.client import DONE, NoServer, Refusal, call
from smsd.cli.files import replace
from smsd.cli.output import as_json, printable, shortened, table

if TYPE_CHECKING:
    from smsd.config.settings import Configuration
    from smsd.policy.rules.language.merging import Change
    from smsd.policy.rules.model import Rules


def add(commands: Any) -> None:
    """Add the verbs to the parser."""
    rules = commands.add_parser(
        "rules",
        help="the rules of a configuration: list, export, import",
        epilog="examples:\n"
        "  smsd rules list\n"
        "  smsd rules export all.xml\n"
        "  smsd rules export --title 'US gateway' | ssh other smsd rules import - --yes\n"
        "  smsd rules import new.xml --into rules.xml",
    )
    verbs = rules.add_subparsers(dest="verb", required=True, metavar="VERB")
    listing = verbs.add_parser("list", help="the titles, in the order in which they are asked")
    listing.set_defaults(run=_list)

    export = verbs.add_parser("export", help="write rules as XML")
    export.add_argument("file", nargs="?", default="-", help="default: the standard output")
    _titles(export)
    export.set_defaults(run=_export)

    bring = verbs.add_parser(
        "import",
        help="merge rules from a file of XML into one of rules_files",
        description="Rules of the same title in the same list are replaced where they stand, others are added at the end. "
        "What will change is shown first. A file with a mistake changes nothing.",
    )
    bring.add_argument("file", help="- is the standard input")
    bring.add_argument(
        "--into",
        metavar="FILE",
        help="the file of XML that is changed, or made; a relative path starts at server.folder, as in rules_files "
        "(default: the one file that rules_files names)",
    )
    bring.add_argument("--yes", action="store_true", help="do not ask")
    _titles(bring)
    bring.set_defaults(run=_import)


def _titles(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--title", action="append", help="only the rule of this title; may be repeated")


def _path(options: argparse.Namespace) -> str:
    from smsd.config.places import find_configuration

    return find_configuration(options.config, os.environ)


def _list(options: argparse.Namespace) -> int:
    from smsd.config.load import load
    from smsd.policy.rules.language.rules import DIRECTIONS
    from smsd.policy.rules.language.writing import plain_rule

    rules = load(_path(options)).rules
    listed = {direction: getattr(rules, direction) for direction in DIRECTIONS}
    plain = {
        direction: [{**plain_rule(rule), "source": rule.source} for rule in its]
        for direction, its in listed.items()
    }
    users = any(rule.user for its in listed.values() for rule in its)
    if not as_json(options, plain):
        table(
            [
                (
                    direction,
                    number,
                    "yes" if rule.active else "no",
                    rule.title,
                    *([rule.user] if users else []),
                    shortened(rule.description),
                    rule.source,
                )
                for direction, its in listed.items()
                for number, rule in enumerate(its, 1)
            ],
            ("LIST", "", "ACTIVE", "TITLE", *(["USER"] if users else []), "DESCRIPTION", "WHERE"),
        )
    return DONE


def _export(options: argparse.Namespace) -> int:
    from smsd.config.load import load

    configuration = load(_path(options))
    rules, users = _without_users(configuration.rules)
    data = _written(rules, configuration, options.title)
    if users and options.title is None:
        print(
            f"left out: rules of users, which stand in their accounts ({', '.join(users)})", file=sys.stderr
        )
    if options.file == "-":
        sys.stdout.write(data.decode())
        return DONE
    own = (configuration.path, *configuration.rules_files)
    if os.path.realpath(options.file) in map(os.path.realpath, own):
        raise Refusal(f"{options.file} belongs to the configuration itself: export to another file")
    replace(options.file, data, configuration.path)
    return DONE


def _without_users(rules: Rules) -> tuple[Rules, list[str]]:
    """The administrator's rules, and who has rules of his own: those belong to an account, and no file takes them."""
    users = sorted({rule.user for rule in (*rules.outgoing, *rules.incoming) if rule.user})
    lists = (tuple(rule for rule in its if not rule.user) for its in (rules.outgoing, rules.incoming))
    return type(rules)(*lists), users


def _written(rules: Rules, configuration: Configuration, titles: list[str] | None = None) -> bytes:
    """The file; list files below the server's folder are named from there, so that the rules can move with it."""
    from smsd.policy.rules import xml
    from smsd.policy.rules.language.moving import with_list_files
    from smsd.values.errors import InvalidValue

    inside = os.path.join(configuration.folder, "")
    try:
        return xml.write(with_list_files(rules, lambda path: path.removeprefix(inside)), titles)
    except InvalidValue as error:
        raise Refusal(str(error)) from None


def _import(options: argparse.Namespace) -> int:
    from smsd.config.load import load
    from smsd.policy.rules.language.merging import merge

    if options.file == "-" and not (options.yes or options.json):
        raise Refusal("the standard input cannot be both the rules and your answer: say --yes")
    configuration, target = _target(options)
    new = _read(options.file, configuration, options.title)
    before = _content(target) if os.path.exists(target) else b""
    old = _old(before, target, configuration) if before else type(new)()
    _refuse_strangers(new, configuration.rules)
    merged, changes = merge(old, new)
    data = _written(merged, configuration)
    load(configuration.path, instead={target: data})
    needed = any(change.kind != "unchanged" for change in changes)
    if options.json:
        written = needed and options.yes
        as_json(
            options, {"into": target, "written": written, "rules": [_plain(change) for change in changes]}
        )
    else:
        _show(changes, target)
        written = needed and (options.yes or _agreed())
    if written:
        if (_content(target) if os.path.exists(target) else b"") != before:
            raise Refusal(f"{target} has been changed meanwhile; nothing was written")
        replace(target, data, configuration.path)
        _on_record(options, target, changes)
    if not options.json:
        print(_afterwards(written, target, configuration))
    return DONE


def _on_record(options: argparse.Namespace, target: str, changes: list[Change]) -> None:
    """Tell the server, if one runs, who has changed the rules: the audit log has it."""
    told: dict[str, list[str]] = {}
    for change in changes:
        if change.kind != "unchanged":
            told.setdefault(change.kind, []).append(f"{change.direction} {change.new.title!r}")
    said = {kind: "; ".join(titles) for kind, titles in told.items()}
    with contextlib.suppress(NoServer, Refusal):
        call(options, "rules_imported", file=target, **said)


def _target(options: argparse.Namespace) -> tuple[Configuration, str]:
    """The configuration without the file that is to be changed, and that file's path."""
    from smsd.config.load import folder_of, load

    path = _path(options)
    if options.into:
        empty = _empty()
        into = os.path.normpath(os.path.join(folder_of(path), options.into))
        if os.path.realpath(path) in (os.path.realpath(into), os.path.realpath(options.into)):
            raise Refusal(
                f"{options.into} is the configuration, whose rules are changed by hand: --into wants a file of XML, such as"
                f" rules.xml, which rules_files in {path} names"
            )
        configuration = load(path, instead={into: empty})
        same = [
            file for file in configuration.rules_files if os.path.realpath(file) == os.path.realpath(into)
        ]
        return (load(path, instead={same[0]: empty}), same[0]) if same else (configuration, into)
    files = load(path).rules_files
    if len(files) != 1:
        raise Refusal(
            f"rules_files in {path} names {len(files) or 'no'} files: say with --into which one to change"
        )
    return load(path, instead={files[0]: _empty()}), files[0]


def _empty() -> bytes:
    from smsd.policy.rules import xml
    from smsd.policy.rules.model import Rules

    return xml.write(Rules())


def _read(file: str, configuration: Configuration, titles: list[str] | None) -> Rules:
    from smsd.policy.rules import xml
    from smsd.policy.rules.xmltree import MOST_OCTETS
    from smsd.values.errors import InvalidValue

    data = sys.stdin.buffer.read(MOST_OCTETS + 1) if file == "-" else _content(file)
    rules = _parsed(data, "standard input" if file == "-" else file, configuration)
    try:
        return rules if titles is None else xml.select(rules, titles)
    except InvalidValue as error:
        raise Refusal(str(error)) from None


def _content(path: str) -> bytes:
    from smsd.config.bounded import read_bounded
    from smsd.policy.rules.xmltree import MOST_OCTETS
    from smsd.values.errors import InvalidValue

    try:
        return read_bounded(path, MOST_OCTETS)[0]
    except InvalidValue as error:
        raise Refusal(str(error)) from None


def _parsed(data: bytes, name: str, configuration: Configuration) -> Rules:
    """Rules as this configuration could run them."""
    from smsd.config.rules import RuleChecks, kinds
    from smsd.policy.rules import xml
    from smsd.policy.rules.xmltree import XmlError

    databases = kinds(configuration.databases)
    subscribers = [subscriber.id for subscriber in configuration.subscribers]
    try:
        return xml.read(data, name, RuleChecks(configuration.folder, databases, subscribers))
    except XmlError as error:
        raise Refusal(f"nothing was changed\n{error}") from None


def _old(data: bytes, target: str, configuration: Configuration) -> Rules:
    """What the file has that is to be changed."""
    if not data.lstrip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n").startswith(b"<"):
        raise Refusal(
            f"nothing was changed: {target} is no XML; a file of rules is wanted, as rules_files names them"
        )
    return _parsed(data, target, configuration)


def _refuse_strangers(new: Rules, others: Rules) -> None:
    """Titles are unique in a list: what stands elsewhere has to be changed there."""
    from smsd.policy.rules.language.rules import DIRECTIONS

    clashes = []
    for direction in DIRECTIONS:
        there = {rule.title: rule.source for rule in getattr(others, direction)}
        clashes += [
            f"{rule.source}: {direction} {rule.title!r} stands in {there[rule.title]} already"
            for rule in getattr(new, direction)
            if rule.title in there
        ]
    if clashes:
        lines = "\n".join(map(printable, clashes))
        raise Refusal(
            f"nothing was changed; change these where they are, or select others with --title\n{lines}"
        )


def _plain(change: Change) -> dict[str, str]:
    return {"list": change.direction, "title": change.new.title, "change": change.kind}


def _show(changes: list[Change], target: str) -> None:
    from smsd.policy.rules import xml

    print(f"{target}:")
    table([(change.kind, change.direction, change.new.title) for change in changes])
    for change in changes:
        if change.kind != "replaced" or change.old is None:
            continue
        print(f"\n{change.direction} {printable(change.new.title)}:")
        before, after = (xml.write_rule(rule).splitlines() for rule in (change.old, change.new))
        for line in list(difflib.unified_diff(before, after, n=2, lineterm=""))[2:]:
            if not line.startswith("@@"):
                print(f"  {printable(line)}")


def _agreed() -> bool:
    print("\nchange the file? [yes/no] ", end="", flush=True)
    answer = sys.stdin.readline().strip().lower()
    if not answer:
        print()
    return answer in ("y", "yes")


def _afterwards(written: bool, target: str, configuration: Configuration) -> str:
    if not written:
        return "nothing was changed"
    if target in configuration.rules_files:
        return f"{target} is written; `smsd reload` puts it in force"
    return f"{target} is written; nothing reads it until rules_files in {configuration.path} names it"
