"""smsd: a multi-protocol SMS and fax gateway. `docs/architecture.rst` shows the rooms of this house."""

__version__ = "0.1.0"
