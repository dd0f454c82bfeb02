"""Starts processes, reads what they cost from /proc, and ends every one of them, by its id."""

import ctypes
import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
STOP_SECONDS = 10
PR_SET_PDEATHSIG = 1


class BenchError(Exception):
    """What keeps a measurement from being made, in words for people."""


@dataclass(frozen=True)
class Cpu:
    """CPU time of a process tree, in seconds."""

    user: float
    system: float

    @property
    def total(self):
        return self.user + self.system

    def __sub__(self, earlier):
        return Cpu(self.user - earlier.user, self.system - earlier.system)


@dataclass(frozen=True)
class Usage:
    """What a process tree has spent so far: by the clock's ticks, and by the scheduler's count."""

    cpu: Cpu
    #: Nanoseconds by thread; empty on kernels that do not tell.
    run_ns: dict

    def since(self, earlier):
        """The time between: to the nanosecond, unless a thread has ended meanwhile, whose time
        only the ticks still hold. They also say how it splits into user and system."""
        ticks = self.cpu - earlier.cpu
        if not earlier.run_ns or earlier.run_ns.keys() - self.run_ns.keys():
            return ticks
        total = (sum(self.run_ns.values()) - sum(earlier.run_ns.values())) / 1e9
        user = total * ticks.user / ticks.total if ticks.total else 0.0
        return Cpu(user, total - user)


@dataclass(frozen=True)
class Stat:
    """What /proc/PID/stat tells of a process."""

    pid: int
    parent: int
    cpu: Cpu
    resident_bytes: int
    #: In clock ticks since the machine started. With the id it names a process for good.
    started: int
    is_zombie: bool


def parse_stat(text):
    """Reads a line of /proc/PID/stat. The time of children that have ended and were waited for
    counts as their parent's."""
    # The name is in parentheses and may hold anything, parentheses and spaces included.
    fields = text[text.rindex(")") + 2 :].split()
    user = (int(fields[11]) + int(fields[13])) / TICKS_PER_SECOND
    system = (int(fields[12]) + int(fields[14])) / TICKS_PER_SECOND
    return Stat(
        pid=int(text.split(maxsplit=1)[0]),
        parent=int(fields[1]),
        cpu=Cpu(user, system),
        resident_bytes=int(fields[21]) * PAGE_BYTES,
        started=int(fields[19]),
        is_zombie=fields[0] == "Z",
    )


def read_stat(pid):
    """The process with this id; None if there is none."""
    try:
        return parse_stat(Path("/proc", str(pid), "stat").read_text())
    except (FileNotFoundError, ProcessLookupError):
        return None


def read_tree(root):
    """`root` and all that descend from it."""
    known = [read_stat(entry) for entry in os.listdir("/proc") if entry.isdigit()]
    known = {stat.pid: stat for stat in known if stat is not None}
    tree, frontier = [], [root]
    while frontier:
        stat = known.get(frontier.pop())
        if stat is not None:
            tree.append(stat)
            frontier += [child.pid for child in known.values() if child.parent == stat.pid]
    return tree


def read_run_ns(pid):
    """Nanoseconds that each thread of a process has run, by the thread's id."""
    run_ns = {}
    try:
        for task in Path("/proc", str(pid), "task").iterdir():
            run_ns[int(task.name)] = int((task / "schedstat").read_text().split()[0])
    except (FileNotFoundError, ProcessLookupError):
        pass  # what has just ended, or a kernel without
    return run_ns


class Process:
    """One process that this run has started, with all that it starts."""

    def __init__(self, name, popen, errors):
        self.name, self.popen, self.errors = name, popen, errors

    @property
    def pid(self):
        return self.popen.pid

    def usage(self):
        tree = read_tree(self.pid)
        cpu = Cpu(sum(one.cpu.user for one in tree), sum(one.cpu.system for one in tree))
        run_ns = {}
        for one in tree:
            run_ns |= read_run_ns(one.pid)
        return Usage(cpu, run_ns)

    def resident_bytes(self):
        return sum(one.resident_bytes for one in read_tree(self.pid))

    def check_alive(self):
        if self.popen.poll() is not None:
            raise BenchError(f"{self.name} ended with code {self.popen.returncode}: {self.said()}")

    def said(self):
        """The end of what it wrote to standard error."""
        return self.errors.read_text(errors="replace").strip()[-2000:] or "it said nothing"

    def signal(self, number):
        os.kill(self.pid, number)

    def stop(self, seconds=STOP_SECONDS):
        """Ends the tree: asks, asks again, then kills. No process of it outlives this call."""
        tree = read_tree(self.pid)
        for patience in (seconds, seconds / 5):
            if self.popen.poll() is None:
                self.popen.send_signal(signal.SIGTERM)
                try:
                    self.popen.wait(patience)
                except subprocess.TimeoutExpired:
                    continue
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait()
        for child in tree[1:]:
            # A child may end a moment after its parent; one that does not is killed.
            if not _wait_for_end(child):
                os.kill(child.pid, signal.SIGKILL)
                _wait_for_end(child)


def _wait_for_end(process, seconds=2):
    """Whether the process has ended within that time. Its id may have gone to another since."""
    deadline = time.monotonic() + seconds
    while True:
        now = read_stat(process.pid)
        if now is None or now.started != process.started or now.is_zombie:
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.01)


class Processes:
    """All processes of a run. Leaving the context ends those that still run, last ones first."""

    def __init__(self, folder):
        self.folder, self.running, self.started_count = folder, [], 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.running):
            process.stop()
        self.running.clear()

    def start(self, name, arguments, cores, output=None):
        """Starts a program on `cores`. Its output goes to the file `output`, or nowhere."""
        self.started_count += 1
        errors = self.folder / f"{self.started_count:04}-{name}.stderr"
        libc = ctypes.CDLL(None)

        def prepare():
            os.sched_setaffinity(0, cores)
            # Should this script be killed, what it has started ends too.
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

        with open(output or os.devnull, "wb") as out, open(errors, "wb") as err:
            try:
                popen = subprocess.Popen(
                    [str(argument) for argument in arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    preexec_fn=prepare,
                    # Ctrl-C is for this script, which then ends its processes in order.
                    start_new_session=True,
                )
            except FileNotFoundError:
                raise BenchError(f"{arguments[0]} is not installed") from None
        process = Process(name, popen, errors)
        self.running.append(process)
        return process

    def stop(self, process):
        process.stop()
        if process in self.running:
            self.running.remove(process)


def check_port_free(port, wanted_by):
    """Fails, saying how to find out who has it, if something listens on `port` already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise BenchError(
                f"port {port}, which {wanted_by} needs, is taken ({error.strerror}): "
                f"see `ss -ltnp sport = :{port}`, or move all ports with --shift-ports"
            ) from None


def wait_until_listening(process, port, seconds=60):
    """Returns once `port` takes connections."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        process.check_alive()
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise BenchError(f"{process.name} does not listen on {port} after {seconds} s: {process.said()}")
