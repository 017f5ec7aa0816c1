"""Where files are: the configuration when nobody names one, and the data files that smsd brings along."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Mapping

from smsd.config.positions import ConfigError, Problem

USUAL = ("etc/smsd.yaml", "smsd.yaml", "/etc/smsd/smsd.yaml")


def find_configuration(named: str | None, environ: Mapping[str, str]) -> str:
    """`named`, else what SMSD_CONFIG names, else the first of the usual places; ConfigError when there is none."""
    chosen = named or environ.get("SMSD_CONFIG")
    if chosen:
        return chosen
    for path in USUAL:
        if os.path.isfile(path):
            return path
    wrong = f"there is no configuration ({', '.join(USUAL)})"
    raise ConfigError(
        [Problem("smsd", 0, 0, "", wrong, f"copy {find_data('smsd.yaml')} and name it with -c")]
    )


def find_data(name: str, beside: str | None = None) -> str:
    """The path of a data file: beside the configuration file `beside`, as installed, or in the checkout.

    The first that exists; when none does, the path where an installation would have it.
    """
    checkout = os.path.join(os.path.dirname(__file__), "..", "..", "etc")
    installed = os.path.join(sysconfig.get_path("data"), "etc", "smsd", name)
    folders = [os.path.dirname(os.path.abspath(beside))] if beside else []
    for path in (
        *(os.path.join(folder, name) for folder in folders),
        installed,
        os.path.join(checkout, name),
    ):
        if os.path.isfile(path):
            return os.path.normpath(path)
    return installed
