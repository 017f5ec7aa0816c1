"""Whether what came after DATA is a mail, or a text that somebody typed without any header (features S11, S12).

A header is a block of fields ended by a blank line, all of them known, or at least two of them: `Ciao: come stai` is none. Looks at
no more than the octets that a header may have.
"""

from __future__ import annotations

import re

from smsd.codec.mail.mime import HEADER_LIMIT

KNOWN = frozenset(
    b"from to cc bcc subject date sender reply-to message-id in-reply-to references mime-version received return-path "
    b"delivered-to user-agent importance priority precedence sensitivity organization comments keywords thread-index "
    b"thread-topic auto-submitted autocrypt dkim-signature domainkey-signature authentication-results received-spf errors-to "
    b"return-receipt-to disposition-notification-to content-type content-transfer-encoding content-disposition "
    b"content-language content-id content-description content-length status lines".split()
)
"""Names of fields in lower case; those that begin with one of `PREFIXES` are known too."""
PREFIXES = (b"x-", b"list-", b"arc-", b"resent-")

_FIELD = re.compile(rb"([!-9;-~]{1,76})[ \t]*:[^\n]*(?:\n[ \t][^\n]*)*\n")


def has_header(raw: bytes) -> bool:
    """Whether `raw` begins with a mail's header, its blank line included."""
    position = known = others = 0
    while match := _FIELD.match(raw, position, HEADER_LIMIT):
        name = match[1].lower()
        if name in KNOWN or name.startswith(PREFIXES):
            known += 1
        else:
            others += 1
        position = match.end()
    if not raw.startswith((b"\r\n", b"\n"), position):
        return False
    return known >= 2 or (known == 1 and not others)
