"""The programs under measurement, built from this checkout."""
import os
import subprocess

from driver import ROOT


def build(release):
    """(Metrograph, yardstick). One after the other, so that neither gets features that only the other asks for."""
    # What is shipped is what is measured.
    options = ["--profile", "dist"] if release else []
    for package in ("metrograph", "yardstick"):
        subprocess.run(["cargo", "build", "--locked", "--package", package, *options], cwd=ROOT, check=True)
    folder = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / ("dist" if release else "debug")
    return folder / "metrograph", folder / "yardstick"
