"""Secrets in files. They are read whenever they are needed, so that they may be changed."""

from pathlib import Path

LONGEST = 1 << 16
"""Characters; OAuth tokens have a few thousand."""


class SettingsError(ValueError):
    """A setting is wrong: one line with its place, its key and what is allowed; whoever runs this mends it."""


def read_secret(key: str, file: Path) -> str:
    """What the file of the setting `key` holds, without its last line break. Raises SettingsError."""
    try:
        with file.open(encoding="utf-8") as opened:
            secret = opened.read(LONGEST + 1).rstrip("\r\n")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8"
        raise SettingsError(f"{key}: {file} cannot be read: {why}; give a readable file") from None
    what = key.rpartition(".")[2].removesuffix("_file").replace("_", " ")
    if len(secret) > LONGEST:
        raise SettingsError(f"{key}: {file} is no {what}; give a file that holds it")
    if not secret:
        raise SettingsError(f"{key}: {file} is empty; write the {what} into it")
    return secret
