"""Getting the real Elasticsearch and a JDK to run it on: the core distribution that Elastic publishes as a Maven
artifact, unpacked once into a cache folder, and a search for a JDK new enough.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import re
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from config.errors import DroplineError

VERSION = "9.5.0"
_ARTIFACT = f"org.elasticsearch.distribution.integ-test-zip:elasticsearch:{VERSION}:zip"
_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:2.8"
_SHA256 = "db0e275fd790f723eca7bcde96069fd6fed304ad23afdb70c8c09553dd9e8b1b"
_OLDEST_JDK = 21
JAVA_FOLDERS = ("/usr/lib/jvm/*", "/opt/java/*", "/Library/Java/JavaVirtualMachines/*/Contents/Home")


@dataclass(frozen=True)
class Jdk:
    """A Java home folder and the major version in it."""

    home: Path
    major: int


def find_jdk(environment: Mapping[str, str]) -> Jdk:
    """The first JDK >= 21 of ES_JAVA_HOME, JAVA_HOME, the usual folders and PATH. DroplineError names what was seen."""
    seen: list[str] = []
    for where, home in _java_homes(environment):
        major, fault = _read_release(home)
        if fault is None:
            return Jdk(home, major)
        seen.append(f"{where} ({home}): {fault}")
    raise DroplineError(
        f"Elasticsearch {VERSION} needs a JDK of version {_OLDEST_JDK} or newer, and none was found"
        + (f" ({'; '.join(dict.fromkeys(seen))})." if seen else "."),
        remedy="Install one (Debian 13: `apt-get install openjdk-21-jdk-headless`; Debian 12 has none above 17: take "
        "Eclipse Temurin's package or archive) and set ES_JAVA_HOME to its folder.",
    )


def cached_elasticsearch(environment: Mapping[str, str]) -> Path | None:
    """Home folder of the unpacked server if it was fetched before."""
    home = cache_folder(environment) / f"elasticsearch-{VERSION}"
    return home if (home / "bin" / "elasticsearch").is_file() else None


def fetch_elasticsearch(environment: Mapping[str, str], report: Callable[[str], None]) -> Path:
    """Home folder of the unpacked server; fetched by Maven at first use (130 MB). Raises DroplineError with remedy."""
    if (found := cached_elasticsearch(environment)) is not None:
        return found
    cache = cache_folder(environment)
    home = cache / f"elasticsearch-{VERSION}"
    maven = shutil.which("mvn", path=environment.get("PATH"))
    if maven is None:
        raise DroplineError(
            f"Elasticsearch {VERSION} is not in {cache} yet, and Maven, which fetches it, was not found.",
            remedy="Run `make elasticsearch`, or install Maven (`apt-get install maven`).",
        )
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DroplineError(f"cannot make the cache folder: {error}.", remedy="Set DROPLINE_CACHE.") from error
    with tempfile.TemporaryDirectory(dir=cache, prefix="fetch-") as name:
        scratch = Path(name)
        scratch.chmod(0o755)
        report(f"Fetching Elasticsearch {VERSION} (130 MB) into {cache}")
        _copy_artifact(maven, scratch, environment)
        _unpack(scratch / f"elasticsearch-{VERSION}.zip", scratch)
        # One rename at the end: a broken fetch leaves nothing behind that looks finished.
        try:
            (scratch / home.name).rename(home)
        except OSError:
            if cached_elasticsearch(environment) is None:  # otherwise another process was faster
                raise
    return home


def cache_folder(environment: Mapping[str, str]) -> Path:
    """DROPLINE_CACHE, or the platform's cache folder: the system's for root, whose server runs as another user."""
    if environment.get("DROPLINE_CACHE"):
        return Path(environment["DROPLINE_CACHE"]).absolute()
    return platformdirs.site_cache_path("dropline") if os.geteuid() == 0 else platformdirs.user_cache_path("dropline")


def unprivileged_user(*needs: Path) -> tuple[int, int] | None:
    """(uid, gid) to start the server as, None for our own: Elasticsearch refuses root. DroplineError where it cannot.

    `needs`: folders which that user must be able to reach.
    """
    if os.geteuid() != 0:
        return None
    try:
        user = pwd.getpwnam("nobody")
    except KeyError as error:
        raise DroplineError(
            "Elasticsearch refuses to run as root, and there is no user `nobody` to run it as.",
            remedy="Run this as an ordinary user.",
        ) from error
    for folder in needs:
        for part in (folder, *folder.resolve().parents):
            if not part.stat().st_mode & 0o001:
                raise DroplineError(
                    f"the user `nobody`, who runs Elasticsearch for root, cannot enter {part}.",
                    remedy="Set DROPLINE_CACHE (server), ES_JAVA_HOME (JDK) or TMPDIR to a folder open to all, "
                    "or run this as an ordinary user.",
                )
    return user.pw_uid, user.pw_gid


def _java_homes(environment: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    for name in ("ES_JAVA_HOME", "JAVA_HOME"):
        if environment.get(name):
            yield name, Path(environment[name])
    for pattern in JAVA_FOLDERS:
        root, _, rest = pattern.partition("*")
        for home in sorted({path.resolve() for path in Path(root).glob("*" + rest) if (path / "bin/java").is_file()}):
            yield "found", home
    java = shutil.which("java", path=environment.get("PATH"))
    if java is not None:
        yield "java on PATH", Path(java).resolve().parents[1]


def _read_release(home: Path) -> tuple[int, str | None]:
    """Major version of a Java home and, where it does not do, the reason. Read from its `release` file."""
    try:
        text = (home / "release").read_text(errors="replace")
    except OSError:
        return 0, "has no readable `release` file, so it is no JDK"
    version = re.search(r'^JAVA_VERSION="(?:1\.)?(\d+)', text, re.MULTILINE)
    if version is None or not (home / "bin" / "java").is_file():
        return 0, "is no JDK"
    major = int(version[1])
    if major < _OLDEST_JDK:
        return major, f"version {major} is too old"
    modules = re.search(r'^MODULES="([^"]*)"', text, re.MULTILINE)
    # A cut-down runtime starts and then dies on a missing module.
    if modules is not None and "jdk.jlink" not in modules[1].split():
        return major, "is a reduced runtime without jdk.jlink, not a JDK"
    return major, None


def _copy_artifact(maven: str, folder: Path, environment: Mapping[str, str]) -> None:
    # Two goals: `get` alone leaves the file in Maven's own repository, whose place is a matter of its settings.
    get = [f"{_PLUGIN}:get", f"-Dartifact={_ARTIFACT}", "-Dtransitive=false"]
    copy = [f"{_PLUGIN}:copy", f"-Dartifact={_ARTIFACT}", f"-DoutputDirectory={folder}"]
    for goal in (get, copy):
        try:
            done = subprocess.run(  # noqa: S603
                [maven, "--batch-mode", *goal],
                cwd=folder,
                env=dict(environment),
                capture_output=True,
                text=True,
                timeout=900,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise DroplineError("Maven did not finish within 15 minutes.", remedy="Try again.") from error
        if done.returncode != 0:
            errors = [line for line in done.stdout.splitlines() if line.startswith("[ERROR]")][:3]
            raise DroplineError(
                f"Maven could not fetch Elasticsearch {VERSION}: " + " ".join(errors or [done.stderr.strip()]),
                remedy="Check the network and Maven's settings, then try again.",
            )


def _unpack(archive: Path, folder: Path) -> None:
    with archive.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != _SHA256:
        raise DroplineError(f"the fetched Elasticsearch has SHA-256 {digest}, expected {_SHA256}.", file=archive.name)
    with zipfile.ZipFile(archive) as bundle:
        for member in bundle.infolist():
            path = Path(bundle.extract(member, folder))
            # zipfile drops permissions; the server's user must read all of it, and run what is to be run
            executable = member.external_attr >> 16 & 0o111 or member.is_dir()
            path.chmod(0o755 if executable else 0o644)
