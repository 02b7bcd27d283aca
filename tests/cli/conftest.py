"""What all tests of commands share."""

import pytest


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the tests are run in, what is piped is as wide as what nobody looks at."""
    monkeypatch.setenv("COLUMNS", "160")
