"""A door with nothing of its own."""

from typing import Any

from smsd.config.settings import FrontendSettings


class Settings(FrontendSettings):
    """As every door."""

    limit: int = 10


def make(settings: Settings, context: Any) -> Any:
    """Not needed by the tests."""
    raise NotImplementedError
