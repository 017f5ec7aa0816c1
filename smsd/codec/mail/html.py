"""The text of an HTML mail, by one pass over its tags.

No tree is built: HTML's repair rules make a few kilobytes of unclosed formatting tags into millions of nodes, while what
a phone can show needs only line breaks, list items, cell gaps and what is hidden. Linear in the input whatever it is.
"""

from __future__ import annotations

import html
import re

from smsd.values.errors import DecodeError

HTML_LIMIT = 1 << 19
"""Characters of HTML that are read; more is refused."""


def _words(names: str) -> frozenset[str]:
    return frozenset(names.split())


_BLOCKS = _words(
    "address article aside blockquote body center dd details dir div dl dt fieldset figure footer form header hr html "
    "main menu nav ol pre section table tbody tfoot thead tr ul li"
)
_PARAGRAPHS = _words("p h1 h2 h3 h4 h5 h6")
_RAW = _words("script style title textarea xmp iframe noembed noframes template svg math object")
_VOID = _words("br hr img input meta link area base col embed param source track wbr")
_NAME = re.compile(r"/?([a-z][a-z0-9:-]*)", re.I)
_QUOTE_OR_END = re.compile(r"""=\s*["']|>""")
_HIDDEN = re.compile(r"display\s*:\s*none|mso-hide\s*:\s*all", re.I)
_QUOTING = re.compile(r"gmail_quote|yahoo_quoted|moz-cite-prefix|divRplyFwdMsg|type\s*=\s*[\"']?cite", re.I)
_HUGE_REFERENCE = re.compile(r"&#(?:\d{8,}|[xX][0-9a-fA-F]{8,});?")
_INVISIBLE = re.compile("[\u00ad\u034f\u200b\u2060\ufeff]")
_SPACES = re.compile(r"[ \t\r\n\f\v\u00a0]+")


def text_of(markup: str, cut_quotes: bool = False) -> str:
    """The readable text, lines ended by LF; DecodeError above HTML_LIMIT characters.

    `cut_quotes` leaves out quoted mail (blockquote, and the wrappers that well-known mail programs put around it).
    """
    if len(markup) > HTML_LIMIT:
        raise DecodeError(f"the HTML has {len(markup)} characters, {HTML_LIMIT} are read: send plain text")
    writer = _Writer()
    lower = markup.lower()
    if len(lower) != len(
        markup
    ):  # some letters are two in lower case; the end tags are then found as they are written
        lower = markup
    position, skip, depth = 0, "", 0
    while position < len(markup):
        start = markup.find("<", position)
        if start < 0:
            start = len(markup)
        if start > position and not skip:
            writer.text(markup[position:start])
        if start == len(markup):
            break
        name, closing, tag, position = _tag(markup, start)
        if not name:
            if tag and not skip:
                writer.text(tag)
            continue
        if skip:
            if name == skip:
                depth += -1 if closing else 1
                if depth <= 0:
                    skip = ""
            continue
        if name in _RAW and not closing:
            end = lower.find(f"</{name}", position)
            position = len(markup) if end < 0 else end
        elif not closing and name not in _VOID and _unwanted(name, tag, cut_quotes):
            skip, depth = name, 1
            writer.newline()
        else:
            writer.tag(name, closing)
    return writer.result()


def _unwanted(name: str, tag: str, cut_quotes: bool) -> bool:
    if "style" in tag and _HIDDEN.search(tag):
        return True
    return cut_quotes and (name == "blockquote" or _QUOTING.search(tag) is not None)


def _tag(markup: str, start: int) -> tuple[str, bool, str, int]:
    """The name, whether it closes, the tag's source and where to go on; without a name the source is text (or "")."""
    if markup.startswith("<!--", start):
        end = markup.find("-->", start + 2)
        return "", False, "", len(markup) if end < 0 else end + 3
    match = _NAME.match(markup, start + 1)
    if match is None:
        if markup[start + 1 : start + 2] in ("!", "?", "/"):
            end = markup.find(">", start)
            return "", False, "", len(markup) if end < 0 else end + 1
        return "", False, "<", start + 1
    position = match.end()
    while True:
        found = _QUOTE_OR_END.search(markup, position)
        if found is None:
            position = len(markup)
            break
        if found[0] == ">":
            position = found.end()
            break
        position = markup.find(found[0][-1], found.end()) + 1
        if position == 0:
            position = len(markup)
            break
    return match[1].lower(), markup[start + 1] == "/", markup[start : min(position, start + 2000)], position


class _Writer:
    """Collects text as a browser would lay it out in one column."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.breaks = 2  # line breaks at the end of what was written
        self.space = False
        self.pre = 0

    def text(self, source: str) -> None:
        if "&" in source:
            source = html.unescape(_HUGE_REFERENCE.sub("\ufffd", source))
        if not source.isascii():
            source = _INVISIBLE.sub("", source)
        if self.pre:
            self.raw(source.replace("\r\n", "\n").replace("\r", "\n").replace("\u00a0", " "))
            return
        words = _SPACES.sub(" ", source)
        if words.startswith(" "):
            self.space = True
        body = words.strip(" ")
        if body:
            self.raw((" " if self.space and not self.breaks else "") + body)
            self.space = words.endswith(" ")

    def raw(self, text: str) -> None:
        if text:
            self.parts.append(text)
            self.breaks = len(text) - len(text.rstrip("\n"))
            self.space = False

    def newline(self, count: int = 1) -> None:
        if self.breaks < count:
            self.parts.append("\n" * (count - self.breaks))
            self.breaks = count
        self.space = False

    def tag(self, name: str, closing: bool) -> None:
        if name == "br":
            self.parts.append("\n")
            self.breaks += 1
            self.space = False
        elif name in _PARAGRAPHS:
            self.newline(2)
        elif name in _BLOCKS:
            self.newline()
            if name == "pre":
                self.pre = max(0, self.pre + (-1 if closing else 1))
            elif name == "li" and not closing:
                self.parts.append("- ")
                self.breaks = 0
        elif name in ("td", "th") and closing:
            self.space = True

    def result(self) -> str:
        return "\n".join(part.rstrip() for part in "".join(self.parts).split("\n")).strip("\n")
