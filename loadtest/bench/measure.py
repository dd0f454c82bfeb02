"""Measures servers side by side: in slices, all of them at once; or in rounds, one at a time."""

import random
import statistics
from contextlib import ExitStack

from . import load
from .servers import Running

#: The server that the others are compared with.
REFERENCE = "nginx"
SLICE_SECONDS = 1


def in_order(servers, round_index):
    """Forwards and backwards by turns, so that no server always runs in another's wake."""
    return list(servers) if round_index % 2 == 0 else list(reversed(servers))


def closed_loop(
    bench, servers, path, *, connections=64, threads=1, load_cores=None, slice_seconds=SLICE_SECONDS
):
    """Runs wrk against each server by turns; returns the samples by label."""
    options = {"connections": connections, "threads": threads, "cores": load_cores}

    def run_wrk(running, seconds):
        return load.wrk(bench, running.url(path), seconds=seconds, **options)

    return by_turns(bench, servers, run_wrk, slice_seconds)


def by_turns(bench, servers, run_load, slice_seconds=SLICE_SECONDS):
    """The samples by label: as many slices as --slices says, else rounds. `run_load` puts a server
    under load for some seconds and returns figures, `requests` and `errors` among them."""
    if bench.slices:
        return _in_slices(bench, servers, run_load, slice_seconds)
    return _in_rounds(bench, servers, run_load)


def _in_slices(bench, servers, run_load, seconds):
    """All servers run all the time, and each in turn has the load to itself, in random order.
    What else happens on the machine then meets them alike, and a slice is compared with one that
    was seconds away."""
    samples = {server.label: [] for server in servers}
    with ExitStack() as stack:
        running = [
            stack.enter_context(Running(bench, server, twin_index))
            for server, twin_index in with_twins(servers)
        ]
        for one in running:
            run_load(one, bench.warmup_seconds)
        for slice_index in range(bench.slices):
            for one in random.sample(running, len(running)):
                sample = take_sample(one, run_load, seconds)
                samples[one.server.label].append(sample)
                bench.progress(slice_index, one.server.label, sample)
    return samples


def with_twins(servers):
    """Each server, and how many of the same program come before it."""
    programs = [server.program for server in servers]
    return [(one, programs[:index].count(one.program)) for index, one in enumerate(servers)]


def _in_rounds(bench, servers, run_load):
    """Each server is started anew in each round, and runs alone."""
    samples = {server.label: [] for server in servers}
    for round_index in range(bench.rounds):
        for server in in_order(servers, round_index):
            with Running(bench, server) as running:
                run_load(running, bench.warmup_seconds)
                sample = take_sample(running, run_load, bench.seconds)
            samples[server.label].append(sample)
            bench.progress(round_index, server.label, sample)
    return samples


def take_sample(running, run_load, seconds):
    """The figures of the load, and what the server spent on it."""
    process = running.process
    before = process.usage() if process else None
    sample = run_load(running, seconds)
    if process:
        process.check_alive()
        spent, requests = process.usage().since(before), max(1, sample["requests"])
        sample["user_us"] = spent.user * 1e6 / requests
        sample["system_us"] = spent.system * 1e6 / requests
        sample["cpu_us"] = spent.total * 1e6 / requests
        sample["resident_mib"] = process.resident_bytes() / 1048576
    return sample


def median(samples, key):
    """The median of one figure over the samples; None where it was not measured."""
    values = [sample[key] for sample in samples if sample.get(key) is not None]
    return statistics.median(values) if values else None


def ratios(samples, label, key, reference=REFERENCE):
    """One figure of `label` to the reference's of the same turn, turn by turn."""
    pairs = zip(samples.get(label, []), samples.get(reference, []))
    return [
        ours[key] / theirs[key]
        for ours, theirs in pairs
        if ours.get(key) is not None and theirs.get(key)
    ]
