#!/usr/bin/env python3
"""Compares what Python's email package reads from two messages: the one that was converted, and what it
became. Prints what differs and exits with 1.

    compare_mime.py ORIGINAL CONVERTED
    compare_mime.py --corpus DIRECTORY CONVERTER   (a program that converts stdin to stdout, 2 = unconvertible)
"""

import email
import email.errors
import email.policy
import pathlib
import quopri
import subprocess
import sys
import tempfile
import warnings

# Sources stay as they are when a part is written out again.
POLICY = email.policy.default.clone(refold_source="none")
HEADERS = ("Subject", "From", "To", "Cc", "Reply-To")


def read(path):
    """Like message_from_binary_file(), which makes every CRLF a line feed: base64 would differ from text."""
    with open(path, "rb") as file:
        return email.message_from_bytes(file.read(), policy=POLICY)


def shown(value):
    """A header's text without what folding and quoting may change."""
    text = " ".join(str(value).replace('"', "").split())
    # A blank is put between an encoded word and its neighbours (RFC 2047, section 5).
    for special in ",;:<>":
        text = text.replace(" " + special, special).replace(special + " ", special)
    return text


def addresses(value):
    return [address.addr_spec for address in getattr(value, "addresses", ())]


def delivery_blocks(part):
    """A report's blocks, which Python reads as messages before it decodes their encoding."""
    data = b"".join(block.as_bytes() for block in part.get_payload())
    if str(part.get("Content-Transfer-Encoding", "")).lower() == "quoted-printable":
        data = quopri.decodestring(data)
    return b"\n".join(line.strip() for line in data.splitlines() if line.strip())


class Comparison:
    def __init__(self):
        self.differences = []

    def check(self, where, what, before, after):
        if before != after:
            self.differences.append(f"{where}: {what}: {before!r} became {after!r}")

    def header(self, where, before, after):
        for name in HEADERS:
            first, second = before.get(name), after.get(name)
            self.check(where, f"{name} is there", first is not None, second is not None)
            if first is None or second is None:
                continue
            texts = shown(first), shown(second)
            if name != "Subject":
                # Python keeps blanks between encoded words in display names, against RFC 2047, section 6.2.
                texts = tuple(text.replace(" ", "") for text in texts)
            self.check(where, name, *texts)
            # 8-bit bytes in an address itself cannot be kept.
            if all(item.isascii() and "\ufffd" not in item for item in addresses(first)):
                self.check(where, f"addresses of {name}", addresses(first), addresses(second))

    def part(self, where, before, after):
        self.check(where, "type", before.get_content_type(), after.get_content_type())
        self.filename(where, before, after)
        self.header(where, before, after)
        self.check(where, "has parts", before.is_multipart(), after.is_multipart())
        if before.is_multipart() != after.is_multipart():
            return
        if before.get_content_type() == "message/delivery-status":
            self.check(where, "blocks", delivery_blocks(before), delivery_blocks(after))
        elif before.is_multipart():
            first, second = before.get_payload(), after.get_payload()
            self.check(where, "number of parts", len(first), len(second))
            for number, (one, other) in enumerate(zip(first, second), 1):
                self.part(f"{where}.{number}", one, other)
        else:
            self.leaf(where, before, after)

    def filename(self, where, before, after):
        first, second = before.get_filename(), after.get_filename()
        if first is not None and "\ufffd" in first:
            # What is neither utf-8 nor labelled reads as this, and as latin-1 in its encoded form.
            self.check(where, "length of filename", len(first), len(second or ""))
        else:
            self.check(where, "filename", first, second)

    def leaf(self, where, before, after):
        self.check(where, "bytes", before.get_payload(decode=True), after.get_payload(decode=True))
        if before.get_content_maintype() != "text":
            return
        if before.get_param("charset") is None:
            added = after.get_param("charset")
            data = before.get_payload(decode=True)
            if data.isascii():
                expected = (None,)
            else:
                try:
                    data.decode("utf-8")
                    expected = ("utf-8",)
                except UnicodeDecodeError:
                    expected = ("unknown-8bit",)
            if str(before.get("Content-Transfer-Encoding", "")).lower() not in ("base64", "quoted-printable"):
                self.check(where, "charset added", True, added in expected)
            return
        self.check(where, "text", before.get_content(), after.get_content())


def compare(before, after):
    comparison = Comparison()
    with open(after, "rb") as file:
        content = file.read()
    comparison.check("message", "7-bit", True, content.isascii())
    comparison.check("message", "bare line ends", 0, content.replace(b"\r\n", b"").count(b"\n"))
    comparison.part("message", read(before), read(after))
    return comparison.differences


def corpus(directory, converter):
    failures = 0
    for path in sorted(pathlib.Path(directory).glob("*.eml")):
        with open(path, "rb") as file:
            run = subprocess.run([converter], stdin=file, capture_output=True, check=False)
        if "unconvertible" in path.name or run.returncode != 0:
            is_expected = "unconvertible" in path.name and run.returncode == 2
            differences = [] if is_expected else [run.stderr.decode()]
        else:
            with tempfile.NamedTemporaryFile(suffix=".eml") as converted:
                converted.write(run.stdout)
                converted.flush()
                differences = compare(path, converted.name)
        print(f"{'ok  ' if not differences else 'FAIL'} {path.name}: {run.stderr.decode().strip()}")
        for difference in differences:
            print(f"     {difference}")
        failures += bool(differences)
    return failures


def main():
    warnings.simplefilter("ignore")
    if len(sys.argv) == 4 and sys.argv[1] == "--corpus":
        sys.exit(1 if corpus(sys.argv[2], sys.argv[3]) else 0)
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    differences = compare(sys.argv[1], sys.argv[2])
    for difference in differences:
        print(difference)
    sys.exit(1 if differences else 0)


if __name__ == "__main__":
    main()
