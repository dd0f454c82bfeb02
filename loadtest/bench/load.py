"""The loads: wrk (closed loop), openloop (constant rate), and connections that only wait."""

import json
import os
import re
import resource
import select
import socket
import subprocess
import time

from . import certificate
from .processes import BenchError

ERRORS = ("connect_errors", "read_errors", "write_errors", "status_errors", "timeouts")


def parse_wrk(output):
    """The figures that loadtest/wrk/report.lua printed."""
    for line in reversed(output.splitlines()):
        if line.startswith("JSON "):
            figures = json.loads(line[len("JSON ") :])
            figures["errors"] = sum(figures[kind] for kind in ERRORS)
            figures["requests_per_second"] = figures["requests"] / (figures["duration_us"] / 1e6)
            return figures
    raise BenchError(f"wrk printed no figures: {output.strip()[-500:] or 'nothing at all'}")


def wrk(bench, url, *, seconds, connections, threads=1, cores=None):
    """Runs wrk to its end and returns its figures."""
    arguments = [
        "wrk",
        f"-t{threads}",
        f"-c{connections}",
        f"-d{max(1, round(seconds))}s",
        "--timeout=10s",
        "-s",
        bench.root / "loadtest" / "wrk" / "report.lua",
        url,
    ]
    return parse_wrk(_run(bench, arguments, cores, seconds))


def h2load(bench, url, *, seconds, streams):
    """Runs h2load with one connection to its end and returns its figures."""
    arguments = ["h2load", "--clients=1", "--threads=1", f"--max-concurrent-streams={streams}"]
    arguments += [f"--duration={max(1, round(seconds))}", f"--tls13-ciphers={certificate.SUITE}"]
    return parse_h2load(_run(bench, [*arguments, url], None, seconds))


def parse_h2load(output):
    """The figures in what h2load says, which must be of HTTP/2 over the suite of the comparison."""
    said = {
        key: re.search(rf"^{key}: (.*)$", output, re.MULTILINE)
        for key in ("Application protocol", "Cipher", "requests", "status codes")
    }
    if missing := [key for key, found in said.items() if found is None]:
        raise BenchError(f"h2load said nothing of {', '.join(missing)}: {output.strip()[-500:]}")
    spoken = said["Application protocol"][1], said["Cipher"][1]
    if spoken != ("h2", certificate.SUITE):
        raise BenchError(f"h2load spoke {spoken[0]} over {spoken[1]}")
    counts = {
        word: int(count)
        for key in ("requests", "status codes")
        for count, word in re.findall(r"(\d+) (\w+)", said[key][1])
    }
    rate = re.search(r"^finished in .*?, ([0-9.]+) req/s", output, re.MULTILINE)
    if rate is None or counts["done"] == 0:
        raise BenchError(f"h2load has had no answer: {output.strip()[-500:]}")
    return {
        "requests": counts["done"],
        "requests_per_second": float(rate[1]),
        # Statuses of 400 and more are among those that failed.
        "errors": counts["failed"] + counts["errored"] + counts["timeout"] + counts["3xx"],
    }


def handshakes(bench, running, *, seconds, resume):
    """Runs handshakes to its end and returns its figures; each handshake counts as a request."""
    arguments = [bench.tools["handshakes"], "--json", f"--duration={seconds}"]
    arguments += ["--certificate", certificate.CERTIFICATE, *(["--resume"] if resume else [])]
    output = _run(bench, [*arguments, f"127.0.0.1:{running.port}"], None, seconds)
    return read_handshakes(json.loads(output), resume)


def read_handshakes(figures, resume):
    """The figures of handshakes, which must be of the kind that was wanted."""
    made = figures["full"] + figures["resumed"]
    wanted = figures["resumed" if resume else "full"]
    # Each of the tool's threads begins with a full one.
    if wanted < 0.95 * made or not made:
        kind = "resumed" if resume else "full"
        raise BenchError(
            f"{wanted} of {made} handshakes were {kind}, {figures['failed']} failed: "
            f"{figures['first_failure'] or 'no failure is known'}"
        )
    seconds = figures["duration_us"] / 1e6
    figures |= {"requests": made, "requests_per_second": made / seconds}
    return figures | {"errors": figures["failed"]}


def openloop(bench, url, *, rate, seconds, connections):
    """Runs openloop to its end and returns its figures."""
    arguments = [bench.tools["openloop"], "--json", f"--rate={rate:.1f}"]
    arguments += [f"--connections={connections}", f"--duration={seconds}", "--warmup=1", url]
    return json.loads(_run(bench, arguments, None, seconds + 1))


def _run(bench, arguments, cores, seconds):
    output = bench.folder / "load.stdout"
    process = bench.processes.start("load", arguments, cores or bench.load_cores, output)
    try:
        code = process.popen.wait(seconds + 60)
    except subprocess.TimeoutExpired:
        raise BenchError(f"{arguments[0]} did not end in time") from None
    finally:
        bench.processes.stop(process)
    if code != 0:
        raise BenchError(f"{arguments[0]} ended with code {code}: {process.said()}")
    return output.read_text()


def descriptors_max():
    """Raises this process's bound on descriptors to its hard limit, and returns it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class IdleConnections:
    """Keep-alive connections that have had one answer each and now wait."""

    BATCH_COUNT = 50
    REQUEST = b"GET / HTTP/1.1\r\nhost: bench\r\n\r\n"

    def __init__(self, port, count, is_tls=False):
        self.sockets = []
        self.tls = certificate.client_context() if is_tls else None
        try:
            while len(self.sockets) < count:
                self._open(port, min(self.BATCH_COUNT, count - len(self.sockets)))
        except OSError as error:
            opened = len(self.sockets)
            self.close()
            raise BenchError(f"connection {opened + 1} of {count}: {error}") from None

    def _open(self, port, count):
        batch = []
        for _ in range(count):
            self.sockets.append(socket.create_connection(("127.0.0.1", port), timeout=10))
            if self.tls:
                self.sockets[-1] = self._secured(self.sockets[-1])
            batch.append(self.sockets[-1])
        for one in batch:
            one.sendall(self.REQUEST)
        for one in batch:
            self._read_answer(one)

    def _secured(self, one):
        secured = self.tls.wrap_socket(one, server_hostname=certificate.NAME)
        if (suite := secured.cipher()[0]) != certificate.SUITE:
            raise OSError(f"{suite} is negotiated, not {certificate.SUITE}")
        return secured

    @staticmethod
    def _read_answer(one):
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += _receive(one)
        head, body = answer.split(b"\r\n\r\n", 1)
        lengths = [
            int(line.split(b":")[1])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length:")
        ]
        if not head.startswith(b"HTTP/1.1 200") or len(lengths) != 1:
            raise OSError(f"no plain answer but {head[:200]!r}")
        while len(body) < lengths[0]:
            body += _receive(one)

    def ended_count(self):
        """How many of them the server has closed meanwhile."""
        poll = select.poll()
        for one in self.sockets:
            poll.register(one, select.POLLIN | select.POLLRDHUP)
        return len(poll.poll(0))

    def close(self):
        for one in self.sockets:
            one.close()
        self.sockets.clear()


def _receive(one):
    data = one.recv(65536)
    if not data:
        raise OSError("the connection ended")
    return data


def wait(seconds):
    """Lets what has just happened settle."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        time.sleep(min(left, 0.2))


def all_cores():
    return os.sched_getaffinity(0)
