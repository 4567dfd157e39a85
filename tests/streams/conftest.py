"""What tests of streams share."""

import os
from pathlib import Path

import pytest


@pytest.fixture
def own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings but those of the test."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("OFFBEAT_"):
            monkeypatch.delenv(name)
