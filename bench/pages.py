#!/usr/bin/env python3
"""How long every page takes with a long trail, a long queue, and mail flowing beside it.

Starts an appliance on a directory of its own, fills its trail (straight into the database, as an
appliance of this version would have written it) and its queue (by SMTP), lets smtp-source send on
the fast path to smtp-sink, and asks for each page over one connection.

    cargo build --release
    bench/pages.py target/release/fastpath

Prints milliseconds for each page and exits with 1 when the p95 of one exceeds --bound. Takes a few
minutes and some 2 GiB below the directory for temporary files.
"""

import argparse
import contextlib
import http.client
import json
import os
import pathlib
import random
import shutil
import smtplib
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

from relay_rate import program

ONE_TIME = "one time for the yardstick"
PASSWORD = "a password for the yardstick"
TOKEN = "token-of-the-yardstick-0123456789abcdef"
NEXT_HOPS = 30
# As the appliance fills the chunks of its indexes: src/limits/trail.rs.
CHUNK_MESSAGES, CHUNK_EVENTS = 4_096, 16_384
PAGES = [
    "/", "/?range=day", "/?range=month",
    "/queue", "/queue?by=domain", "/queue?page=500", "/queue?sort=recipient",
    "/queue?sort=recipient&page=500", "/queue?sort=sender&page=999", "/queue?sort=-next_attempt_at",
    "/queue?next_hop=127.0.0.1%3A2707", "/queue?sender=sender3*", "/queue?recipient=user4242*",
    "/queue?last_reply=refused", "/queue?older_than_seconds=3600", "/queue/{row}", "/queue/{row}/source",
    "/messages", "/messages?recipient=postmaster%40example.net", "/messages?recipient=p*",
    "/messages?recipient=a*", "/messages?recipient=z*", "/messages?sender=news%40example.com",
    "/messages?sender=n*", "/messages?sender=two-percent%40example.org", "/messages?reason=deferred",
    "/messages?reason=conversion", "/messages?outcome=held", "/messages?client_address=192.0.2.7",
    "/messages?storage=split", "/messages/{message}",
    "/audit", "/settings", "/settings/next-hops", "/settings/retention", "/account",
]  # fmt: skip


class Appliance:
    """A running appliance on `directory`."""

    def __init__(self, binary, directory, smtp, web, sink):
        self.binary, self.directory, self.smtp, self.web = binary, directory, smtp, web
        self.environment = os.environ | {
            "FASTPATH_ADMIN_PASSWORD": ONE_TIME,
            "FASTPATH_API_TOKEN": TOKEN,
            "FASTPATH_HOSTNAME": "relay.example.org",
            "FASTPATH_NEXT_HOP": f"smtp://127.0.0.1:{sink}",
        }
        self.log = open(directory.parent / "log", "ab")  # noqa: SIM115 - as long as the process
        self.process = None

    def start(self):
        addresses = [f"127.0.0.1:{port}" for port in (self.smtp, self.web)]
        self.process = subprocess.Popen(
            [self.binary, "serve", "--data-dir", self.directory]
            + ["--smtp-listen", addresses[0], "--web-listen", addresses[1]],
            env=self.environment, stdout=self.log, stderr=self.log,
        )  # fmt: skip
        for _ in range(600):
            if self.process.poll() is not None:
                sys.exit("the appliance does not start: " + self.log.name)
            with contextlib.suppress(OSError):
                if self.ask("GET", "/readyz")[0] == 200:
                    return
            time.sleep(0.1)
        sys.exit("the appliance does not become ready: " + self.log.name)

    def stop(self):
        self.process.terminate()
        self.process.wait(30)

    def ask(self, method, path, body=None):
        """Status and text of one request with the token."""
        connection = http.client.HTTPConnection("127.0.0.1", self.web, timeout=60)
        fields = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        connection.request(method, path, None if body is None else json.dumps(body), fields)
        answer = connection.getresponse()
        return answer.status, answer.read()

    def api(self, method, path, body=None):
        status, text = self.ask(method, "/api/v1" + path, body)
        if status != 200:
            sys.exit(f"{method} {path}: {status} {text.decode()}")
        return json.loads(text)

    def browser(self):
        """A connection, and the cookie of an administrator that is made for it."""
        connection = http.client.HTTPConnection("127.0.0.1", self.web, timeout=60)
        form = {"one_time": ONE_TIME, "name": "ada", "password": PASSWORD, "repeat": PASSWORD}
        fields = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Sec-Fetch-Site": "same-origin",
        }
        connection.request("POST", "/setup", urllib.parse.urlencode(form), fields)
        answer = connection.getresponse()
        answer.read()
        return connection, answer.getheader("Set-Cookie").split(";")[0]


def fill_trail(file, messages):
    """A week's worth: most stayed in memory, one in twenty was deferred once; some addresses are common."""
    random.seed(1)
    database = sqlite3.connect(file)
    database.execute("PRAGMA synchronous = OFF")
    now = int(time.time() * 1000)
    chunk, in_chunk, events_in_chunk = 1, 0, 0
    for number in range(messages):
        if in_chunk >= CHUNK_MESSAGES or events_in_chunk >= CHUNK_EVENTS:
            chunk, in_chunk, events_in_chunk = chunk + 1, 0, 0
        in_chunk += 1
        at = now - (messages - number) * 300
        message = at << 20
        spread = f"{(number * 0x9E3779B9) & 0xFFFFFFFF:08x}"
        sender = "news@example.com" if 2 * number < messages else f"{spread}@example.org"
        if 2 * number >= messages and random.random() < 0.02:
            sender = "two-percent@example.org"
        is_common = random.random() < 0.1
        recipient = "postmaster@example.net" if is_common else f"{spread}@example.net"
        fate = random.random()
        row = {
            "id": message, "chunk": chunk, "received_at": at, "sender": sender,
            "client_address": f"192.0.2.{number % 250}", "helo": "client.example.org",
            "recipients": 1, "size_bytes": 4096, "path": "fast", "storage": "memory",
            "reasons": "", "code": 250, "reply": "250 2.0.0 Delivered", "acknowledged_micros": 1500,
        }  # fmt: skip
        attempt = {"next_hop": "mx.example.net", "peer": "192.0.2.25:25", "tls": 0, "took_micros": 1000}
        if fate < 0.95:
            words = "250 2.0.0 Ok: queued as 4F2B1C3D"
            insert(database, "messages", row | attempt
                   | {"recipient": recipient, "delivered_at": at, "words": words})  # fmt: skip
            continue
        reason = "deferred" if fate < 0.9999 else "conversion"
        insert(database, "messages", row | {"storage": "disk", "reasons": reason})
        for what in ("deferred", "queued", "delivered"):
            event = {
                "message": message, "chunk": chunk, "number": events_in_chunk, "at": at,
                "recipient": recipient, "what": what, "words": "451 4.3.0 later",
            }  # fmt: skip
            insert(database, "events", event if what == "queued" else event | attempt)
            events_in_chunk += 1
    for table, column in (("messages", "id"), ("events", "message")):
        database.execute(
            f"INSERT INTO chunks SELECT '{table}', chunk, min({column}), max({column})"
            f" FROM {table} GROUP BY chunk"
        )
    database.commit()
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()


def insert(database, table, row):
    columns, places = ", ".join(row), ", ".join(f":{column}" for column in row)
    database.execute(f"INSERT INTO {table} ({columns}) VALUES ({places})", row)


def fill_queue(appliance, recipients):
    """By the standard path to next hops that are not there; 1,000 recipients a message."""
    hops = [
        {"domain": f"bulk{number}.example", "address": f"smtp://127.0.0.1:{2700 + number}"}
        for number in range(NEXT_HOPS)
    ]
    settings = {"path": "standard", "retry_schedule_seconds": [7200], "next_hops": hops}
    appliance.api("PATCH", "/settings", settings)
    with smtplib.SMTP("127.0.0.1", appliance.smtp, local_hostname="client.example.org") as client:
        for start in range(0, recipients, 1000):
            names = [
                f"user{number}@bulk{random.randrange(NEXT_HOPS)}.example"
                for number in range(start, min(start + 1000, recipients))
            ]
            content = f"Subject: {start}\r\n\r\n{'x' * 3000}\r\n"
            client.sendmail(f"sender{start // 1000 % 7}@example.org", names, content)
    appliance.api("PATCH", "/settings", {"path": "fast"})
    while appliance.api("GET", "/queue?limit=1&state=delivering")["total"] > 0:
        time.sleep(0.5)


class Traffic(threading.Thread):
    """About `rate` messages a second until it is stopped."""

    def __init__(self, port, rate):
        super().__init__()
        self.port, self.rate, self.sent, self.stopping = port, rate, 0, threading.Event()
        self.began = time.time()

    def run(self):
        while not self.stopping.is_set():
            began = time.time()
            subprocess.run(
                [program("smtp-source"), "-d", "-s", "5", "-m", str(self.rate), "-l", "4096"]
                + ["-f", "s@example.org", "-t", "r@example.net", f"127.0.0.1:{self.port}"],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
            )  # fmt: skip
            self.sent += self.rate
            self.stopping.wait(max(0, 1 - (time.time() - began)))

    def stop(self):
        self.stopping.set()
        self.join()
        return self.sent / (time.time() - self.began)


def measure(appliance, rounds):
    """Milliseconds of every page, by its path."""
    connection, cookie = appliance.browser()
    message = appliance.api("GET", "/messages?limit=3")["items"][0]["message_id"]
    row = appliance.api("GET", "/queue?limit=1")["items"][0]["id"]
    times = {}
    for path in (page.format(row=row, message=message) for page in PAGES):
        for _ in range(rounds):
            began = time.time()
            connection.request("GET", path, headers={"Cookie": cookie})
            answer = connection.getresponse()
            answer.read()
            times.setdefault(path, []).append((time.time() - began) * 1000)
            if answer.status != 200:
                sys.exit(f"{path}: {answer.status}")
        of_page = sorted(times[path])
        print(
            f"{path:46} p50 {of_page[rounds // 2]:7.1f}  p95 {percentile(of_page):7.1f}"
            f"  max {of_page[-1]:7.1f}",
            flush=True,
        )
    return times


def percentile(times):
    return times[max(0, round(len(times) * 0.95) - 1)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", type=pathlib.Path)
    parser.add_argument("--trail", type=int, default=1_000_000, help="messages in the trail")
    parser.add_argument("--queue", type=int, default=100_000, help="recipients in the queue")
    parser.add_argument("--rate", type=int, default=1_000, help="messages a second beside it")
    parser.add_argument("--rounds", type=int, default=40, help="requests for each page")
    parser.add_argument("--bound", type=float, default=200, help="milliseconds")
    parser.add_argument("--ports", type=int, default=2691, help="the first of three free ones")
    options = parser.parse_args()
    smtp, web, sink_port = range(options.ports, options.ports + 3)
    place = pathlib.Path(tempfile.mkdtemp(prefix="fastpath-pages-"))
    user = ["-u", "root"] if os.geteuid() == 0 else []
    sink = subprocess.Popen(
        [program("smtp-sink"), *user, f"127.0.0.1:{sink_port}", "1024"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    appliance = Appliance(options.binary.resolve(), place / "data", smtp, web, sink_port)
    try:
        appliance.start()
        appliance.stop()
        fill_trail(place / "data" / "history.db", options.trail)
        appliance.start()
        fill_queue(appliance, options.queue)
        traffic = Traffic(smtp, options.rate)
        traffic.start()
        try:
            times = measure(appliance, options.rounds)
        finally:
            rate = traffic.stop()
        worst = max(times, key=lambda path: percentile(sorted(times[path])))
        slowest = percentile(sorted(times[worst]))
        print(f"{rate:.0f} messages a second beside it; slowest by p95: {worst} {slowest:.1f} ms")
        return slowest > options.bound
    finally:
        if appliance.process and appliance.process.poll() is None:
            appliance.stop()
        sink.terminate()
        shutil.rmtree(place)


if __name__ == "__main__":
    sys.exit(main())
