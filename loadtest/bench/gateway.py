"""A gateway with a management API, on free ports of 127.0.0.1, for measurements that start it often."""

import json
import subprocess
import threading
import time
from pathlib import Path

from .management import Management
from .processes import BenchError


class Gateway:
    """Runs the configuration `text` in `folder` until the context is left."""

    def __init__(self, binary, folder, text):
        path = Path(folder) / "gateway.toml"
        path.write_text(text)
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [binary, "run", "--config", path], stderr=subprocess.PIPE, text=True, cwd=folder
        )
        try:
            self._wait_until_serving()
        except BaseException:
            self.__exit__()
            raise

    def _wait_until_serving(self):
        said = []
        for line in self.process.stderr:
            said.append(line)
            event = json.loads(line) if line.startswith("{") else {}
            if event.get("message") == "listening":
                self.public = event["address"]
            if event.get("message") == "serving":
                self.serving_seconds = time.monotonic() - self.began
                self.management = Management(event["management"])
                # Nobody reads on, and a pipe that is full would stop the gateway.
                threading.Thread(target=self._drop_log, daemon=True).start()
                return
        raise BenchError("the gateway did not start: " + "".join(said)[-2000:])

    def _drop_log(self):
        for _ in self.process.stderr:
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def resident_kib(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])
