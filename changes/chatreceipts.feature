Chats: receipts: accepted answers with a receipt as soon as a text is stored; what a chat server brings back late makes the message failed, as smsd log and smsd explain show (docs/xmpp.rst).
