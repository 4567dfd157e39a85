"""The jars of Apache Kafka from Maven Central, in `.cache/kafka/VERSION` under the project's root."""

import fcntl
import functools
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streams.brokers.embedded import BrokerStartError

_CACHE = Path(__file__).resolve().parents[2] / ".cache" / "kafka"
_JAVA = 17
_DOWNLOAD_SECONDS = 900.0
_POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>offbeat.tests</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>{version}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-simple</artifactId>
      <version>1.7.36</version>
    </dependency>
  </dependencies>
  <build>
    <plugins>
      <plugin>
        <artifactId>maven-dependency-plugin</artifactId>
        <version>3.8.1</version>
      </plugin>
    </plugins>
  </build>
</project>
"""


@functools.cache
def available() -> str | None:
    """Why Apache Kafka cannot run here; None: it can, as far as can be told without trying."""
    for program, package in (("java", "default-jre-headless"), ("mvn", "maven")):
        if shutil.which(program) is None:
            return f"Apache Kafka needs {program}: apt-get install {package}"
    told = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False)
    version = re.search(r'version "(\d+)', told.stderr)
    if version is None or int(version[1]) < _JAVA:
        return f"Apache Kafka needs Java {_JAVA} or newer, `java -version` says: {told.stderr.strip()!r}"
    return None


def jars(version: str) -> Path:
    """The folder with the jars of this version, downloaded once. Raises BrokerStartError."""
    home = _CACHE / version
    with lock():
        if not home.exists():
            partial = _CACHE / f"{version}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            try:
                _download(version, partial)
                partial.rename(home)  # whole or not at all
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    return home / "jars"


def _download(version: str, folder: Path) -> None:
    (folder / "pom.xml").write_text(_POM.format(version=version))
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={folder / 'jars'}"]
    done = subprocess.run(
        ["mvn", "-q", "-B", "-Dstyle.color=never", "-f", str(folder / "pom.xml"), *goal],
        capture_output=True,
        text=True,
        check=False,
        timeout=_DOWNLOAD_SECONDS,
    )
    if done.returncode:
        raise BrokerStartError(f"Maven could not fetch Apache Kafka {version}:\n{done.stdout[-2000:]}")


@contextmanager
def lock() -> Iterator[None]:
    """One process at a time: several at once would spoil the cache, or start on the same ports."""
    _CACHE.mkdir(parents=True, exist_ok=True)
    fd = os.open(_CACHE / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
