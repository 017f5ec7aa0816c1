"""Notifications (S6): mail to such an address becomes an SMS made from a text with variables."""

from __future__ import annotations

from smsd.codec import template
from smsd.core.postoffice.boxes import LOG_IN, Desk, Sending, notice_of_attachments
from smsd.core.postoffice.settings import NotificationSettings
from smsd.core.postoffice.words import VARIABLES, variables
from smsd.interfaces import MailIn, Posted, Session
from smsd.values.errors import Reason, Refused
from smsd.values.message import Text


class Notification(Sending):
    """One notification address."""

    settings: NotificationSettings

    def __init__(self, settings: NotificationSettings, desk: Desk) -> None:
        super().__init__(settings, desk, [one.get_secret_value() for one in settings.to])
        self._text = template.parse(settings.text, VARIABLES, url=False)

    def _allowed(self, session: Session, sender: str, anonymous: bool) -> Refused | None:
        if session.account is not None or self.settings.open or session.peer in self._networks:
            return None
        if anonymous and self.settings.account is None:  # nobody pays, as for a mail to the number itself
            return None
        return Refused(Reason.NOT_AUTHENTICATED, LOG_IN)

    async def _deliver(self, mail: MailIn) -> Posted:
        words = variables(mail, self.address, self.desk.now(), self.desk.zone)
        text = self._text.render(words).strip() or f"(empty mail from {words['sender'] or 'nobody'})"
        named = (("from_name", words["from_name"]),)
        return await self.send(mail, Text(text), text + notice_of_attachments(mail), named, mail.subject)
