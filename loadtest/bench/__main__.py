"""The command line of loadtest/compare."""

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from . import cases, certificate, load, machine, tools
from .cases_deployed import CASES_DEPLOYED
from .cases_tls import CASES_TLS
from .measure import SLICE_SECONDS
from .processes import BenchError, Processes, check_port_free, wait_until_listening
from .servers import UPSTREAM

ROOT = Path(__file__).resolve().parent.parent.parent
CASES = cases.CASES | CASES_DEPLOYED | CASES_TLS
#: Cases that run in rounds whatever --slices says: one load at a time is what they are about.
ROUNDS_ONLY = ("latency", "reload")
SERVERS = ("shardgate", "nginx", "haproxy", "direct")
EPILOG = """exit codes: 0 measured, and nothing failed; 1 not measured, or requests failed;
3 a bar is missed (with --strict alone)"""


class Bench:
    """What all cases share: the options, the folder, the tools, the processes, the backend."""

    def __init__(self, options, folder, found_tools, processes):
        self.options, self.folder, self.processes = options, folder, processes
        self.root, self.binary = ROOT, options.binary
        self.tools = found_tools
        self.slices, self.rounds, self.seconds = options.slices, options.rounds, options.seconds
        self.warmup_seconds, self.settle_seconds = options.warmup, options.settle
        self.shift = options.shift_ports
        self.core, self.load_cores = options.core, options.load_cores

    def start_backend(self):
        """The backend that all proxies go to, on the cores of the load."""
        port = UPSTREAM + self.shift
        check_port_free(port, "the backend")
        arguments = [self.binary, "echo", "--listen", f"127.0.0.1:{port}"]
        for core in sorted(self.load_cores):
            arguments += ["--core", core]
        backend = self.processes.start("backend", arguments, self.load_cores)
        wait_until_listening(backend, port)

    def choose(self, servers):
        """Those of `servers` that --only names."""
        return [server for server in servers if server.program in self.options.only]

    def progress(self, turn_index, label, sample):
        """One line on standard error for each measurement, so that a long run is watched."""
        keys = ("cpu_us", "requests_per_second", "p50_us", "p99_us", "p50", "p99", "errors", "kib")
        figures = [f"{key} {sample[key]:,.2f}" for key in keys if sample.get(key) is not None]
        print(f"  turn {turn_index + 1}: {label}: {', '.join(figures)}", file=sys.stderr)


def parse_arguments(words):
    parser = argparse.ArgumentParser(
        prog="loadtest/compare",
        description="Measures the gateway beside nginx and HAProxy; see loadtest/README.md.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("cases", nargs="*", metavar="CASE", help="all if none is named; --list lists them")
    add("--list", action="store_true", help="list the cases and end")
    add("--only", default=",".join(SERVERS), metavar="SERVERS", help="some of " + ",".join(SERVERS))
    add("--slices", type=int, metavar="COUNT", help="all servers of a case at once, and so many "
        "slices of a second for each, in random order (25; 0 if --rounds is given)")
    add("--rounds", type=int, metavar="COUNT", help="rounds of alternating order (5): each server "
        "is started anew for each, and runs alone")
    add("--seconds", type=int, metavar="SECONDS", help="length of each round (5)")
    add("--quick", action="store_true", help="6 slices, or 2 rounds of 2 seconds: a look, not a "
        "result")
    add("--core", type=int, metavar="NUMBER", help="core of the server under test (the first)")
    add("--load-cores", metavar="NUMBERS", help="cores of load and backend (the second)")
    add("--shift-ports", type=int, default=0, metavar="NUMBER", help="added to each port")
    add("--settle", type=float, default=3.0, metavar="SECONDS", help="before memory is read (3)")
    add("--binary", type=Path, metavar="FILE", help="this gateway in place of a built one")
    add("--no-build", action="store_true", help="take target/release as it is")
    add("--save", metavar="NAME", help="keep the results as loadtest/results/NAME.json")
    add("--strict", action="store_true", help="exit with 3 if a bar is missed")
    options = parser.parse_args(words)
    if unknown := set(options.cases) - set(CASES):
        parser.error(f"no such case: {', '.join(sorted(unknown))}; --list lists them")
    options.only = set(filter(None, options.only.split(",")))
    if unknown := options.only - set(SERVERS):
        parser.error(f"no such server: {', '.join(sorted(unknown))}")
    if options.slices is None:
        options.slices = 0 if options.rounds is not None else 6 if options.quick else 25
    usual = 2 if options.quick else 5
    options.rounds = usual if options.rounds is None else options.rounds
    options.seconds = usual if options.seconds is None else options.seconds
    options.warmup = 1
    if not (1 <= options.rounds <= 100 and 1 <= options.seconds <= 3600):
        parser.error("1 to 100 rounds of 1 to 3600 seconds are possible")
    if not 0 <= options.slices <= 1000:
        parser.error("0 to 1000 slices are possible")
    choose_cores(parser, options)
    if options.binary is not None:
        options.binary = options.binary.resolve()
    return options


def choose_cores(parser, options):
    available = sorted(load.all_cores())
    if options.core is None:
        options.core = available[0]
    if options.load_cores is None:
        rest = [core for core in available if core != options.core]
        options.load_cores = frozenset(rest[:1] or available[:1])
    else:
        try:
            options.load_cores = frozenset(int(core) for core in options.load_cores.split(","))
        except ValueError:
            parser.error("--load-cores is a list of numbers, with commas")
    if missing := ({options.core} | options.load_cores) - set(available):
        parser.error(f"this process may not run on core {min(missing)}")
    if options.core in options.load_cores:
        print("compare: the load shares the core of the server under test", file=sys.stderr)


def run(options):
    if options.binary is None:
        if not options.no_build:
            tools.build(ROOT, [])
        options.binary = tools.target(ROOT) / "release" / "shardgate"
    if not options.binary.exists():
        raise BenchError(f"{options.binary} is missing: build it, or leave --no-build out")
    names = options.cases or CASES
    found_tools = tools.prepare(ROOT, tools.needed_by(names), options.no_build)
    if not CASES_TLS.keys().isdisjoint(names):
        certificate.make_if_missing()
    load.descriptors_max()
    folder = Path(tempfile.mkdtemp(prefix="shardgate-compare-"))
    folder.chmod(0o755)
    try:
        with Processes(folder) as processes:
            bench = Bench(options, folder, found_tools, processes)
            bench.start_backend()
            return measure(bench)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(bench):
    options, results, failed_count = bench.options, {}, 0
    described = machine.describe(ROOT, options.binary)
    print_head(described, options)
    for name in options.cases or CASES:
        print(f"{name}: {CASES[name].__doc__}", file=sys.stderr)
        result = CASES[name](bench)
        results[name] = result
        print_result(name, result)
        failed_count += count_failures(result.samples)
    path = save(options, described, results)
    print(f"results: {path}", file=sys.stderr)
    missed = [bar for result in results.values() for bar in result.bars if not bar.is_met]
    if failed_count:
        print(f"compare: {failed_count} requests failed", file=sys.stderr)
        return 1
    return 3 if missed and options.strict else 0


def print_head(described, options):
    print("Measured by `loadtest/compare", *sys.argv[1:], end="`: ")
    print(f"{describe_turns(options)}, medians over them;", end=" ")
    print(f"server on core {options.core},", end=" ")
    print(f"load and backend on {','.join(map(str, sorted(options.load_cores)))}.\n")
    for key, value in described.items():
        print(f"- {key}: {value}")
    print(flush=True)


def describe_turns(options):
    """How often and how long each server was measured, in words."""
    rounds = f"{options.rounds} rounds of {options.seconds} s"
    if not options.slices:
        return rounds
    slices = f"{options.slices} slices of {SLICE_SECONDS} s for each of the servers, which all run"
    named = [name for name in options.cases or CASES if name in ROUNDS_ONLY]
    return f"{slices} ({' and '.join(named)}: {rounds})" if named else slices


def print_result(name, result):
    print(f"### {name}\n")
    for table in result.tables:
        print(table.markdown(), end="\n\n")
    for bar in result.bars:
        measured = "not measured" if bar.measured is None else f"{bar.measured:.2f}"
        verdict = "met" if bar.is_met else "MISSED"
        print(f"- {bar.what}: {measured}, {bar.bound} wanted: {verdict}")
    for note in result.notes:
        print(f"- {note}")
    print(flush=True)


def count_failures(samples):
    """Failed requests of all samples, however deep the dictionaries of a case go."""
    if isinstance(samples, dict):
        if "errors" in samples:
            return samples["errors"]
        return sum(count_failures(one) for one in samples.values())
    return sum(count_failures(one) for one in samples) if isinstance(samples, list) else 0


def save(options, described, results):
    folder = ROOT / "loadtest" / "results"
    folder.mkdir(exist_ok=True)
    suffix = "json" if options.save else "json.tmp"
    stem = options.save or time.strftime("%Y%m%d-%H%M%S")
    path = folder / f"{stem}.{suffix}"
    cases = {
        name: {
            "samples": result.samples,
            "bars": [vars(bar) | {"met": bar.is_met} for bar in result.bars],
            "notes": result.notes,
        }
        for name, result in results.items()
    }
    turns = {key: getattr(options, key) for key in ("slices", "rounds", "seconds")}
    head = {"machine": described, **turns}
    path.write_text(json.dumps(head | {"cases": cases}, indent=1) + "\n")
    return path


def main(words=None):
    options = parse_arguments(words)
    if options.list:
        for name, case in CASES.items():
            print(f"{name:15} {case.__doc__}")
        return 0

    def end(number, _):
        # As an exception, so that the processes are ended on the way out.
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGHUP, end)
    try:
        return run(options)
    except BenchError as error:
        print(f"compare: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("compare: stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
