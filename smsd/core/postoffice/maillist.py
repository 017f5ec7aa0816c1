"""Mailing lists (S5, U8): mail to such an address goes to every member."""

from __future__ import annotations

from smsd.core.postoffice.boxes import LOG_IN, Desk, Sending, notice_of_attachments
from smsd.core.postoffice.members import folded, folded_domain
from smsd.core.postoffice.settings import SENDER, ListSettings
from smsd.core.postoffice.words import variables
from smsd.interfaces import MailIn, Posted, Session
from smsd.values.errors import Reason, Refused
from smsd.values.message import Text


class MailList(Sending):
    """One list. Who writes as an address or from a domain is believed, unless `networks` says from where."""

    settings: ListSettings

    def __init__(self, settings: ListSettings, desk: Desk) -> None:
        super().__init__(settings, desk, [one.get_secret_value() for one in settings.members], settings.file)
        said = [one.lower() for one in settings.senders if not one.lower().startswith("account:")]
        self._everybody = "everybody" in said
        self._authenticated = "authenticated" in said
        self._accounts = {
            one.partition(":")[2] for one in settings.senders if one.lower().startswith("account:")
        }
        self._addresses = {folded(one) for one in said if "@" in one[1:]}
        self._domains = {folded_domain(one.removeprefix("@")) for one in said if "@" not in one[1:]}

    def _allowed(self, session: Session, sender: str, anonymous: bool) -> Refused | None:
        account = session.account
        if account is not None and (self._authenticated or account in self._accounts):
            return None
        if account is not None or not self._networks or session.peer in self._networks:
            who = folded(sender)
            if self._everybody or who in self._addresses or who[1] in self._domains:
                return None
        if account is None and (self._authenticated or self._accounts):
            return Refused(Reason.NOT_AUTHENTICATED, LOG_IN)
        return Refused(Reason.NOT_ALLOWED, f"{sender or '<>'} may not write to {self.address}")

    async def _deliver(self, mail: MailIn) -> Posted:
        prefix = self.settings.subject_prefix
        subject, sms = mail.subject, mail.sms
        if prefix and prefix.lower() not in subject.lower():
            subject = f"{prefix} {subject}".strip()
            if mail.titled:
                sms = f"{prefix} {sms}"
        words = variables(mail, self.address, self.desk.now(), self.desk.zone)
        reply_to = self.settings.reply_to
        named = [("from_name", words["from_name"])]
        if reply_to not in (None, SENDER):
            named.append(("reply_to", str(reply_to)))
        text = mail.text + notice_of_attachments(mail)
        return await self.send(mail, Text(sms), text, tuple(named), subject)
