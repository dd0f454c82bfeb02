"""Tests of what needs no server: python3 -m unittest discover -s loadtest -p 'test_*.py'"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from bench import certificate, liveness, servers, tables, tools
from bench.__main__ import CASES, Bench, count_failures, describe_turns, parse_arguments
from bench.load import IdleConnections, parse_h2load, parse_wrk, read_handshakes
from bench.measure import by_turns, in_order, median, ratios, with_twins
from bench.processes import (
    BenchError,
    Cpu,
    Processes,
    Usage,
    check_port_free,
    parse_stat,
    read_stat,
    read_tree,
)
from bench.result import Bar

STAT = "42 (a name) with) S 7 42 42 0 -1 4194560 1 2 3 4 150 250 50 25 20 0 1 0 99 1000 300 18446"


class Reading(unittest.TestCase):
    def test_stat_counts_ended_children_and_survives_odd_names(self):
        ticks = os.sysconf("SC_CLK_TCK")
        stat = parse_stat(STAT)
        self.assertEqual((stat.pid, stat.parent, stat.started), (42, 7, 99))
        self.assertEqual(stat.resident_bytes, 300 * os.sysconf("SC_PAGE_SIZE"))
        self.assertEqual(stat.cpu, Cpu(200 / ticks, 275 / ticks))
        self.assertFalse(stat.is_zombie)
        self.assertTrue(parse_stat(STAT.replace(" S ", " Z ")).is_zombie)
        self.assertEqual(Cpu(3, 5) - Cpu(1, 1), Cpu(2, 4))

    def test_wrk_figures(self):
        line = (
            '{"requests":100,"duration_us":2000000,"p99_us":7,"connect_errors":1,"read_errors":2,'
            '"write_errors":3,"status_errors":4,"timeouts":5}'
        )
        figures = parse_wrk(f"Running 2s test\nJSON {line}\n")
        self.assertEqual((figures["errors"], figures["requests_per_second"]), (15, 50))
        with self.assertRaises(BenchError):
            parse_wrk("unable to connect")

    def test_time_is_exact_unless_a_thread_has_ended(self):
        before = Usage(Cpu(1.0, 1.0), {7: 1_000_000_000, 8: 1_000_000_000})
        grown = Usage(Cpu(1.01, 1.03), {7: 1_020_000_000, 8: 1_000_000_000, 9: 1_234_000})
        spent = grown.since(before)
        self.assertAlmostEqual(spent.total, 0.021234, places=9)
        self.assertAlmostEqual(spent.user / spent.total, 0.25)
        ended = Usage(Cpu(1.01, 1.03), {7: 1_020_000_000})
        self.assertAlmostEqual(ended.since(before).total, 0.04)
        untold = Usage(Cpu(1.0, 1.0), {})
        self.assertAlmostEqual(grown.since(untold).total, 0.04)
        self.assertEqual(before.since(before), Cpu(0.0, 0.0))

    H2LOAD = (
        "TLS Protocol: TLSv1.3\nCipher: TLS_AES_128_GCM_SHA256\nServer Temp Key: X25519 253 bits\n"
        "Application protocol: h2\n\n"
        "finished in 2.00s, 150.50 req/s, 1.00MB/s\n"
        "requests: 301 total, 401 started, 301 done, 290 succeeded, 6 failed, "
        "3 errored, 2 timeout\n"
        "status codes: 290 2xx, 4 3xx, 3 4xx, 3 5xx\n"
    )

    def test_h2load_figures(self):
        figures = parse_h2load(self.H2LOAD)
        self.assertEqual(
            figures, {"requests": 301, "requests_per_second": 150.5, "errors": 6 + 3 + 2 + 4}
        )
        for there, other in (
            ("protocol: h2", "protocol: http/1.1"),
            ("AES_128", "AES_256"),
            ("301 done", "0 done"),
            ("requests:", "nothing:"),
        ):
            with self.assertRaises(BenchError, msg=other):
                parse_h2load(self.H2LOAD.replace(there, other))

    def test_handshakes_must_be_of_the_kind_that_was_wanted(self):
        figures = {"full": 8, "resumed": 192, "failed": 1, "first_failure": "reset"}
        figures["duration_us"] = 500_000
        read = read_handshakes(dict(figures), resume=True)
        self.assertEqual((read["requests"], read["requests_per_second"]), (200, 400))
        self.assertEqual(read["errors"], 1)
        with self.assertRaisesRegex(BenchError, "8 of 200 handshakes were full"):
            read_handshakes(dict(figures), resume=False)
        with self.assertRaisesRegex(BenchError, "reset"):
            read_handshakes(figures | {"full": 0, "resumed": 0}, resume=True)

    def test_what_openssl_negotiated(self):
        said = (
            "Peer signature type: ECDSA\nServer Temp Key: X25519, 253 bits\n---\n"
            "New, TLSv1.3, Cipher is TLS_AES_128_GCM_SHA256\n"
        )
        found = certificate.parse_negotiated(said)
        self.assertEqual(found["version"], certificate.VERSION)
        self.assertEqual(found["suite"], certificate.SUITE)
        self.assertEqual((found["group"], found["key"]), (certificate.GROUP, "ECDSA"))
        self.assertEqual(set(certificate.parse_negotiated("refused").values()), {None})


class Judging(unittest.TestCase):
    SAMPLES = {
        "shardgate": [{"cpu_us": 8, "errors": 0}, {"cpu_us": 9, "errors": 2}, {"cpu_us": 6, "errors": 0}],
        "nginx": [{"cpu_us": 10, "errors": 0}, {"cpu_us": 10, "errors": 0}, {"cpu_us": 10, "errors": 1}],
        "direct": [{"errors": 0}],
    }

    def test_ratios_pair_the_rounds(self):
        self.assertEqual(ratios(self.SAMPLES, "shardgate", "cpu_us"), [0.8, 0.9, 0.6])
        self.assertEqual(ratios(self.SAMPLES, "direct", "cpu_us"), [])
        self.assertEqual(ratios({}, "shardgate", "cpu_us"), [])
        self.assertEqual(median(self.SAMPLES["shardgate"], "cpu_us"), 8)
        self.assertIsNone(median(self.SAMPLES["direct"], "cpu_us"))

    def test_rounds_alternate(self):
        self.assertEqual([in_order("abc", at) for at in (0, 1, 2)], [[*"abc"], [*"cba"], [*"abc"]])

    def test_failures_are_counted_at_any_depth(self):
        self.assertEqual(count_failures(self.SAMPLES), 3)
        self.assertEqual(count_failures({"64": self.SAMPLES, "16": self.SAMPLES}), 6)

    def test_a_table_has_a_row_for_each_server(self):
        text = tables.closed_loop_table("title", self.SAMPLES).markdown()
        rows = text.splitlines()[2:]
        self.assertEqual(len(rows), 2 + len(self.SAMPLES))
        self.assertEqual({row.count("|") for row in rows}, {len(tables.CLOSED_LOOP_COLUMNS) + 1})
        self.assertIn("0.80 0.90 0.60", text)
        many = {label: samples * 4 for label, samples in self.SAMPLES.items()}
        text = tables.closed_loop_table("title", many).markdown()
        self.assertIn("0.600 to 0.900", text)
        self.assertIn("0.800", text)
        with self.assertRaises(ValueError):
            tables.Table("title", ["one"]).add(["one", "two"])


    def test_more_handshakes_are_better(self):
        counts = {"full": 5, "resumed": 0, "tickets": 9, "errors": 0}
        costs = {"shardgate": 100, "nginx": 150}
        samples = {label: [{"cpu_us": cost, **counts}] for label, cost in costs.items()}
        self.assertEqual(tables.handshake_ratios(samples, "shardgate"), [1.5])
        text = tables.handshakes_table("title", samples).markdown()
        self.assertIn("10,000", text)
        self.assertIn("1.50", text)

    def test_a_bar_is_a_maximum_or_a_minimum(self):
        for most, least, met, missed in ((1.0, None, 1.0, 1.01), (None, 1.2, 1.2, 1.19)):
            self.assertTrue(Bar("a", most, met, least).is_met)
            self.assertFalse(Bar("a", most, missed, least).is_met)
            self.assertFalse(Bar("a", most, None, least).is_met)
        self.assertEqual(Bar("a", 1.0, 1.0).bound, "at most 1.0")
        self.assertEqual(Bar("a", None, 1.0, 1.2).bound, "at least 1.2")


class Configuring(unittest.TestCase):
    def test_only_ports_of_the_comparison_move(self):
        text = "127.0.0.1:9000 127.0.0.1:9110; 10.0.0.1:9000 127.0.0.1:90001 rate 9000"
        moved = "127.0.0.1:9100 127.0.0.1:9210; 10.0.0.1:9000 127.0.0.1:90001 rate 9000"
        self.assertEqual(servers.shift_ports(text, 100), moved)
        text, moved = "127.0.0.1:9000 127.0.0.1:9130", "127.0.0.1:9100 127.0.0.1:9280"
        self.assertEqual(servers.shift_ports(text, 100, 50), moved)

    def test_servers_of_one_program_have_ports_of_their_own(self):
        chosen = [servers.nginx(), servers.haproxy(), servers.nginx(label="nginx, again")]
        self.assertEqual([index for _, index in with_twins(chosen)], [0, 0, 1])
        span = max(servers.OWN_PORTS) - min(servers.OWN_PORTS)
        self.assertLess(span, servers.TWIN_PORTS)

    def test_tls_servers_share_the_certificate(self):
        bench = bench_of(parse_arguments([]), None)
        for server in (servers.shardgate_tls(bench), servers.nginx_tls()):
            self.assertIn(f'{certificate.CERTIFICATE}', server.config)
            self.assertIn(f'{certificate.KEY}', server.config)
            self.assertIn(f"127.0.0.1:{server.port}", server.config)

    def test_a_certificate_is_made_once(self):
        with tempfile.TemporaryDirectory() as folder, moved_certificate(Path(folder) / "new"):
            certificate.make_if_missing()
            made = certificate.CERTIFICATE.read_bytes()
            self.assertEqual(certificate.KEY.stat().st_mode & 0o777, 0o600)
            certificate.client_context()
            certificate.make_if_missing()
            self.assertEqual(certificate.CERTIFICATE.read_bytes(), made)
            certificate.CERTIFICATE.write_text("broken")
            certificate.make_if_missing()
            self.assertIn(b"BEGIN CERTIFICATE", certificate.CERTIFICATE.read_bytes())
            self.assertEqual(len(list(certificate.FOLDER.iterdir())), 2)

    def test_every_case_has_its_tools(self):
        self.assertLessEqual(set(tools.NEEDED), set(CASES))
        self.assertEqual(tools.needed_by(["proxy", "latency"]), ["openloop", "wrk"])
        for tool in tools.needed_by(CASES):
            self.assertIn(tool, {*tools.PACKAGES, *tools.OWN})

    def test_missing_tools_are_told_before_anything_is_measured(self):
        with tempfile.TemporaryDirectory() as folder:
            environment = os.environ | {"CARGO_TARGET_DIR": folder}
            words = ["--no-build", "--binary", sys.executable, "latency"]
            compare = Path(servers.__file__).parent.parent / "compare"
            process = subprocess.run(
                [sys.executable, compare, *words], capture_output=True, text=True, env=environment
            )
        self.assertEqual((process.returncode, process.stdout), (1, ""))
        self.assertIn("openloop is missing: leave --no-build out", process.stderr)

    def test_configurations_have_as_many_routes_as_asked(self):
        make = servers.load_make_config()
        for count in (1, 2, 7, 1000):
            keys = make.route_keys(count)
            self.assertEqual((len(keys), len(set(keys)), keys[-1]), (count, count, "$default"))
            self.assertEqual(make.configuration(routes=count).count("key = "), count)

    def test_what_is_deployed_is_asked_by_its_path(self):
        bench = bench_of(parse_arguments(["--core", "0", "--shift-ports", "100"]), None)
        server = servers.shardgate_deployed(bench, lambda running: "/prefix")
        text = servers.shift_ports(server.config, bench.shift)
        running = servers.Running(bench, server)
        for port in (running.port, running.admin_port, running.management_port):
            self.assertIn(f"127.0.0.1:{port}", text)
        running.prefix = server.deploy(running)
        self.assertEqual(running.url("/x"), "http://127.0.0.1:9210/prefix/x")

    def test_the_measured_path_belongs_to_a_route(self):
        make = servers.load_make_config()
        for count in (10, 1000, 100_000):
            resource = make.request_path(count).removesuffix("/4711/lines/42")
            self.assertIn(f"GET {resource}/{{id}}/lines/{{line}}", make.route_keys(count))

    def test_bad_arguments_are_refused(self):
        for words in BAD_ARGUMENTS:
            process = subprocess.run(
                [sys.executable, Path(servers.__file__).parent.parent / "compare", *words],
                capture_output=True,
                text=True,
            )
            self.assertEqual(process.returncode, 2, words)
        options = parse_arguments(["--quick", "proxy"])
        self.assertEqual((options.rounds, options.seconds, options.cases), (2, 2, ["proxy"]))

    def test_slices_are_the_default_unless_rounds_are_asked_for(self):
        turns = {
            (): "25 slices of 1 s for each of the servers, which all run",
            ("--rounds", "3"): "3 rounds of 5 s",
            ("--rounds", "3", "--slices", "9"): "9 slices",
            ("--slices", "0"): "5 rounds of 5 s",
            ("--quick",): "6 slices",
        }
        for words, told in turns.items():
            options = parse_arguments(["proxy", *words])
            self.assertEqual(describe_turns(options)[: len(told)], told)
        options = parse_arguments(["proxy", "latency"])
        self.assertIn("(latency: 5 rounds of 5 s)", describe_turns(options))


class Running(unittest.TestCase):
    def test_slices_meet_every_server_in_every_turn(self):
        loaded = []

        def run_load(running, seconds):
            loaded.append((running.server.label, seconds))
            return {"requests": 1, "errors": 0}

        both = [servers.direct(), servers.Server("again", "direct", "", servers.UPSTREAM)]
        bench = bench_of(parse_arguments(["--slices", "4"]), None)
        bench.progress = lambda *_: None
        samples = by_turns(bench, both, run_load)
        self.assertEqual({label: len(taken) for label, taken in samples.items()},
                         {"direct": 4, "again": 4})
        self.assertEqual(len(loaded), 2 + 8)
        for turn in range(1, 5):
            labels = {label for label, _ in loaded[2 * turn : 2 * turn + 2]}
            self.assertEqual(labels, {"direct", "again"})

    def test_a_change_is_waited_for_on_every_connection(self):
        # Each connection sees the change with its third answer, or a failure in its place.
        for status in (200, 503):
            with serving(lambda asked: (200, b"old") if asked < 3 else (status, b"new")) as address:
                watchers = liveness.Watchers(address, "/")
                if status == 200:
                    self.assertGreater(watchers.seconds_until(lambda body: body == b"new"), 0)
                else:
                    with self.assertRaisesRegex(BenchError, "503 new"):
                        watchers.seconds_until(lambda body: body == b"new")
                watchers.close()

    def test_the_scheduler_and_the_clock_count_the_same_time(self):
        with tempfile.TemporaryDirectory() as folder, Processes(Path(folder)) as processes:
            script = "sh -c 'while :; do :; done' & while :; do :; done"
            process = processes.start("tree", ["sh", "-c", script], os.sched_getaffinity(0))
            while len(read_tree(process.pid)) < 2:
                process.check_alive()
            before = process.usage()
            while (now := process.usage()).cpu.total - before.cpu.total < 0.3:
                process.check_alive()
            self.assertAlmostEqual(now.since(before).total, (now.cpu - before.cpu).total, delta=0.1)

    def test_a_tree_ends_whole_and_its_time_is_counted(self):
        script = "sh -c 'while :; do :; done' & while :; do :; done"
        with tempfile.TemporaryDirectory() as folder:
            with Processes(Path(folder)) as processes:
                process = processes.start("tree", ["sh", "-c", script], os.sched_getaffinity(0))
                while len(read_tree(process.pid)) < 2 or process.usage().cpu.user < 0.05:
                    process.check_alive()
                tree = read_tree(process.pid)
            left = [read_stat(one.pid) for one in tree]
            self.assertEqual([one for one in left if one and not one.is_zombie], [])

    def test_a_process_that_ends_is_told_with_what_it_said(self):
        with tempfile.TemporaryDirectory() as folder, Processes(Path(folder)) as processes:
            script = "echo no such luck >&2; exit 7"
            process = processes.start("unlucky", ["sh", "-c", script], os.sched_getaffinity(0))
            process.popen.wait()
            with self.assertRaisesRegex(BenchError, "code 7: no such luck"):
                process.check_alive()
            with self.assertRaisesRegex(BenchError, "not installed"):
                processes.start("missing", ["/no/such/program"], os.sched_getaffinity(0))

    def test_a_stubborn_process_is_killed(self):
        with tempfile.TemporaryDirectory() as folder, Processes(Path(folder)) as processes:
            script = "trap '' TERM; echo ready; while :; do :; done"
            output = Path(folder) / "out"
            process = processes.start("deaf", ["sh", "-c", script], os.sched_getaffinity(0), output)
            while output.read_text() != "ready\n":
                process.check_alive()
            process.stop(seconds=0.1)
            self.assertEqual(process.popen.returncode, -signal.SIGKILL)

    def test_taken_ports_are_told(self):
        with servers_socket() as listener:
            port = listener.getsockname()[1]
            with self.assertRaisesRegex(BenchError, f"port {port}, which a test needs, is taken"):
                check_port_free(port, "a test")
        check_port_free(port, "a test")

    def test_idle_connections_notice_a_server_that_hangs_up(self):
        with servers_socket() as listener:
            port = listener.getsockname()[1]
            answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
            pid = os.fork()
            if pid == 0:
                accepted = [listener.accept()[0] for _ in range(3)]
                for one in accepted:
                    one.recv(1000)
                    one.sendall(answer)
                accepted[0].close()
                accepted[1].recv(1000)  # until the client is done
                os._exit(0)
            idle = IdleConnections(port, 3)
            while idle.ended_count() == 0:
                pass
            self.assertEqual(idle.ended_count(), 1)
            idle.close()
            os.waitpid(pid, 0)


BAD_ARGUMENTS = (
    ["nonsense"],
    ["--only", "apache"],
    ["--rounds", "0"],
    ["--slices", "1001"],
    ["--core", "4096"],
)


@contextmanager
def serving(answer):
    """A server whose answers are `answer` of how often their connection has asked; its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        asked_count = 0

        def do_GET(self):
            self.asked_count += 1
            status, body = answer(self.asked_count)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def servers_socket():
    return socket.create_server(("127.0.0.1", 0))


def bench_of(options, folder):
    return Bench(options, folder, {}, None)


@contextmanager
def moved_certificate(folder):
    """The certificate's files are in another folder for as long as this is entered."""
    kept = certificate.FOLDER, certificate.CERTIFICATE, certificate.KEY
    certificate.FOLDER = folder
    certificate.CERTIFICATE, certificate.KEY = folder / "tls.pem", folder / "tls.key"
    try:
        yield
    finally:
        certificate.FOLDER, certificate.CERTIFICATE, certificate.KEY = kept


if __name__ == "__main__":
    unittest.main()
