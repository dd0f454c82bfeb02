"""The loads: wrk (closed loop), openloop (constant rate), and connections that only wait."""

import json
import os
import resource
import select
import socket
import subprocess
import time

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


def openloop(bench, url, *, rate, seconds, connections):
    """Runs openloop to its end and returns its figures."""
    binary = bench.openloop_binary()
    arguments = [binary, "--json", f"--rate={rate:.1f}", f"--connections={connections}"]
    arguments += [f"--duration={seconds}", "--warmup=1", url]
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

    def __init__(self, port, count):
        self.sockets = []
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
            batch.append(socket.create_connection(("127.0.0.1", port), timeout=10))
            self.sockets.append(batch[-1])
        for one in batch:
            one.sendall(self.REQUEST)
        for one in batch:
            self._read_answer(one)

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
