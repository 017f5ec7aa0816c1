"""Make `twistd smsd` known to twistd. Nothing else belongs here: twistd imports this for every `twistd --help`."""

from twisted.application.service import ServiceMaker

smsd = ServiceMaker("smsd", "smsd.tap", "SMS gateway: mail, HTTP and modems", "smsd")
