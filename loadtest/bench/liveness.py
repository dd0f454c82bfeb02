"""How long a change takes until every shard serves it."""

import http.client
import time

from .processes import BenchError

#: Each connection stays with one shard. With so many, the chance that a shard of two has none is one
#: in 32,768.
CONNECTIONS_COUNT = 16
SECONDS_MAX = 5


def ask(address, path):
    """Asks once, on a connection of its own; anything but a 200 is a failure."""
    client = http.client.HTTPConnection(address, timeout=30)
    try:
        return ask_on(client, path)
    finally:
        client.close()


def ask_on(client, path):
    """The body of the answer, whose status must be 200."""
    try:
        client.request("GET", path)
        answer = client.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise BenchError(f"{path}: {error!r}") from None
    if answer.status != 200:
        raise BenchError(f"{path}: {answer.status} {body[:200].decode(errors='replace')}")
    return body


class Watchers:
    """Connections to all shards, which ask for one path until each has seen a change."""

    def __init__(self, address, path):
        self.path = path
        self.clients = [http.client.HTTPConnection(address, timeout=30) for _ in range(CONNECTIONS_COUNT)]
        for client in self.clients:
            ask_on(client, self.path)

    def seconds_until(self, wanted):
        """From now until every connection has had an answer that `wanted` (of its body) says yes
        to. No answer may be a failure meanwhile."""
        began = time.monotonic()
        waiting = list(self.clients)
        while waiting:
            waiting = [client for client in waiting if not wanted(ask_on(client, self.path))]
            if time.monotonic() - began > SECONDS_MAX:
                raise BenchError(f"{self.path}: {len(waiting)} of {CONNECTIONS_COUNT} connections "
                                 f"see no change after {SECONDS_MAX} s")
        return time.monotonic() - began

    def close(self):
        for client in self.clients:
            client.close()
