#!/usr/bin/env python3
"""What one session of a stranger takes of memory, by what it does.

    cargo build --release
    bench/session_memory.py target/release/fastpath

For each kind of session an appliance of its own is started and --sessions sessions are opened, from
addresses 127.9.x.y that it does not trust, and left alone. Printed are kilobytes a session: what the
process is larger by (RSS), and of it what the memory budget has reserved. As root, where a memory cgroup can be made, also
what the group is larger by, which has the kernel's share in it.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import resource
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

TOKEN = "token-of-the-yardstick-0123456789abcdef"
# As many as one client may have, and a few less: src/limits/session.rs.
SESSIONS_PER_ADDRESS = 45
LINE = b"y" * 70 + b"\r\n"
SETTINGS = {"trusted_networks": ["127.0.0.1/32"], "relay_domains": ["example.net"]}


class MemoryGroup:
    """A cgroup of its own for a process; `limit` bytes, if any. Version 1 or 2, whichever is there."""

    def __init__(self, limit=None):
        second = pathlib.Path("/sys/fs/cgroup/cgroup.controllers")
        self.is_second = second.exists() and "memory" in second.read_text().split()
        root = pathlib.Path("/sys/fs/cgroup" if self.is_second else "/sys/fs/cgroup/memory")
        self.path = root / f"fastpath-bench-{os.getpid()}-{time.monotonic_ns()}"
        self.path.mkdir()
        if limit:
            name = "memory.max" if self.is_second else "memory.limit_in_bytes"
            (self.path / name).write_text(str(limit))
            with contextlib.suppress(OSError):
                # Nothing is to be saved by swapping.
                (self.path / "memory.swap.max").write_text("0")

    def enter(self):
        """In the child, before the binary is run."""
        (self.path / "cgroup.procs").write_text(str(os.getpid()))

    def used(self):
        """Bytes that cannot be taken back: all but the cache of files."""
        stat = dict(line.split() for line in (self.path / "memory.stat").read_text().splitlines())
        if self.is_second:
            used = int((self.path / "memory.current").read_text())
            return used - int(stat["file"])
        used = int((self.path / "memory.usage_in_bytes").read_text())
        return used - int(stat["total_cache"])

    def peak(self):
        names = ("memory.peak", "memory.max_usage_in_bytes")
        for name in names:
            with contextlib.suppress(OSError):
                return int((self.path / name).read_text())
        return 0

    def kills(self):
        """How often the kernel killed for want of memory."""
        name = "memory.events" if self.is_second else "memory.oom_control"
        found = re.search(r"^oom_kill (\d+)", (self.path / name).read_text(), re.M)
        return int(found.group(1)) if found else 0

    def remove(self):
        for _ in range(50):
            with contextlib.suppress(OSError):
                self.path.rmdir()
                return
            time.sleep(0.1)


def memory_group(limit=None):
    """A group, or none where none can be made."""
    try:
        return MemoryGroup(limit)
    except OSError:
        return None


class Appliance:
    """A running appliance on a directory of its own, with a next hop that takes everything."""

    def __init__(self, binary, group=None, limit_address_space=None, settings=SETTINGS):
        self.place = tempfile.TemporaryDirectory(prefix="fastpath-bench-")
        self.smtp, self.web = free_port(), free_port()
        self.sink = Sink()
        environment = os.environ | {
            "FASTPATH_DATA_DIR": f"{self.place.name}/data",
            "FASTPATH_SMTP_LISTEN": f"127.0.0.1:{self.smtp}",
            "FASTPATH_WEB_LISTEN": f"127.0.0.1:{self.web}",
            "FASTPATH_HOSTNAME": "relay.example.org",
            "FASTPATH_NEXT_HOP": f"smtp://127.0.0.1:{self.sink.port}",
            "FASTPATH_API_TOKEN": TOKEN,
        }

        def prepare():
            if group:
                group.enter()
            if limit_address_space:
                resource.setrlimit(resource.RLIMIT_AS, (limit_address_space, limit_address_space))

        self.log = open(f"{self.place.name}/log", "wb")  # noqa: SIM115 - as long as the process
        self.process = subprocess.Popen(
            [binary, "serve"],
            env=environment,
            stdout=self.log,
            stderr=self.log,
            preexec_fn=prepare,  # noqa: PLW1509 - there are no threads yet
        )
        for _ in range(600):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{self.web}/readyz", timeout=5).close()
                break
            time.sleep(0.1)
        else:
            sys.exit(f"{binary} does not become ready:\n{self.tail()}")
        self.ask("/api/v1/settings", "PATCH", settings)

    def ask(self, path, method="GET", value=None):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.web}{path}",
            method=method,
            data=json.dumps(value).encode() if value is not None else None,
            headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def resident(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"^VmRSS:\s+(\d+)", status, re.M).group(1)) * 1024

    def reserved(self):
        return self.ask("/api/v1/statistics/live")["resident"]["memory_bytes"]

    def is_running(self):
        return self.process.poll() is None

    def tail(self):
        return pathlib.Path(f"{self.place.name}/log").read_text()[-2000:]

    def stop(self):
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        self.process.kill()
        self.process.wait()
        self.sink.close()
        self.log.close()
        self.place.cleanup()


class Sink:
    """A next hop that takes everything, as fast as it can."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.socket.accept()
                threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with contextlib.suppress(OSError), client, client.makefile("rb") as lines:
            client.sendall(b"220 sink\r\n")
            in_data = False
            for line in lines:
                if in_data:
                    in_data = line != b".\r\n"
                    if not in_data:
                        client.sendall(b"250 2.0.0 taken\r\n")
                    continue
                verb = line[:4].upper()
                if verb == b"EHLO":
                    client.sendall(b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
                elif verb == b"DATA":
                    in_data = True
                    client.sendall(b"354 go on\r\n")
                else:
                    client.sendall(b"250 2.0.0 fine\r\n")

    def close(self):
        self.socket.close()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def stranger(number):
    """The source address of the so many-th session of strangers."""
    address = number // SESSIONS_PER_ADDRESS
    return f"127.9.{address // 250}.{address % 250 + 1}"


def reply(connection):
    received = b""
    while not re.search(rb"^\d{3} [^\n]*\r\n\Z", received, re.M):
        piece = connection.recv(4096)
        if not piece:
            raise ConnectionError(received)
        received += piece
    return received


def say(connection, words):
    connection.sendall(words)
    return reply(connection)


def connect(port, source, timeout=30):
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    connection.settimeout(timeout)
    connection.bind((source, 0))
    connection.connect(("127.0.0.1", port))
    return connection


def greeted(port, source):
    connection = connect(port, source)
    reply(connection)
    say(connection, b"EHLO stranger\r\n")
    return connection


def secured(port, source):
    connection = greeted(port, source)
    say(connection, b"STARTTLS\r\n")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = context.wrap_socket(connection)
    say(connection, b"EHLO stranger\r\n")
    return connection


def feed(connection, content):
    """An envelope and the beginning of its content; gives the reply to DATA."""
    say(connection, b"MAIL FROM:<a@example.com>\r\n")
    said = say(connection, b"RCPT TO:<b@example.net>\r\n")
    if not said.startswith(b"250"):
        return said
    said = say(connection, b"DATA\r\n")
    if said.startswith(b"354") and content:
        connection.sendall(content)
    return said


KINDS = {
    "idle": (greeted, None),
    "in data, nothing sent": (greeted, b""),
    "in data, 20 KB sent": (greeted, LINE * 284),
    "in data, 100 KB sent": (greeted, LINE * 1422),
    "TLS, idle": (secured, None),
    "TLS, in data, nothing sent": (secured, b""),
    "TLS, in data, 100 KB sent": (secured, LINE * 1422),
}


def settle(appliance):
    """Waits until the process has given back what it gives back to those who are silent."""
    least, since = appliance.resident(), time.monotonic()
    while time.monotonic() - since < 3:
        time.sleep(0.25)
        if (now := appliance.resident()) < least - 200_000:
            least, since = now, time.monotonic()


def measure(binary, kind, sessions):
    opened, content = KINDS[kind]
    group = memory_group()
    appliance = Appliance(binary, group)
    try:
        # What the first ones bring along is not theirs.
        held = [opened(appliance.smtp, "127.0.0.1") for _ in range(5)]
        settle(appliance)
        resident, in_group = appliance.resident(), group.used() if group else 0
        for number in range(sessions):
            held.append(opened(appliance.smtp, stranger(number)))
            if content is not None:
                feed(held[-1], content)
        settle(appliance)
        grown = (appliance.resident() - resident) / 1000 / sessions
        reserved = appliance.reserved() / 1000 / sessions
        in_group = (group.used() - in_group) / 1000 / sessions if group else None
        column = f"{in_group:10.1f}" if group else f"{'-':>10}"
        print(f"{kind:28} {grown:10.1f} {reserved:10.1f} {column}", flush=True)
        for connection in held:
            connection.close()
    finally:
        appliance.stop()
        if group:
            group.remove()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary")
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--kind", choices=KINDS, help="only this one")
    options = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print(f"{'KB a session':28} {'RSS':>10} {'reserved':>10} {'cgroup':>10}")
    for kind in [options.kind] if options.kind else KINDS:
        measure(options.binary, kind, options.sessions)


if __name__ == "__main__":
    main()
