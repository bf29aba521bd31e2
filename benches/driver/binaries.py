"""The programs under measurement, built from this checkout or given."""
import hashlib
import os
import subprocess
from pathlib import Path
from typing import NamedTuple

from driver import ROOT
from driver.servers import Metrograph


class Program(NamedTuple):
    """A build of Metrograph."""

    name: str
    binary: Path
    digest: str

    def serve(self, database):
        return Metrograph(self.binary, database, self.name)


def program(name, binary):
    return Program(name, binary, digest(binary))


def digest(binary):
    """How its SHA-256 begins."""
    with open(binary, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:10]


def build(release, example):
    """(Metrograph, yardstick, the example `aggregates`). One after the other, so that none gets features that only another
    asks for."""
    # What is shipped is what is measured.
    options = ["--profile", "dist"] if release else []
    targets = [["--package", "metrograph"], ["--package", "yardstick"]]
    if example:
        targets.append(["--package", "metrograph", "--example", "aggregates"])
    for target in targets:
        subprocess.run(["cargo", "build", "--locked", *target, *options], cwd=ROOT, check=True)
    folder = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / ("dist" if release else "debug")
    return folder / "metrograph", folder / "yardstick", aggregates_beside(folder / "metrograph")


def aggregates_beside(metrograph):
    """The example `aggregates` of the same build; None if it was not built."""
    binary = metrograph.parent / "examples" / "aggregates"
    return binary if binary.exists() else None
