"""Executable accounts (R11): mail to such an address goes to a program, as a message like all others: kept, retried, visible."""

from __future__ import annotations

from dataclasses import replace

from smsd.codec import template
from smsd.core.postoffice.boxes import LOG_IN, Desk, Postbox
from smsd.core.postoffice.sending import Share, send
from smsd.core.postoffice.settings import ProgramSettings
from smsd.core.postoffice.words import VARIABLES, variables
from smsd.interfaces import MailIn, Posted, Session
from smsd.values.address import Address
from smsd.values.errors import Reason, Refused
from smsd.values.message import Binary, Call, Recipient, Report, Submission, Text

LONGEST_FACT = 65_536
"""Characters of the text in the environment; the whole is on stdin."""


class Program(Postbox):
    """One program's address."""

    settings: ProgramSettings

    def __init__(self, settings: ProgramSettings, desk: Desk) -> None:
        super().__init__(settings, desk)
        self._arguments = [template.parse(text, VARIABLES, url=False) for text in settings.command[1:]]

    @property
    def _recipient(self) -> Recipient:
        return Recipient(Address("program", self.settings.command[0].rpartition("/")[2]), self.address)

    def _account(self, session: Session) -> str | None:
        return self.settings.account or session.account

    def _allowed(self, session: Session, sender: str, anonymous: bool) -> Refused | None:
        if session.account is not None or self.settings.open or session.peer in self._networks:
            return None
        return Refused(Reason.NOT_AUTHENTICATED, LOG_IN)

    async def _reachable(self, session: Session, anonymous: bool) -> Refused | None:
        account = self._account(session)
        if account is not None and self.desk.paying.closed(account) is not None:
            return Refused(Reason.NOT_ALLOWED, f"{self.address} cannot be used at present")
        try:
            await self.desk.dispatcher.vet(session, self._recipient)
        except Refused as refusal:
            self.log.warn("{box}: the program cannot be run: {why}", box=self.address, why=refusal.text)
            return Refused(Reason.NO_GATEWAY, f"{self.address}: no program can be run on this server")
        return None

    async def _deliver(self, mail: MailIn) -> Posted:
        words = variables(mail, self.address, self.desk.now(), self.desk.zone)
        account = self._account(mail.session) or ""
        more = {
            "SMSD_ACCOUNT": account,
            "SMSD_DOOR": mail.session.door,
            "SMSD_MESSAGE_ID": mail.message_id,
            "SMSD_SIZE": str(mail.size),
            "SMSD_ATTACHMENTS": words["attachments"],
        }
        call = self._call(words, "mail", more, f"mailto:{mail.sender}")
        share = Share(self._account(mail.session), (self._recipient,), call, "program")
        return await send(self.desk.dispatcher, self.errand(mail), [share], [])

    def instead(self, submission: Submission, recipient: Recipient) -> Recipient:
        """The recipient for a message that did not come by mail and goes to this address (a rule says so, or a gateway's
        `deliver_to`): the program itself."""
        content = submission.content if recipient.content is None else recipient.content
        if isinstance(content, (Report, Call)) or not self.settings.active:
            return recipient
        about = dict(submission.headers if recipient.headers is None else recipient.headers)
        origin = submission.origin.target
        mail = MailIn(
            Session(submission.door), origin, content.text if isinstance(content, Text) else "", "",
            subject=about.get("subject", ""), from_=about.get("from", "") or origin,
        )  # fmt: skip
        words = variables(mail, self.address, self.desk.now(), self.desk.zone)
        more = {
            "SMSD_NUMBER": origin if submission.origin.scheme == "sms" else "",
            "SMSD_GATEWAY": about.get("gateway", ""),
            "SMSD_ACCOUNT": submission.account or "",
            "SMSD_DOOR": submission.door,
        }
        if isinstance(content, Binary):
            more["SMSD_DATA"] = content.data.hex()
        back = submission.origin if submission.ticket is None else submission.ticket.address
        direction = "incoming" if submission.origin.scheme == "sms" else "outgoing"
        call = self._call(words, direction, more, str(back), about.get("gateway", ""))
        return replace(self._recipient, content=call, trace=recipient.trace)

    def _call(
        self, words: dict[str, str], direction: str, more: dict[str, str], back: str, gateway: str = ""
    ) -> Call:
        """What the program gets: arguments, text, and the message in its environment."""
        named = {
            "SMSD_DIRECTION": direction,
            "SMSD_FROM": words["sender"],
            "SMSD_FROM_NAME": words["from_name"],
            "SMSD_TO": words["address"],
            "SMSD_SUBJECT": words["subject"],
            "SMSD_TEXT": words["text"][:LONGEST_FACT],
            "SMSD_DATE": words["date"][:10],
            "SMSD_TIME": words["date"][11:],
            **more,
        }
        return Call(
            "program",
            self.settings.command[0],
            tuple(argument.render(words).replace("\0", "") for argument in self._arguments),
            words["text"],
            facts=tuple((name, value.replace("\0", "")) for name, value in named.items()),
            reply=back if self.settings.reply and back.partition(":")[0] in ("mailto", "sms") else "",
            gateway=gateway,
            rule=self.address,
        )
