"""What the cases need besides servers: programs of Debian, and this repository's own, built."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from .processes import BenchError

#: By case; wrk alone where nothing is said.
NEEDED = {
    "latency": ("wrk", "openloop"),
    "h2": ("openssl", "h2load"),
    "tls": ("openssl", "wrk"),
    "tls-body-1m": ("openssl", "wrk"),
    "tls-handshakes": ("openssl", "handshakes"),
    "tls-resumed": ("openssl", "handshakes"),
    "tls-idle-memory": ("openssl",),
}
PACKAGES = {"wrk": "wrk", "h2load": "nghttp2-client", "openssl": "openssl"}
OWN = ("openloop", "handshakes", "function")


def needed_by(cases):
    """The names of all tools that these cases need, each once."""
    return sorted({tool for case in cases for tool in NEEDED.get(case, ("wrk",))})


def prepare(root, names, no_build):
    """The path of each tool. Fails for any that is missing, before anything is measured."""
    return {
        name: _build(root, name, no_build) if name in OWN else _find(name) for name in names
    }


def _find(name):
    path = shutil.which(name)
    if path is None:
        raise BenchError(f"{name} is not installed; Debian's package is {PACKAGES[name]}")
    return Path(path)


def _build(root, name, no_build):
    package = root / "loadtest" / name
    manifest = package / "Cargo.toml"
    if not no_build:
        build(root, ["--manifest-path", manifest])
    path = target(package) / "release" / name
    if not path.exists():
        raise BenchError(
            f"{path} is missing: leave --no-build out, or build it with "
            f"`cargo build --release --locked --manifest-path {manifest}`"
        )
    return path


def target(package):
    """Where cargo puts what it builds of a package."""
    return Path(os.environ.get("CARGO_TARGET_DIR", package / "target")).resolve()


def build(root, arguments):
    """cargo build --release, quietly unless it fails."""
    command = ["cargo", "build", "--release", "--locked", *map(str, arguments)]
    print(f"{' '.join(command)} ...", file=sys.stderr)
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if done.returncode != 0:
        raise BenchError(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
