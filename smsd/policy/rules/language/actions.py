"""Actions as they are written: a word alone, or one word and what it says."""

from __future__ import annotations

from collections.abc import Callable

from smsd.codec.kannel import is_charset
from smsd.policy.rules.language.conditions import PRIORITIES, header_name
from smsd.policy.rules.language.reading import Spot, unknown
from smsd.policy.rules.model import (
    Accept,
    Action,
    AddHeader,
    Cap,
    Delete,
    DeleteHeader,
    Escalate,
    Folder,
    Forward,
    Frame,
    Gather,
    Hold,
    Program,
    Reject,
    Respond,
    Send,
    SetHeader,
    SetPriority,
    Sql,
    Stop,
    Url,
)

MOST_MINUTES = 7 * 24 * 60
"""The longest window of a cap or a digest."""
_COMMAND = "write [/path/of/program, argument, …]"


def read_action(spot: Spot) -> Action:
    """The action that stands at `spot`."""
    value = spot.value
    if isinstance(value, str):
        word, part = value, None
        if word in WORDS and word not in ALONE:
            spot.wrong(f"{word} says nothing", f"write `{word}: …`")
            return Stop()
    elif isinstance(value, dict) and len(value) == 1:
        [(word, part)] = value.items()
    else:
        spot.wrong("an action is one word", "begin each action with - in a line of its own")
        return Stop()
    if word not in WORDS:
        wrong = f"there is no action {word[:60]!r}"
        spot.at(word, part).wrong(wrong, unknown(word, tuple(WORDS)), at_key=True)
        return Stop()
    return WORDS[word](spot.at(word, part))


def _alone(action: Action) -> Callable[[Spot], Action]:
    def read(spot: Spot) -> Action:
        if spot.value not in (None, "", "yes"):
            spot.wrong("nothing follows this word")
        return action

    return read


def _reject(spot: Spot) -> Action:
    return Reject(spot.text()) if spot.value else Reject()


def _send(spot: Spot) -> Action:
    fields = spot.fields(("to", "text", "subject"), ("to", "text"))
    subject = fields["subject"].text(empty=True) if "subject" in fields else ""
    return Send(fields["to"].text(), fields["text"].text(), subject)


def _respond(spot: Spot) -> Action:
    if not isinstance(spot.value, dict):
        return Respond(spot.text())
    fields = spot.fields(("text", "subject"), ("text",))
    return Respond(fields["text"].text(), fields["subject"].text(empty=True) if "subject" in fields else "")


def _add_header(spot: Spot) -> Action:
    fields = spot.fields(("name", "value"), ("name", "value"))
    name = header_name(fields["name"])
    if name.lower() == "body":
        fields["name"].impossible("write set_header, append or prepend to change the body")
    return AddHeader(name, fields["value"].text(empty=True))


def _set_header(spot: Spot) -> Action:
    fields = spot.fields(("name", "value", "regex"), ("name", "value"))
    regex = fields["regex"].text() if "regex" in fields else ""
    return SetHeader(header_name(fields["name"]), fields["value"].text(empty=True), regex)


def _frame(spot: Spot) -> Action:
    fields = spot.fields(("before", "after"))
    texts = {word: field.text() for word, field in fields.items()}
    if isinstance(spot.value, dict) and not texts:
        spot.wrong("a text is missing", "write before, after, or both")
    return Frame(texts.get("before", ""), texts.get("after", ""))


def _program(spot: Spot) -> Action:
    if not isinstance(spot.value, dict):
        return Program(_command(spot))
    fields = spot.fields(("command", "reply"), ("command",))
    return Program(_command(fields["command"]), _switch(fields, "reply"))


def _command(spot: Spot) -> tuple[str, ...]:
    command = spot.texts(_COMMAND, empty=True)
    if command and not command[0].startswith("/"):
        # There is no shell, and where the server was started says nothing.
        spot.at(0, command[0]).impossible("write the whole path, from the first /")
    return command


def _url(spot: Spot) -> Action:
    if not isinstance(spot.value, dict):
        return Url(_address(spot))
    fields = spot.fields(("url", "method", "body", "content_type", "reply", "escapes", "charset"), ("url",))
    method = fields["method"].word({"GET": "GET", "POST": "POST"}) if "method" in fields else "GET"
    for word in ("body", "content_type"):
        if word in fields and method == "GET":
            fields[word].wrong("a GET has no body", "write `method: POST`", at_key=True)
    address, reply = _address(fields["url"]), _switch(fields, "reply")
    body = fields["body"].text(empty=True) if "body" in fields else ""
    more = _escapes(fields)
    if "content_type" in fields:
        return Url(address, method, body, fields["content_type"].text(longest=200), reply, **more)
    return Url(address, method, body, reply=reply, **more)


def _escapes(fields: dict[str, Spot]) -> dict[str, str]:
    """Whose escapes the URL has, where they are not ours."""
    found: dict[str, str] = {}
    if "escapes" in fields:
        found["escapes"] = fields["escapes"].word({"kannel": "kannel"})
    if "charset" in fields:
        charset = fields["charset"].text(longest=40)
        if not found:
            fields["charset"].wrong(
                "only Kannel's escapes have a charset", "write `escapes: kannel`", at_key=True
            )
        elif charset and not is_charset(charset):
            fields["charset"].impossible("write for example ISO-8859-1")
        found["charset"] = charset
    return found


def _address(spot: Spot) -> str:
    url = spot.text()
    if url and not url.lower().startswith(("http://", "https://")):
        spot.wrong(
            "this is no URL", "it begins with http:// or https://"
        )  # not shown: it may hold a password
    return url


def _sql(spot: Spot) -> Action:
    fields = spot.fields(("database", "statement", "values", "reply"), ("database", "statement"))
    return Sql(
        fields["database"].approved(spot.reader.checks.database),
        fields["statement"].text(),
        fields["values"].texts("write ['%number%', …]", empty=True) if "values" in fields else (),
        _switch(fields, "reply"),
    )


def _cap(spot: Spot) -> Action:
    fields = spot.fields(("most", "minutes", "text"), ("most", "minutes"))
    most, minutes = fields["most"].number(1, 1_000_000), fields["minutes"].number(1, MOST_MINUTES)
    return Cap(most, minutes, fields["text"].text()) if "text" in fields else Cap(most, minutes)


def _digest(spot: Spot) -> Action:
    fields = spot.fields(("minutes", "text"), ("minutes",))
    minutes = fields["minutes"].number(1, MOST_MINUTES)
    return Gather(minutes, fields["text"].text()) if "text" in fields else Gather(minutes)


def _hold(spot: Spot) -> Action:
    fields = spot.fields(("from", "until"), ("from", "until"))
    before = spot.reader.mistakes
    start, until = fields["from"].minute(), fields["until"].minute()
    if spot.reader.mistakes == before and start == until:
        spot.wrong("from and until are the same", 'write for example {from: "22:00", until: "07:00"}')
    return Hold(start, until)


def _escalate(spot: Spot) -> Action:
    fields = spot.fields(("to", "minutes", "answers"), ("to", "minutes"))
    to = fields["to"].texts("write ['+15551234567', …]")
    minutes = fields["minutes"].number(1, 24 * 60)
    if "answers" in fields:
        return Escalate(to, minutes, fields["answers"].texts("write [OK, YES]"))
    return Escalate(to, minutes)


def _switch(fields: dict[str, Spot], word: str) -> bool:
    return fields[word].switch() if word in fields else False


ALONE: dict[str, Action] = {"accept": Accept(), "reject": Reject(), "delete": Delete(), "stop": Stop()}
"""Words that may stand alone."""

WORDS: dict[str, Callable[[Spot], Action]] = {
    **{word: _alone(action) for word, action in ALONE.items()},
    "reject": _reject,
    "forward": lambda spot: Forward(spot.text()),
    "copy": lambda spot: Forward(spot.text(), copy=True),
    "send": _send,
    "respond": _respond,
    "add_header": _add_header,
    "set_header": _set_header,
    "delete_header": lambda spot: DeleteHeader(header_name(spot)),
    "prepend": lambda spot: Frame(before=spot.text()),
    "append": lambda spot: Frame(after=spot.text()),
    "frame": _frame,
    "priority": lambda spot: SetPriority(spot.word(PRIORITIES)),
    "program": _program,
    "url": _url,
    "sql": _sql,
    "folder": lambda spot: Folder(spot.text()),
    "copy_to_folder": lambda spot: Folder(spot.text(), copy=True),
    "cap": _cap,
    "digest": _digest,
    "hold": _hold,
    "escalate": _escalate,
}
"""Every action and how it is read."""
