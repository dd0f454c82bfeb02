"""Measures servers side by side, in rounds of alternating order."""

import statistics

from . import load
from .servers import Running

#: The server that the others are compared with.
REFERENCE = "nginx"


def in_order(servers, round_index):
    """Forwards and backwards by turns, so that no server always runs in another's wake."""
    return list(servers) if round_index % 2 == 0 else list(reversed(servers))


def closed_loop(bench, servers, path, *, connections=64, threads=1, load_cores=None):
    """Runs wrk against each server in each round; returns the samples by label."""
    samples = {server.label: [] for server in servers}
    for round_index in range(bench.rounds):
        for server in in_order(servers, round_index):
            with Running(bench, server) as running:
                url = running.url(path)
                options = {"connections": connections, "threads": threads, "cores": load_cores}
                load.wrk(bench, url, seconds=bench.warmup_seconds, **options)
                sample = sample_wrk(bench, running, url, options)
            samples[server.label].append(sample)
            bench.progress(round_index, server.label, sample)
    return samples


def sample_wrk(bench, running, url, options):
    """One run of wrk and what the server spent on it."""
    process = running.process
    before = process.cpu() if process else None
    sample = load.wrk(bench, url, seconds=bench.seconds, **options)
    if process:
        process.check_alive()
        spent, requests = process.cpu() - before, max(1, sample["requests"])
        sample["user_us"] = spent.user * 1e6 / requests
        sample["system_us"] = spent.system * 1e6 / requests
        sample["cpu_us"] = sample["user_us"] + sample["system_us"]
        sample["resident_mib"] = process.resident_bytes() / 1048576
    return sample


def median(samples, key):
    """The median of one figure over the rounds; None where it was not measured."""
    values = [sample[key] for sample in samples if sample.get(key) is not None]
    return statistics.median(values) if values else None


def ratios(samples, label, key, reference=REFERENCE):
    """One figure of `label` to the reference's of the same round, round by round."""
    pairs = zip(samples.get(label, []), samples.get(reference, []))
    return [
        ours[key] / theirs[key]
        for ours, theirs in pairs
        if ours.get(key) is not None and theirs.get(key)
    ]
