"""Talk to the running server over its control socket (`smsd.frontends.control` has the protocol)."""

from __future__ import annotations

import argparse
import json
import os
import socket
from typing import Any

from smsd.config.places import find_configuration
from smsd.config.positions import ConfigError, read_file

DONE, REFUSED, USAGE, NO_SERVER = 0, 1, 2, 3
"""Exit codes: done; the server (or the file) said no, and why; the command was misspelt; no server answers."""

SECONDS = 60.0


class Refusal(Exception):
    """The server declined; the text is its reason."""


class NoServer(Exception):
    """Nobody answers at the control socket; the text says where, and what to do."""


def socket_path(options: argparse.Namespace) -> str:
    """Where the server's control socket is: --control, else what the configuration says."""
    if options.control:
        return str(options.control)
    path = find_configuration(options.config, os.environ)
    data = read_file(path).data
    server, control = data.get("server"), data.get("control")
    folder = server.get("folder") if isinstance(server, dict) else None
    name = control.get("path") if isinstance(control, dict) else None
    base = os.path.join(os.path.dirname(os.path.abspath(path)), folder or "var")
    return os.path.normpath(os.path.join(base, name or "control.sock"))


def call(options: argparse.Namespace, verb: str, **arguments: Any) -> Any:
    """The result of a verb; Refusal or NoServer."""
    try:
        path = socket_path(options)
    except ConfigError as error:
        raise NoServer(f"{error}\nor name the control socket itself with --control") from None
    question = json.dumps({"verb": verb, "args": arguments}).encode() + b"\n"
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(SECONDS)
            connection.connect(path)
            connection.sendall(question)
            with connection.makefile("rb") as answers:
                line = answers.readline()
    except PermissionError:
        raise NoServer(f"{path} is not yours to open: become the user who runs the server, or root") from None
    except TimeoutError:
        raise NoServer(f"the server at {path} does not answer") from None
    except OSError as error:
        raise NoServer(
            f"no server runs here ({path}: {error.strerror or error}); start it with: twistd smsd -c FILE, "
            "or name its configuration with: smsd -c FILE …"
        ) from None
    if not line:
        raise NoServer(f"the server at {path} closed the connection without an answer")
    answer = json.loads(line)
    if not answer["ok"]:
        raise Refusal(answer["error"])
    return answer["result"]
