#!/usr/bin/env python3
"""Give an FTP service of a Mark21 director another passive range, over D-Bus through ssh.

    passive_range.py admin@director ftp 30000-30999 60            goes back after 60 s
    passive_range.py admin@director ftp 30000-30999 60 --confirm  stays

Prints what happens until the change is confirmed or has gone back. Needs jeepney
(Debian: python3-jeepney) and an ssh key that the director knows.
"""

import json
import re
import socket
import subprocess
import sys

from jeepney import DBusAddress, HeaderFields, MatchRule, message_bus, new_method_call
from jeepney.io.blocking import DBusConnection

NAME = "org.mark21.Director1"
DIRECTOR = DBusAddress("/org/mark21/Director1", bus_name=NAME, interface=NAME)


def connect(host):
    """The director's system bus: `systemd-stdio-bridge` is what ssh runs there."""
    here, there = socket.socketpair()
    subprocess.Popen(["ssh", "-T", host, "systemd-stdio-bridge"], stdin=there, stdout=there)
    there.close()
    # EXTERNAL without a name: the bus knows who the far end of the bridge is.
    here.sendall(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n")
    answer = b""
    while answer.count(b"\r\n") < 2:
        part = here.recv(1)
        if not part:
            sys.exit(f"{host}: the connection has ended")
        answer += part
    if b"\r\nOK " not in b"\r\n" + answer:
        sys.exit(f"{host}: the bus does not let us in: {answer.decode()}")
    return DBusConnection(here)


def call(connection, member, signature=None, body=()):
    reply = connection.send_and_get_reply(
        new_method_call(DIRECTOR, member, signature, body), timeout=60
    )
    if reply.header.message_type.name == "error":
        sys.exit(f"{member}: {reply.body[0]}")
    return reply.body


def with_range(text, service, ports):
    """The configuration with another `passive_ports` in one service; all else stays."""
    blocks = re.split(r"(?m)^(?=\[\[service\]\])", text)
    for number, block in enumerate(blocks):
        if re.search(rf'(?m)^name\s*=\s*"{re.escape(service)}"', block):
            line = f'passive_ports = "{ports}"'
            block, found = re.subn(r"(?m)^passive_ports\s*=.*$", line, block)
            if not found:
                block = re.sub(r"(?m)^(kind\s*=.*)$", rf"\1\n{line}", block, count=1)
            blocks[number] = block
            return "".join(blocks)
    sys.exit(f"there is no service {service}")


def main():
    if len(sys.argv) not in (5, 6):
        sys.exit(__doc__)
    host, service, ports, seconds = sys.argv[1:5]
    connection = connect(host)
    rule = MatchRule(type="signal", interface=NAME, path="/org/mark21/Director1")
    connection.send_and_get_reply(message_bus.AddMatch(rule), timeout=60)
    # Generation 0 is what runs.
    (running,) = call(connection, "ReadGeneration", "u", (0,))
    text = with_range(json.loads(running)["text"], service, ports)
    options = {"confirm": ("u", int(seconds)), "comment": ("s", f"passive range {ports}")}
    with connection.filter(rule, bufsize=32) as signals:
        (committed,) = call(connection, "Commit", "sa{sv}", (text, options))
        print("committed generation", json.loads(committed)["generation"], flush=True)
        if "--confirm" in sys.argv:
            (generation,) = call(connection, "Confirm")
            print("confirmed generation", generation, flush=True)
            return
        while True:
            signal = connection.recv_until_filtered(signals, timeout=int(seconds) + 60)
            member = signal.header.fields[HeaderFields.member]
            print(member, *signal.body, flush=True)
            if member == "RolledBack":
                return


if __name__ == "__main__":
    main()
