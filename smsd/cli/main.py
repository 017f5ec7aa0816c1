"""`smsd`: the parser, the verbs' modules, and the exit code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from smsd import __version__
from smsd.cli import (
    account,
    audit,
    callbacks,
    credit,
    explain,
    icewarp,
    jobs,
    messages,
    rules,
    server,
    template,
    timed,
    token,
)
from smsd.cli.client import DONE, NO_SERVER, REFUSED, NoServer, Refusal
from smsd.config.positions import ConfigError

EPILOG = """\
first steps:
  twistd -n smsd -c etc/smsd.yaml         start the server in the foreground (it tells what to try)
  smsd check etc/smsd.yaml                look for mistakes in a configuration
  smsd send +15551234567 Hello            send a message
  smsd send --file list.csv               send a list: checked first, then watched (smsd job)
  smsd status                             how the gateways are, and what waits
  smsd log                                what was sent, and what became of it
  smsd queue show 911813352047513600      everything about one delivery
  smsd explain 911813352047513600         why it went where it went
  smsd rules list                         the rules; export and import make files of them
  smsd price --to +15551234567 --text Hi  what a text would become and cost
  smsd credit show                        what prepaid accounts have left
  smsd template clickatell --text Hi      what an HTTP gateway would request
  smsd token create shop                  let a program use the API
  smsd import icewarp DIR                 take over the accounts of an IceWarp server
  smsd audit --since 7d                   who changed what
  smsd set expire_minutes 1440            change a setting while the server runs
  smsd simulate phone                     be the phone at the other end of the simulated modem

The verbs that need the running server find it through its configuration: -c FILE, else $SMSD_CONFIG, etc/smsd.yaml,
smsd.yaml or /etc/smsd/smsd.yaml. Exit codes: 0 done, 1 refused (with the reason), 2 misspelt, 3 no server answers.
"""


class _Parser(argparse.ArgumentParser):
    """Keeps the line breaks of examples; takes the common options after the verb as well as before it."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(**options)
        if options.get("add_help", True):
            default = None if options.get("prog") == "smsd" else argparse.SUPPRESS
            _common(self, default)


def _common(parser: argparse.ArgumentParser, default: Any) -> None:
    add = parser.add_argument
    add("-c", "--config", metavar="FILE", default=default, help="the configuration of the server")
    add("--control", metavar="SOCKET", default=default, help="its control socket, instead of -c")
    add("--json", action="store_true", default=default, help="print JSON")


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = _Parser(prog="smsd", description="The command of the SMS gateway smsd.", epilog=EPILOG)
    top.add_argument("--version", action="version", version=f"smsd {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    messages.add(commands)
    jobs.add(commands)
    explain.add(commands)
    rules.add(commands)
    timed.add(commands)
    template.add(commands)
    credit.add(commands)
    account.add(commands)
    audit.add(commands)
    callbacks.add(commands)
    icewarp.add(commands)
    token.add(commands)
    server.add(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    top = parser()
    options, rest = top.parse_known_args(given)
    if options.command == "simulate":
        options.rest += rest
    elif options.command == "account" and "settings" in options and all(map(account.is_setting, rest)):
        options.settings += rest  # those behind an option
    elif rest:
        top.error(f"not understood: {' '.join(rest)}")
    if options.command is None:
        top.print_help()
        return DONE
    try:
        result: int = options.run(options)
    except (Refusal, ConfigError) as error:
        print(f"smsd {options.command}: {error}", file=sys.stderr)
        return REFUSED
    except NoServer as error:
        print(f"smsd {options.command}: {error}", file=sys.stderr)
        return NO_SERVER
    except BrokenPipeError:
        sys.stderr.close()
        return DONE
    except KeyboardInterrupt:
        return 130
    return result
