"""The cases: what runs against what, and which bar the result must pass.

Each case is a function that measures and returns a `Result`.
"""

import signal
import statistics
import threading

from . import load, servers
from .measure import REFERENCE, closed_loop, in_order, median, ratios, take_sample
from .processes import BenchError
from .result import Bar, Result
from .servers import Running
from .tables import Table, closed_loop_table, middle, number, spread


def compare(bench, name, candidates, path, most, **options):
    """The common case: CPU per request of each server to nginx's, as a table with a bar."""
    samples = closed_loop(bench, bench.choose(candidates), path, **options)
    return compared(name, samples, most)


def compared(name, samples, most):
    """The samples of the common case as its result."""
    bars = []
    if most and "shardgate" in samples and REFERENCE in samples:
        measured = statistics.median(ratios(samples, "shardgate", "cpu_us"))
        bars.append(Bar(f"CPU per request of shardgate to nginx, {name}", most, measured))
    return Result([closed_loop_table(name, samples)], samples, bars)


def proxy(bench):
    """256-byte answers through each proxy; shardgate with 1,000 routes, throttle, ids, metrics"""
    candidates = [
        servers.shardgate_file(bench, "proxy.toml"),
        servers.nginx(),
        servers.haproxy(),
        servers.direct(),
    ]
    return compare(bench, "proxy, 256 B", candidates, "/", 0.85)


def proxy_log(bench):
    """The same, and each writes an access log"""
    candidates = [
        servers.shardgate_file(bench, "proxy-log.toml"),
        servers.nginx("proxy-log"),
        servers.nginx("proxy-log-unbuffered", label="nginx unbuffered"),
        servers.haproxy("proxy-log"),
    ]
    result = compare(bench, "proxy with access log, 256 B", candidates, "/", 0.85)
    result.notes.append(
        "nginx writes its log in blocks of 64 KiB, as shardgate does; `nginx unbuffered` writes "
        "each line, which is its default. HAProxy writes lines to its standard output, a file."
    )
    return result


def mock(bench):
    """256-byte answers that each server gives itself"""
    candidates = [
        servers.shardgate_file(bench, "mock.toml"),
        servers.nginx("mock"),
        servers.haproxy("mock"),
    ]
    return compare(bench, "mock, 256 B", candidates, "/", 0.9)


def body_16k(bench):
    """16 KiB answers through each proxy"""
    return _body(bench, "16 KiB", 16 * 1024)


def body_1m(bench):
    """1 MiB answers through each proxy"""
    return _body(bench, "1 MiB", 1024 * 1024)


def _body(bench, name, size_bytes):
    candidates = [
        servers.shardgate_file(bench, "proxy.toml"),
        servers.nginx(),
        servers.haproxy(),
        servers.direct(),
    ]
    return compare(bench, f"proxy, {name}", candidates, f"/bytes/{size_bytes}", 1.0)


def connections(bench):
    """Cost per request with 16, 64, 256 and 1,024 connections"""
    tables, all_samples = [], {}
    for count in (16, 64, 256, 1024):
        keepalive = max(256, count)
        candidates = [
            servers.shardgate(shards=f"[{bench.core}]", keepalive=keepalive),
            servers.nginx(keepalive=keepalive),
            servers.haproxy(keepalive=keepalive),
        ]
        samples = closed_loop(bench, bench.choose(candidates), "/", connections=count)
        tables.append(closed_loop_table(f"proxy, {count} connections", samples))
        all_samples[str(count)] = samples
    return Result(tables, all_samples)


def routes(bench):
    """Cost per request with 10 to 100,000 routes, one with two parameters taken"""
    tables, all_samples = [], {}
    for count in (10, 1_000, 10_000, 100_000):
        candidates = [servers.shardgate(shards=f"[{bench.core}]", routes=count)]
        # nginx sorts its locations by insertion: it takes minutes to start with 100,000.
        if count <= 10_000:
            candidates.append(servers.nginx(routes=count))
        path = servers.load_make_config().request_path(count)
        samples = closed_loop(bench, bench.choose(candidates), path)
        tables.append(closed_loop_table(f"proxy, {count:,} routes", samples))
        all_samples[str(count)] = samples
    note = (
        "nginx has as many prefix locations, and none of the runs with 100,000, with which it takes "
        "minutes to start; HAProxy has nothing of the kind and is left out."
    )
    return Result(tables, all_samples, notes=[note])


def latency(bench):
    """What each proxy adds to latency at half of nginx's peak rate, open loop"""
    chosen = bench.choose([
        servers.shardgate_file(bench, "proxy.toml"),
        servers.nginx(),
        servers.haproxy(),
    ])
    with Running(bench, servers.nginx()) as running:
        peak = load.wrk(bench, running.url("/"), seconds=bench.seconds, connections=64)
    rate = peak["requests_per_second"] / 2
    samples = {server.label: [] for server in [servers.direct(), *chosen]}
    for round_index in range(bench.rounds):
        for server in in_order([servers.direct(), *chosen], round_index):
            with Running(bench, server) as running:
                sample = load.openloop(
                    bench, running.url("/"), rate=rate, seconds=bench.seconds, connections=64
                )
            sample["errors"] = sum(
                sample[kind] for kind in ("error_statuses", "broken", "unanswered")
            )
            samples[server.label].append(sample)
            bench.progress(round_index, server.label, sample["latency_us"])
    return _latency_result(samples, rate)


def _latency_result(samples, rate):
    table = Table(
        f"added latency at {rate:,.0f} requests/s (half of nginx's peak), through minus direct",
        ["", "p50 us", "p99 us", "p99.9 us", "added p50 us", "added p99 us", "added p99.9 us",
         "added p99 to nginx's, by round", "median"],
    )
    added = {
        label: [
            {key: sample["latency_us"][key] - direct["latency_us"][key]
             for key in ("p50", "p99", "p99_9")}
            for sample, direct in zip(rounds, samples["direct"])
        ]
        for label, rounds in samples.items()
    }
    bars = []
    for label, rounds in samples.items():
        cells = [
            number(median([sample["latency_us"] for sample in rounds], key), 0)
            for key in ("p50", "p99", "p99_9")
        ]
        if label == "direct":
            table.add([label, *cells, "", "", "", "", ""])
            continue
        cells += [number(median(added[label], key), 0) for key in ("p50", "p99", "p99_9")]
        by_round = ratios(added, label, "p99")
        table.add([label, *cells, spread(by_round), middle(by_round)])
        if label == "shardgate":
            measured = statistics.median(by_round) if by_round else None
            bars.append(Bar("p99 that shardgate adds to what nginx adds", 0.9, measured))
    note = (
        "Latency runs from when a request was due. The generator and the backend share their core, "
        "so the direct figures hold the waiting for it, and the difference is the proxy's."
    )
    return Result([table], samples, bars, [note])


def idle_memory(bench):
    """Resident memory per idle keep-alive connection"""
    chosen = bench.choose([
        servers.shardgate_file(bench, "proxy.toml"),
        servers.nginx(),
        servers.haproxy(),
    ])
    result = idle(bench, chosen, 8_000)
    if "shardgate" in result.samples:
        kib = result.samples["shardgate"][0]["kib"]
        result.bars.append(Bar("KiB per idle connection", 1.1, kib))
    return result


def idle(bench, chosen, wanted):
    """What `wanted` connections that only wait add to each server's resident memory."""
    # The backend keeps its connections to the proxies, and this script needs some descriptors.
    count = min(wanted, load.descriptors_max() - 200)
    notes = []
    if count < wanted:
        notes.append(f"{count:,} connections: the hard limit of descriptors allows no more.")
    table = Table(
        f"{count:,} idle keep-alive connections, after one request each",
        ["", "RSS before MiB", "RSS with them MiB", "KiB per connection", "closed meanwhile"],
    )
    samples = {server.label: [] for server in chosen}
    for server in chosen:
        with Running(bench, server) as running:
            load.IdleConnections(running.port, 50, server.is_tls).close()
            load.wait(bench.settle_seconds)
            before = running.process.resident_bytes()
            idle = load.IdleConnections(running.port, count, server.is_tls)
            try:
                load.wait(bench.settle_seconds)
                after, ended = running.process.resident_bytes(), idle.ended_count()
            finally:
                idle.close()
        kib = (after - before) / 1024 / count
        figures = {"before": before, "after": after, "kib": kib, "ended": ended}
        samples[server.label].append(figures)
        bench.progress(0, server.label, figures)
        mib = [number(size / 1048576, 1) for size in (before, after)]
        table.add([server.label, *mib, number(kib, 2), str(ended)])
        if ended:
            notes.append(f"{server.label} closed {ended} of them, so its figure is too small.")
    return Result([table], samples, notes=notes)


def scaling(bench):
    """CPU per request with two shards to one"""
    cores = sorted(load.all_cores())
    if len(cores) < 2:
        raise BenchError("scaling needs two cores")
    if len(cores) >= 4:
        load_cores, note = frozenset(cores[2:]), "The load has the other cores."
    else:
        load_cores = frozenset(cores)
        note = (
            f"This machine has {len(cores)} cores: the load shares them with the servers, with one "
            "shard as with two, so the scheduler's and the caches' part is in all figures."
        )
    one, two = frozenset(cores[:1]), frozenset(cores[:2])
    candidates = [
        servers.shardgate("shardgate", one),
        servers.shardgate("shardgate, 2 shards", two),
        servers.nginx(cores=one),
        servers.nginx(label="nginx, 2 workers", cores=two),
    ]
    samples = closed_loop(
        bench, bench.choose(candidates), "/", threads=2, load_cores=load_cores
    )
    bars = []
    if "shardgate" in samples:
        by_turn = ratios(samples, "shardgate, 2 shards", "cpu_us", "shardgate")
        note += f" Two shards to one, by turn: {spread(by_turn)}"
        bars.append(Bar("CPU per request at 2 shards to 1", 1.05, statistics.median(by_turn)))
    if "nginx" in samples:
        by_turn = ratios(samples, "nginx, 2 workers", "cpu_us", "nginx")
        note += f"; two nginx workers to one: {spread(by_turn)}"
    return Result([closed_loop_table("proxy, 256 B", samples)], samples, bars, [note + "."])


def reload(bench):
    """Reloads each second under full load, with 10,000 routes"""
    count = 10_000
    chosen = bench.choose([
        servers.shardgate(shards=f"[{bench.core}]", routes=count),
        servers.nginx(routes=count),
    ])

    def run_wrk(running, seconds):
        return load.wrk(bench, running.url("/"), seconds=seconds, connections=64)

    samples = {}
    for round_index in range(bench.rounds):
        for server in in_order(chosen, round_index):
            with Running(bench, server) as running:
                run_wrk(running, bench.warmup_seconds)
                steady = take_sample(running, run_wrk, bench.seconds)
                with Reloading(running) as reloading:
                    during = take_sample(running, run_wrk, bench.seconds)
                during["reloads"] = check_reloads(running, reloading.count)
            samples.setdefault(f"{server.label}, steady", []).append(steady)
            samples.setdefault(f"{server.label}, reloading", []).append(during)
            bench.progress(round_index, server.label, during)
    bars = []
    if "shardgate, reloading" in samples:
        by_round = ratios(samples, "shardgate, reloading", "p99_us", "shardgate, steady")
        failed = sum(sample["errors"] for sample in samples["shardgate, reloading"])
        bars = [
            Bar("failed requests during reloads", 0, failed),
            Bar("p99 during reloads to steady", 2.0, statistics.median(by_round)),
        ]
    table = closed_loop_table(f"reload each second, {count:,} routes", samples)
    reloads = {
        label: sum(sample["reloads"] for sample in rounds)
        for label, rounds in samples.items()
        if label.endswith("reloading")
    }
    notes = [f"{label}: {count} reloads in {bench.rounds} rounds" for label, count in reloads.items()]
    return Result([table], samples, bars, [*notes, "HAProxy reloads by starting anew: left out."])


def check_reloads(running, sent_count):
    """How many reloads took place. The gateway is asked, as one that reloads nothing is fast."""
    if running.server.program != "shardgate":
        return sent_count
    for _ in range(20):
        published = running.metric('shardgate_config_reloads_total{result="published"}') or 0
        if published >= sent_count:
            break
        load.wait(0.1)  # the last one may be under way; signals that come at once count as one
    refused = running.metric('shardgate_config_reloads_total{result="refused"}')
    if published == 0 or refused:
        raise BenchError(f"{sent_count} reloads: {published:.0f} published, {refused} refused")
    return int(published)


class Reloading:
    """Changes the configuration and sends SIGHUP each second, for as long as it is entered."""

    def __init__(self, running):
        self.running, self.count, self.ended = running, 0, threading.Event()
        self.thread = threading.Thread(target=self._run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()

    def _run(self):
        text = self.running.server.config
        while not self.ended.wait(1.0):
            self.count += 1
            # Another comment is another file: nothing may be skipped because it is the same.
            self.running.write_config(f"{text}\n# reload {self.count}\n")
            self.running.process.signal(signal.SIGHUP)


CASES = {
    "proxy": proxy,
    "proxy-log": proxy_log,
    "mock": mock,
    "body-16k": body_16k,
    "body-1m": body_1m,
    "latency": latency,
    "idle-memory": idle_memory,
    "scaling": scaling,
    "reload": reload,
    "connections": connections,
    "routes": routes,
}
