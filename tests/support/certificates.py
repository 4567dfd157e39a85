"""A certificate authority for tests, by openssl."""

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

OPENSSL = shutil.which("openssl")


class Certificate(NamedTuple):
    """PEM files."""

    certificate: Path
    key: Path

    @property
    def both(self) -> Path:
        """One file of key and certificate, as Kafka wants it."""
        file = self.key.with_suffix(".both.pem")
        file.write_text(self.key.read_text() + self.certificate.read_text())
        return file


class Authority:
    """Signs certificates that hold for a day; its files are in `folder`, which must exist."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self._own = self._key(name)
        extensions = ["-addext", "keyUsage=critical,keyCertSign"]
        _openssl("req", "-x509", "-days", "1", *self._named(name, self._own), "-out", self.ca, *extensions)

    @property
    def ca(self) -> Path:
        """What those trust who trust it."""
        return self._own.certificate

    def sign(self, name: str, *places: str, over: bool = False) -> Certificate:
        """A certificate of this common name, for places such as `IP:127.0.0.1`; `over`: it has expired."""
        made = self._key(name)
        request = made.key.with_suffix(".request.pem")
        _openssl("req", "-new", *self._named(name, made), "-out", request)
        extensions = made.key.with_suffix(".extensions")
        extensions.write_text(f"subjectAltName={','.join(places)}\n" if places else "basicConstraints=CA:FALSE\n")
        signed: list[str | Path] = ["-CA", self._own.certificate, "-CAkey", self._own.key, "-extfile", extensions]
        days = "-1" if over else "1"
        _openssl("x509", "-req", "-in", request, "-out", made.certificate, *signed, "-days", days)
        return made

    def _key(self, name: str) -> Certificate:
        found = Certificate(self._folder / f"{name}.pem", self._folder / f"{name}.key.pem")
        _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", found.key)
        return found

    def _named(self, name: str, of: Certificate) -> list[str | Path]:
        return ["-subj", f"/CN={name}", "-key", of.key]


def _openssl(*arguments: str | Path) -> None:
    assert OPENSSL is not None
    done = subprocess.run([OPENSSL, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
