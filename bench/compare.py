#!/usr/bin/env python3
"""Whether a change cost the relay anything: two binaries side by side, in turns, in one run.

    cargo build --release && cp target/release/fastpath before
    ... change, and build again ...
    bench/compare.py before target/release/fastpath

Each round measures the fast path and the standard path of both (or those that --paths names, such as
cut_through), one after the other, with bench/relay_rate.py. Printed are the medians of messages a second and of CPU a message (user and system
time of the appliance), and their ratios, after to before.
"""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

RATE = pathlib.Path(__file__).resolve().parent / "relay_rate.py"
TOKEN = "token-of-the-yardstick-0123456789abcdef"
TICKS = os.sysconf("SC_CLK_TCK")


class Appliance:
    """A running appliance of `binary`, on ports of its own and a directory below `place`."""

    def __init__(self, binary, place, smtp, sink):
        self.smtp, self.web = smtp, smtp + 1
        environment = os.environ | {
            "FASTPATH_DATA_DIR": str(place),
            "FASTPATH_SMTP_LISTEN": f"127.0.0.1:{smtp}",
            "FASTPATH_WEB_LISTEN": f"127.0.0.1:{self.web}",
            "FASTPATH_HOSTNAME": "relay.example.org",
            "FASTPATH_NEXT_HOP": f"smtp://127.0.0.1:{sink}",
            "FASTPATH_API_TOKEN": TOKEN,
        }
        log = open(f"{place}.log", "wb")  # noqa: SIM115 - as long as the process
        self.process = subprocess.Popen(
            [binary, "serve"], env=environment, stdout=log, stderr=log
        )
        for _ in range(300):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{self.web}/readyz", timeout=5).close()
                return
            time.sleep(0.1)
        sys.exit(f"{binary} does not become ready: see {place}.log")

    def set(self, settings):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.web}/api/v1/settings",
            method="PATCH",
            data=json.dumps(settings).encode(),
            headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
        )
        urllib.request.urlopen(request, timeout=10).close()

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


def measure(appliance, sink, options):
    """Messages a second, and microseconds of CPU a message."""
    before = appliance.cpu_seconds()
    ran = subprocess.run(
        [RATE, str(appliance.smtp), "--sink-port", str(sink), "--messages", str(options.messages)]
        + ["--bytes", str(options.bytes), "--connections", str(options.connections), "--figure-only"],
        stdout=subprocess.PIPE, check=True,
    )  # fmt: skip
    spent = appliance.cpu_seconds() - before
    return float(ran.stdout), spent * 1e6 / options.messages


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=pathlib.Path)
    parser.add_argument("after", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--messages", type=int, default=30_000)
    parser.add_argument("--bytes", type=int, default=4_096)
    parser.add_argument("--connections", type=int, default=20)
    parser.add_argument("--ports", type=int, default=2791, help="the first of five free ones")
    parser.add_argument("--paths", nargs="+", default=["fast", "standard"])
    options = parser.parse_args()
    place = pathlib.Path(tempfile.mkdtemp(prefix="fastpath-compare-"))
    sink = options.ports
    appliances = {}
    try:
        for number, name in enumerate(("before", "after")):
            binary = getattr(options, name).resolve()
            port = options.ports + 1 + 2 * number
            appliances[name] = Appliance(binary, place / name, port, sink)
        figures = {}
        for number in range(options.rounds):
            # Who goes first changes: what the machine does meanwhile favours neither.
            order = list(appliances.items())[:: 1 if number % 2 == 0 else -1]
            for path in options.paths:
                for name, appliance in order:
                    appliance.set({"path": path})
                    figures.setdefault((path, name), []).append(measure(appliance, sink, options))
                    rate, cpu = figures[path, name][-1]
                    print(f"  {path:11} {name:7} {rate:7.0f}/s  {cpu:6.1f} us", flush=True)
        for path in options.paths:
            medians = {
                name: [statistics.median(column) for column in zip(*figures[path, name])]
                for name in appliances
            }
            (rate_before, cpu_before), (rate, cpu) = medians["before"], medians["after"]
            print(
                f"{path:11} {rate_before:.0f} -> {rate:.0f} messages/s ({rate / rate_before:.2f}),"
                f" {cpu_before:.1f} -> {cpu:.1f} us of CPU a message ({cpu / cpu_before:.2f})"
            )
    finally:
        for appliance in appliances.values():
            appliance.process.terminate()
            appliance.process.wait(30)
        shutil.rmtree(place)


if __name__ == "__main__":
    main()
