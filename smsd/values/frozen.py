"""Values that are made for every message: frozen for the type checker, and quick to make.

A frozen dataclass assigns each field through `object.__setattr__`, which for the dozen values that one message needs took
a tenth of all its time. mypy refuses assignments to the fields of a `frozen` class as it does for a frozen dataclass; at
run time it is an ordinary dataclass with slots, equality and a hash.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

T = TypeVar("T")

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform

    @dataclass_transform(frozen_default=True, field_specifiers=(field,))
    def frozen(cls: type[T]) -> type[T]:
        """See below."""
        return cls

else:

    def frozen(cls):
        """Make a value class of `cls`."""
        return dataclass(slots=True, unsafe_hash=True)(cls)
