Phones are contacts in chat programs: smsd is a component of an XMPP server; SMS and mail are written from chats, and answers, receipts and failures come back there (docs/xmpp.rst).
