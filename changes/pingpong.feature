A program in a chat (on a SIP phone, behind a mailbox) and a phone that answer each other at once are stopped after 50 answers in an hour, ``replies.answers_at_once`` (docs/answers.rst).
