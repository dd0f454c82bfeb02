"""The cases of TLS and HTTP/2: config/bench/tls.toml against loadtest/conf/nginx/tls.conf."""

import statistics

from . import certificate, load, servers
from .cases import compare, compared, idle
from .measure import REFERENCE, by_turns, ratios
from .result import Bar, Result
from .tables import handshake_ratios, handshakes_table

NEGOTIATED = (
    f"All negotiate {certificate.VERSION}, {certificate.SUITE}, {certificate.GROUP} and ECDSA with "
    "one P-256 certificate: the clients offer nothing else, and each server is asked at its start."
)


#: wrk opens its 64 connections anew in each slice. In one of a second their handshakes would be 3%
#: of the CPU time that is meant to be of requests; in this one they are 1%.
KEPT_SECONDS = 3


def tls(bench):
    """256-byte answers over kept TLS 1.3 connections (AES-128-GCM), HTTP/1.1"""
    return _kept(bench, "TLS, 256 B", "/", 0.85)


def tls_body_1m(bench):
    """1 MiB answers over kept TLS 1.3 connections"""
    return _kept(bench, "TLS, 1 MiB", "/bytes/1048576", 1.0)


def _kept(bench, name, path, most):
    result = compare(bench, name, _candidates(bench), path, most, slice_seconds=KEPT_SECONDS)
    if bench.slices:
        result.notes.append(f"Slices of {KEPT_SECONDS} s, each with 64 handshakes in the figures.")
    return _stated(result)


def h2(bench):
    """256-byte answers over HTTP/2 in TLS, 100 streams on one connection"""

    def run_h2load(running, seconds):
        return load.h2load(bench, running.url("/"), seconds=seconds, streams=100)

    samples = by_turns(bench, bench.choose(_candidates(bench)), run_h2load)
    return _stated(compared("HTTP/2, 256 B, 100 streams", samples, 1.0))


def tls_handshakes(bench):
    """Full TLS 1.3 handshakes with ECDSA P-256 per CPU second"""
    return _handshakes(bench, "full handshakes", resume=False)


def tls_resumed(bench):
    """TLS 1.3 handshakes resumed by a ticket per CPU second"""
    return _handshakes(bench, "resumed handshakes", resume=True)


def _handshakes(bench, name, resume):
    def run_handshakes(running, seconds):
        return load.handshakes(bench, running, seconds=seconds, resume=resume)

    samples = by_turns(bench, bench.choose(_candidates(bench)), run_handshakes)
    bars = []
    if "shardgate" in samples and REFERENCE in samples:
        measured = statistics.median(handshake_ratios(samples, "shardgate"))
        what = f"{name} per CPU second of shardgate to nginx's"
        bars.append(Bar(what, None, measured, least=1.2))
    note = (
        "A connection is accepted, shakes hands, is sent its tickets and is closed by both sides; "
        "no request is made."
    )
    return _stated(Result([handshakes_table(name, samples)], samples, bars, [note]))


def tls_idle_memory(bench):
    """Resident memory per idle TLS connection"""
    result = idle(bench, bench.choose(_candidates(bench)), 5_000)
    if by_turn := ratios(result.samples, "shardgate", "kib"):
        result.bars.append(Bar("memory per idle TLS connection to nginx's", 0.7, by_turn[0]))
    return _stated(result)


def _candidates(bench):
    return [servers.shardgate_tls(bench), servers.nginx_tls()]


def _stated(result):
    result.notes.append(NEGOTIATED)
    return result


CASES_TLS = {
    "tls": tls,
    "tls-body-1m": tls_body_1m,
    "h2": h2,
    "tls-handshakes": tls_handshakes,
    "tls-resumed": tls_resumed,
    "tls-idle-memory": tls_idle_memory,
}
