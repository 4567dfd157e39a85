"""What was fetched is decoded a portion at a time: here so few at once that every log has several portions."""

import pytest

from streams.flow import reader


@pytest.fixture(autouse=True)
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "PORTION", 2)
