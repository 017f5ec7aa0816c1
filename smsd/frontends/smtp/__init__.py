"""The mail door (`type: smtp`): an SMS for each recipient of a mail.

`lines` keeps order on the connection, `protocol` knows the commands, `commands` and `addresses` read their arguments,
`body` finds the lone dot, `auth` and `login` know passwords, `transaction` lets recipients in and hands the mail in as
`making` makes it, `answer` says what became of it, `factory` is the service. It holds no policy: what may be sent the
dispatcher says.
"""

from __future__ import annotations

from smsd.frontends.smtp.factory import DoorFactory, MailDoor, make
from smsd.frontends.smtp.settings import Settings

__all__ = ["DoorFactory", "MailDoor", "Settings", "make"]
