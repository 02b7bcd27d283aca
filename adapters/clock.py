"""Clocks: the machine's, and how the arrival of a line is told."""

import time
from typing import Protocol


class Clock(Protocol):
    """Tells the present moment in milliseconds since 1970."""

    def now(self) -> int:
        """Give the present moment."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        """Give the present moment in milliseconds since 1970."""
        return time.time_ns() // 1_000_000
