"""A page of the manual, read as what it promises: configurations, messages and what becomes of them.

Every block of code is one of these, told apart by its language:

- `yaml`: a configuration. The first of a page is the server that the others belong to: each brings its own sections, which
  replace that server's, or only an `if:` or a `do:`, which stand in a rule of their own;
- `text`: messages and what becomes of them (yes or no, if the configuration above is only an `if:`); or a list file, when its
  first line is `# NAME.txt`;
- `sql`: what is in the database, when its first line is `-- NAME.db`;
- `xml`: a file of rules, when its first line is `<!-- NAME.xml -->`;
- `console`: commands, each behind `$`, and what they print.

A promise is one message and what becomes of it:

    from ann@example.org to +15551234567: Hello      → through gsm2
    on sat at 23:10 from +15551234567: Good night
      → reads "Good night!"
      → sends bob@example.org: somebody is awake
    after 10 minutes                                 → nothing

A long line goes on in the next one, eight blanks from the left. What stands behind an arrow without a message is what the
server says of the configuration: `→ warning: …`, `→ mistake: …`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

PAGES = Path(__file__).resolve().parents[2] / "docs"

_UNDERLINE = re.compile(r"([=~-])\1{3,}")
_DIRECTIVE = re.compile(r"\.\. code-block:: (\w+)\n")
_FACT = re.compile(
    r"(?:(?P<name>from|to|cc|account|subject|header|on|at|ip|host|priority|by|with|printing)"
    r'\s+(?:"(?P<quoted>[^"]*)"|(?P<plain>[^\s":]+(?::[^\s":]+)*))|(?P<times>\d+) times)\s*,?\s*'
)


class Unreadable(AssertionError):
    """The page says something that nobody can check."""


@dataclass(frozen=True)
class Block:
    """A block of code and the line on which it begins."""

    language: str
    text: str
    line: int
    section: str


@dataclass
class Promise:
    """One message (or time that passes, without a text) and what becomes of it."""

    facts: dict[str, str]
    text: str
    fates: list[str] = field(default_factory=list)
    line: int = 0


@dataclass
class Example:
    """A configuration, what is promised of it, its export and its commands."""

    yaml: str
    line: int
    section: str
    promises: list[Promise] = field(default_factory=list)
    console: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Page:
    """A page: the server it speaks of, its examples, the files and the database it shows."""

    name: str
    server: str
    examples: list[Example]
    files: dict[str, str]
    databases: dict[str, str]
    text: str


def read(name: str) -> Page:
    """The page docs/`name`."""
    text = (PAGES / name).read_text("utf-8")
    server, examples = "", list[Example]()
    files, databases = dict[str, str](), dict[str, str]()
    for block in blocks(text):
        first, _, rest = block.text.partition("\n")
        if block.language == "yaml" and not server:
            server = block.text
            examples.append(Example("", block.line, block.section))
        elif block.language == "yaml":
            examples.append(Example(block.text, block.line, block.section))
        elif block.language == "text" and re.fullmatch(r"# [\w-]+\.txt", first):
            files[first[2:]] = rest
        elif block.language == "sql" and re.fullmatch(r"-- [\w-]+\.db", first):
            databases[first[3:]] = rest
        elif block.language == "text" and examples:
            examples[-1].promises += promises(block)
        elif block.language == "xml" and (found := re.fullmatch(r"<!-- ([\w-]+\.xml) -->", first)):
            files[found[1]] = rest
        elif block.language == "console" and examples:
            examples[-1].console += commands(block)
        else:
            raise Unreadable(f"line {block.line}: nobody knows what this {block.language} block is for")
    return Page(name, server, examples, files, databases, text)


def blocks(text: str) -> Iterator[Block]:
    """All blocks of code; Unreadable for one without a language, which nobody would check."""
    lines = text.splitlines()
    number, section = 0, ""
    while number < len(lines):
        found = _DIRECTIVE.fullmatch(lines[number] + "\n")
        if found is None:
            if _UNDERLINE.fullmatch(lines[number]) and number:
                section = lines[number - 1]
            if lines[number].endswith("::") and not lines[number].startswith(".. "):
                raise Unreadable(f"line {number + 1}: write .. code-block:: yaml (text, sql, xml, console)")
            number += 1
            continue
        begin, number = number + 1, number + 1
        inside = []
        while number < len(lines) and (not lines[number] or lines[number].startswith("    ")):
            inside.append(lines[number][4:])
            number += 1
        yield Block(found[1], "\n".join(inside).strip("\n") + "\n", begin, section)


def promises(block: Block) -> list[Promise]:
    """Every message of a block, each with what becomes of it."""
    found: list[Promise] = []
    for number, line in enumerate(block.text.splitlines(), block.line + 2):
        message, arrow, fate = line.partition("→")
        if not arrow and line.startswith("        ") and found and found[-1].fates:
            found[-1].fates[-1] += f" {line.strip()}"  # a long line, broken
        elif message.strip():
            found.append(_message(message.strip(), number))
        elif arrow and not found:
            found.append(Promise({}, "", line=number))
        if arrow and found:
            found[-1].fates.append(fate.strip())
    for promise in found:
        if not promise.fates or not all(promise.fates):
            raise Unreadable(f"line {promise.line}: what becomes of this message?")
    return found


def _message(line: str, number: int) -> Promise:
    if re.fullmatch(r"after \d+ (second|minute|hour)s?", line):
        return Promise({"after": line.removeprefix("after ")}, "", line=number)
    facts: dict[str, str] = {}
    at = 0
    while found := _FACT.match(line, at):
        at = found.end()
        name = found["name"] or "times"
        value = found["times"] or (found["quoted"] if found["quoted"] is not None else found["plain"])
        if name in facts:
            raise Unreadable(f"line {number}: {name} stands here twice")
        facts[name] = value.strip()
    rest = line[at:]
    if not rest.startswith(":") or not facts.keys() & {"from", "to"}:
        raise Unreadable(f"line {number}: this is no message: {line}")
    return Promise(facts, rest[1:].strip(), line=number)


def commands(block: Block) -> list[tuple[str, str]]:
    """Each command and what it prints."""
    found: list[tuple[str, str]] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], ""))
        elif not found:
            raise Unreadable(f"line {block.line}: a block of commands begins with $")
        else:
            command, said = found[-1]
            found[-1] = (command, f"{said}{line}\n")
    return found
