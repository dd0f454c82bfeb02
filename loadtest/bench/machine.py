"""What a result must say of where it was measured."""

import json
import os
import platform
import re
import subprocess
from pathlib import Path


def describe(root, binary):
    """The machine, the kernel, the versions and the commit, as a dictionary of texts."""
    commit = _first_line(["git", "-C", root, "rev-parse", "--short=12", "HEAD"])
    changed = _output(["git", "-C", root, "status", "--porcelain", "--untracked-files=no"])
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": _memory(),
        "kernel": f"{platform.system()} {platform.release()}",
        "commit": commit + (" with changes" if changed.strip() else ""),
        "shardgate": _first_line([binary, "version"]).removeprefix("shardgate: "),
        "io driver": _driver(binary),
        "nginx": _version(["nginx", "-v"], r"nginx/(\S+)"),
        "nginx's TLS": _version(["nginx", "-V"], r"(?s).*(?:built|running) with (\w+ \S+)"),
        "haproxy": _version(["haproxy", "-v"], r"version (\S+)"),
        "wrk": _version(["wrk", "-v"], r"wrk \S*?([0-9][0-9.]+)"),
        "h2load": _version(["h2load", "--version"], r"nghttp2/(\S+)"),
    }


def _output(arguments):
    try:
        done = subprocess.run(
            [str(argument) for argument in arguments], capture_output=True, text=True, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout + done.stderr


def _first_line(arguments):
    return (_output(arguments).splitlines() or ["unknown"])[0]


def _version(arguments, pattern):
    found = re.search(pattern, _output(arguments))
    return found.group(1) if found else "not installed"


def _driver(binary):
    try:
        choice = json.loads(_output([binary, "doctor", "--json"]))["choice"]
    except (ValueError, KeyError):
        return "unknown"
    return " + ".join([choice["driver"], *choice["ring_flags"]])


def _processor():
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found.group(1).strip() if found else platform.machine()


def _memory():
    found = re.search(r"^MemTotal:\s*(\d+) kB", Path("/proc/meminfo").read_text())
    return f"{int(found.group(1)) / 1048576:.0f} GiB" if found else "unknown"
