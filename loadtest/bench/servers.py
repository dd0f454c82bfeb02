"""The servers that are compared, and how each is started in a folder of its own."""

import importlib.machinery
import importlib.util
import re
import shutil
import tempfile
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

from . import certificate
from .processes import check_port_free, wait_until_listening

CONF = Path(__file__).resolve().parent.parent / "conf"
UPSTREAM, SHARDGATE, ADMIN, MANAGEMENT, NGINX, HAPROXY = 9000, 9110, 9111, 9112, 9120, 9121
SHARDGATE_TLS, NGINX_TLS = 9130, 9131
OWN_PORTS = (SHARDGATE, ADMIN, MANAGEMENT, NGINX, HAPROXY, SHARDGATE_TLS, NGINX_TLS)
#: How far the ports of a second server of one program are from those of the first.
TWIN_PORTS = 50


def load_make_config():
    """loadtest/make-config as a module: it is a script, so its name is not a module's."""
    path = str(Path(__file__).resolve().parent.parent / "make-config")
    loader = importlib.machinery.SourceFileLoader("make_config", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("make_config", loader))
    # No compiled copy beside the script.
    loader.exec_module(module)
    return module


def shift_ports(text, shift, twin_shift=0):
    """`text` with the ports of this comparison moved by `shift`, and all but the backend's by
    `twin_shift` besides."""
    ports = "|".join(str(port) for port in (UPSTREAM, *OWN_PORTS))

    def moved(at):
        port = int(at[2])
        return at[1] + str(port + shift + (0 if port == UPSTREAM else twin_shift))

    return re.sub(rf"(127\.0\.0\.1:)({ports})\b", moved, text)


@dataclass(frozen=True)
class Server:
    """A server as a case wants it: which program, with which configuration."""

    label: str
    program: str
    config: str
    port: int
    #: More files that the configuration names, by name.
    files: dict = field(default_factory=dict)
    #: Cores other than the one of the server under test.
    cores: frozenset = frozenset()
    is_tls: bool = False
    #: Deploys what the server serves, once it listens: takes the `Running`, and returns what goes
    #: before each path.
    deploy: Callable | None = None

    @property
    def is_direct(self):
        """No server at all: the load goes to the backend."""
        return self.program == "direct"


class Running:
    """A server that runs. Leaving the context ends it and removes its folder."""

    def __init__(self, bench, server, twin_index=0):
        """`twin_index` other servers of this program run at the same time."""
        self.bench, self.server, self.process, self.folder = bench, server, None, None
        self.twin_shift = 0 if server.is_direct else twin_index * TWIN_PORTS
        self.port = server.port + bench.shift + self.twin_shift
        self.admin_port = ADMIN + bench.shift + self.twin_shift
        self.management_port = MANAGEMENT + bench.shift + self.twin_shift
        self.prefix = ""

    def __enter__(self):
        if self.server.is_direct:
            return self
        self.folder = Path(tempfile.mkdtemp(prefix=f"{self.server.program}-", dir=self.bench.folder))
        # nginx's worker runs as another user and must reach its folder.
        self.folder.chmod(0o755)
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process:
            self.bench.processes.stop(self.process)
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self):
        for name, text in self.server.files.items():
            (self.folder / name).write_text(self._shifted(text))
        path = self.write_config(self.server.config)
        arguments = {
            "shardgate": [self.bench.binary, "run", "--config", path],
            "nginx": ["nginx", "-p", f"{self.folder}/", "-c", path],
            "haproxy": ["haproxy", "-db", "-f", path],
        }[self.server.program]
        check_port_free(self.port, self.server.label)
        if self.server.program == "shardgate":
            check_port_free(self.admin_port, "shardgate's admin listener")
        if self.server.deploy:
            check_port_free(self.management_port, "shardgate's management API")
        cores = self.server.cores or {self.bench.core}
        self.process = self.bench.processes.start(
            self.server.program, arguments, cores, self.folder / "stdout"
        )
        wait_until_listening(self.process, self.port)
        if self.server.is_tls:
            certificate.check_negotiated(self.server.label, self.port)
        if self.server.deploy:
            self.prefix = self.server.deploy(self)

    def write_config(self, text):
        """Writes the configuration, the first time or another one to be reloaded."""
        path = self.folder / "configuration"
        path.write_text(self._shifted(text.replace("FOLDER", str(self.folder))))
        return path

    def _shifted(self, text):
        return shift_ports(text, self.bench.shift, self.twin_shift)

    def metric(self, name):
        """The value of one of the gateway's metrics, labels included in the name; None without."""
        url = f"http://127.0.0.1:{self.admin_port}/metrics"
        with urllib.request.urlopen(url, timeout=10) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith(f"{name} "):
                    return float(line[len(name) :])
        return None

    def url(self, path):
        scheme = "https" if self.server.is_tls else "http"
        return f"{scheme}://127.0.0.1:{self.port}{self.prefix}{path}"


def direct():
    return Server("direct", "direct", "", UPSTREAM)


def shardgate(label="shardgate", cores=frozenset(), text=None, **arguments):
    """The gateway with the file `text`, or with what loadtest/make-config makes of `arguments`."""
    if text is None:
        if cores:
            arguments["shards"] = str(sorted(cores))
        text = load_make_config().configuration(**arguments)
    return Server(label, "shardgate", text, SHARDGATE, cores=frozenset(cores))


def shardgate_file(bench, name):
    """The gateway with a file of config/bench; its shard moves to the core under test."""
    text = (bench.root / "config" / "bench" / name).read_text()
    text = text.replace("shards = [0]", f"shards = [{bench.core}]")
    text = re.sub(r'^path = "/tmp/.*"$', 'path = "FOLDER/access.log"', text, flags=re.MULTILINE)
    return Server("shardgate", "shardgate", text, SHARDGATE)


def shardgate_deployed(bench, deploy):
    """The gateway with what `deploy` makes through its management API."""
    text = (CONF / "shardgate" / "deployed.toml").read_text()
    text = text.replace("shards = [0]", f"shards = [{bench.core}]")
    return Server("shardgate", "shardgate", text, SHARDGATE, deploy=deploy)


def shardgate_tls(bench):
    """The gateway with config/bench/tls.toml."""
    text = shardgate_file(bench, "tls.toml").config
    text = text.replace('"loadtest/.run/', f'"{certificate.FOLDER}/')
    return Server("shardgate", "shardgate", text, SHARDGATE_TLS, is_tls=True)


def nginx_tls():
    """nginx with loadtest/conf/nginx/tls.conf."""
    text = (CONF / "nginx" / "tls.conf").read_text()
    text = text.replace("../../.run/", f"{certificate.FOLDER}/")
    return Server("nginx", "nginx", text, NGINX_TLS, is_tls=True)


def nginx(name="proxy", label="nginx", cores=frozenset(), keepalive=256, routes=None):
    """nginx with a file of loadtest/conf/nginx."""
    text = (CONF / "nginx" / f"{name}.conf").read_text()
    text = text.replace("keepalive 256;", f"keepalive {keepalive};")
    files = {}
    if cores:
        text = text.replace("worker_processes 1;", f"worker_processes {len(cores)};")
        # As on the gateway, each process has a socket of its own on the port.
        text = text.replace("backlog=4096;", "backlog=4096 reuseport;")
    if routes:
        resources = load_make_config().resource
        files["routes.conf"] = "".join(
            f"location /{resources(index)}/ {{ proxy_pass http://backend; }}\n"
            for index in range(routes - 1)
        )
        text = text.replace("        location / {", "        include FOLDER/routes.conf;\n\n        location / {")
    return Server(label, "nginx", text, NGINX, files, frozenset(cores))


def haproxy(name="proxy", keepalive=256):
    """HAProxy with a file of loadtest/conf/haproxy."""
    text = (CONF / "haproxy" / f"{name}.cfg").read_text()
    text = text.replace("pool-max-conn 256", f"pool-max-conn {keepalive}")
    return Server("haproxy", "haproxy", text, HAPROXY)
