#!/usr/bin/env python3
"""Messages a second through a relay, from the first connection until the destination has them all.

Starts smtp-sink as the destination, drives smtp-source at the relay, and reads the sink's own
counter. When the relay's port is the sink's, source and sink are measured alone: the ceiling of
what the machine can show.

What counts is the end of the last delivery. A relay that answers early and delivers late is as
fast as its deliveries; the rate of its answers is printed beside it.

Exit status 0 when every message arrived and the source complained about nothing.
"""

import argparse
import contextlib
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time

PEERS = pathlib.Path(__file__).resolve().parent.parent / "target" / "peers" / "bin"
COUNTER = re.compile(rb"mesg=(\d+)")
LOOK_INTERVAL_SECONDS = 0.02


def program(name):
    """The program that scripts/peers.sh brought in, or the system's."""
    brought_in = PEERS / name
    return str(brought_in) if brought_in.exists() else name


class Sink:
    """A running smtp-sink that counts what it accepts."""

    def __init__(self, port):
        self.counts = tempfile.NamedTemporaryFile(prefix="relay-rate-")
        user = ["-u", "root"] if os.geteuid() == 0 else []
        self.process = subprocess.Popen(
            [program("smtp-sink"), *user, "-c", f"127.0.0.1:{port}", "2048"],
            stdout=self.counts,
            stderr=subprocess.DEVNULL,
        )
        self.wait_until_listening(port)

    def wait_until_listening(self, port):
        for _ in range(500):
            if self.process.poll() is not None:
                sys.exit(f"smtp-sink cannot listen on port {port}")
            with contextlib.suppress(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            time.sleep(LOOK_INTERVAL_SECONDS)
        sys.exit(f"smtp-sink does not listen on port {port}")

    def messages(self):
        """The last value of the counter, which smtp-sink writes over and over."""
        size = os.fstat(self.counts.fileno()).st_size
        end = os.pread(self.counts.fileno(), 500, max(0, size - 500))
        values = COUNTER.findall(end)
        return int(values[-1]) if values else 0

    def end(self):
        self.process.terminate()
        self.process.wait()
        self.counts.close()


def drive(options):
    """Sends everything; gives when it began, when the last reply was read, and complaints."""
    command = [program("smtp-source")]
    if not options.reconnect:
        command.append("-d")
    command += ["-s", str(options.connections), "-m", str(options.messages), "-l", str(options.bytes)]
    command += ["-f", "sender@example.org", "-t", "recipient@example.net", f"127.0.0.1:{options.port}"]
    began = time.monotonic()
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    return began, time.monotonic(), finished.stderr.strip()


def measure(options):
    sink = Sink(options.sink_port)
    try:
        began, answered, complaints = drive(options)
        give_up = answered + options.patience
        while sink.messages() < options.messages and time.monotonic() < give_up:
            time.sleep(LOOK_INTERVAL_SECONDS)
        delivered, arrived = time.monotonic(), sink.messages()
    finally:
        sink.end()
    if options.figure_only:
        print(f"{arrived / (delivered - began):.0f}")
    else:
        print(
            f"port {options.port}, {options.bytes} bytes, {options.connections} connections"
            f"{', one message each' if options.reconnect else ''}: "
            f"answered {options.messages / (answered - began):.0f}/s, "
            f"delivered {arrived / (delivered - began):.0f}/s, "
            f"{arrived} of {options.messages} arrived"
        )
    if complaints:
        print(complaints, file=sys.stderr)
    return 0 if arrived == options.messages and not complaints else 1


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("port", type=int, help="the relay's port on 127.0.0.1")
    parser.add_argument("--sink-port", type=int, default=2600)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--bytes", type=int, default=4_096)
    parser.add_argument("--connections", type=int, default=20)
    parser.add_argument("--reconnect", action="store_true", help="a connection for every message")
    parser.add_argument("--patience", type=float, default=60, help="seconds to wait for the last delivery")
    parser.add_argument("--figure-only", action="store_true", help="print the delivered rate alone")
    sys.exit(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
