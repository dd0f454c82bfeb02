"""Tests of what needs no server: python3 -m unittest discover -s loadtest -p 'test_*.py'"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from bench import servers, tables
from bench.__main__ import count_failures, parse_arguments
from bench.load import IdleConnections, parse_wrk
from bench.measure import in_order, median, ratios, with_twins
from bench.processes import BenchError, Cpu, Processes, check_port_free, parse_stat, read_stat, read_tree

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
        with self.assertRaises(ValueError):
            tables.Table("title", ["one"]).add(["one", "two"])


class Configuring(unittest.TestCase):
    def test_only_ports_of_the_comparison_move(self):
        text = "127.0.0.1:9000 127.0.0.1:9110; 10.0.0.1:9000 127.0.0.1:90001 rate 9000"
        moved = "127.0.0.1:9100 127.0.0.1:9210; 10.0.0.1:9000 127.0.0.1:90001 rate 9000"
        self.assertEqual(servers.shift_ports(text, 100), moved)

    def test_configurations_have_as_many_routes_as_asked(self):
        make = servers.load_make_config()
        for count in (1, 2, 7, 1000):
            keys = make.route_keys(count)
            self.assertEqual((len(keys), len(set(keys)), keys[-1]), (count, count, "$default"))
            self.assertEqual(make.configuration(routes=count).count("key = "), count)

    def test_the_measured_path_belongs_to_a_route(self):
        make = servers.load_make_config()
        for count in (10, 1000, 100_000):
            resource = make.request_path(count).removesuffix("/4711/lines/42")
            self.assertIn(f"GET {resource}/{{id}}/lines/{{line}}", make.route_keys(count))

    def test_bad_arguments_are_refused(self):
        for words in (["nonsense"], ["--only", "apache"], ["--rounds", "0"], ["--core", "4096"]):
            process = subprocess.run(
                [sys.executable, Path(servers.__file__).parent.parent / "compare", *words],
                capture_output=True,
                text=True,
            )
            self.assertEqual(process.returncode, 2, words)
        options = parse_arguments(["--quick", "proxy"])
        self.assertEqual((options.rounds, options.seconds, options.cases), (2, 2, ["proxy"]))


class Running(unittest.TestCase):
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


def servers_socket():
    return socket.create_server(("127.0.0.1", 0))


if __name__ == "__main__":
    unittest.main()
