#!/usr/bin/env python3
"""Ten thousand strangers in a small container, beside a client that the relay trusts.

    cargo build --release
    sudo bench/strangers.py target/release/fastpath

Runs the binary in a memory cgroup of --mebibytes; where none can be made (it takes root), under a limit of
its address space of --address-space mebibytes, which is a rougher likeness. --strangers sessions come from
addresses 127.9.x.y, as fast as they are answered, each with the beginning of a message of 100 KB, and say no
more; who is turned away comes again while the others stay, as strangers do. Beside them a trusted client
sends --messages messages, each on a connection of its own.

Printed are how many were let in and turned away, the trusted client's p50 and p99, and what the process and
the group held at most. Exits with 1 when the relay was killed, or refused the trusted client.
"""

import argparse
import asyncio
import contextlib
import resource
import statistics
import subprocess
import sys
import time

from session_memory import LINE, Appliance, memory_group, stranger

CONTENT = LINE * 1422


class Tally:
    let_in = turned_away = put_off = fed = 0


async def reply(reader):
    while True:
        line = await asyncio.wait_for(reader.readline(), 60)
        if len(line) < 4 or line[3:4] != b"-":
            return line[:3]


async def come(port, number, tally, again):
    """A stranger: its connection while it is let in; tries `again` times when it is not."""
    for _ in range(again + 1):
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            source = (stranger(number), 0)
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=source)
            if await reply(reader) != b"220":
                tally.turned_away += 1
                writer.close()
                continue
            tally.let_in += 1
            for words in (b"EHLO stranger", b"MAIL FROM:<a@example.com>", b"RCPT TO:<b@example.net>"):
                writer.write(words + b"\r\n")
                await reply(reader)
            writer.write(b"DATA\r\n")
            if await reply(reader) == b"354":
                tally.fed += 1
                writer.write(CONTENT)
                await asyncio.wait_for(writer.drain(), 60)
            else:
                tally.put_off += 1
            return writer
    return None


async def all_come(port, options, tally):
    at_once = asyncio.Semaphore(options.at_once)

    async def one(number):
        async with at_once:
            return await come(port, number, tally, options.again)

    return await asyncio.gather(*(one(number) for number in range(options.strangers)))


def send_all(port, options):
    """The trusted client, in a process of its own: seconds of each message."""
    program = f"""
import smtplib, sys, time
took = []
for number in range({options.messages}):
    began = time.monotonic()
    with smtplib.SMTP("127.0.0.1", {port}, timeout=120) as client:
        client.sendmail("a@example.org", ["c@example.com"], "Subject: %d\\r\\n\\r\\n%s" % (number, "x" * 4000))
    took.append(time.monotonic() - began)
    time.sleep({options.pause})
print(*took)
"""
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary")
    parser.add_argument("--mebibytes", type=int, default=256)
    parser.add_argument("--address-space", type=int, default=1024)
    parser.add_argument("--strangers", type=int, default=10_000)
    parser.add_argument("--at-once", type=int, default=200)
    parser.add_argument("--again", type=int, default=2)
    parser.add_argument("--messages", type=int, default=1_000)
    parser.add_argument("--pause", type=float, default=0.02)
    options = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    group = memory_group(options.mebibytes << 20)
    if group is None:
        print("no memory cgroup can be made here: the address space is limited in its place")
    limit = None if group else options.address_space << 20
    appliance = Appliance(options.binary, group, limit)
    tally = Tally()
    try:
        sending = send_all(appliance.smtp, options)
        began = time.monotonic()
        strangers = asyncio.run(hold(appliance, options, tally, sending))
        took = [float(one) for one in sending.communicate()[0].split()]
        is_well = appliance.is_running() and sending.returncode == 0
        print(f"strangers: {tally.let_in} let in ({tally.fed} half-fed, {tally.put_off} put off), "
              f"{tally.turned_away} times turned away, within {strangers - began:.1f} s")
        if is_well and took:
            cuts = statistics.quantiles(took, n=100)
            print(f"trusted client: {len(took)} messages, p50 {cuts[49] * 1000:.0f} ms, "
                  f"p99 {cuts[98] * 1000:.0f} ms, longest {max(took) * 1000:.0f} ms")
        if group:
            is_well = is_well and group.kills() == 0
            print(f"the group's peak is {group.peak() / 1e6:.0f} MB, "
                  f"{group.used() / 1e6:.0f} MB without the cache of files; {group.kills()} killed")
        if not is_well:
            sys.exit("the relay did not hold:\n" + appliance.tail())
    finally:
        appliance.stop()
        if group:
            group.remove()


async def hold(appliance, options, tally, sending):
    """Has the strangers come and stay until the trusted client has sent everything."""
    writers = await all_come(appliance.smtp, options, tally)
    all_there = time.monotonic()
    while sending.poll() is None:
        await asyncio.sleep(0.1)
    if appliance.is_running():
        print(f"the process holds {appliance.resident() / 1e6:.0f} MB, "
              f"the budget has {appliance.reserved() / 1e6:.0f} MB of it")
    for writer in writers:
        if writer:
            writer.transport.abort()
    return all_there


if __name__ == "__main__":
    main()
