Whom an alert asks in a chat or on a SIP phone (``to: ["xmpp:ann@example.org"]``) answers it there, as phones do by SMS (docs/alerts.rst).
