"""A stand-in for the mechanism of templates: plain forks, no namespaces. Runs as a program, in the template.

    python fake_forks.py GUEST CONTROL      the request of the base on standard input

Messages on a control socket are lines of JSON. The template says {"ready": true} or {"refused": why}; then it is asked
{"kind": "job"|"stage", "payload": ...} with three descriptors, outputs and result channel or control socket, and
answers {"pid": ...} and, of a job, {"status": ..., "faults": ..., "cpu": ...} when it has ended.
"""

from __future__ import annotations

import array
import json
import os
import resource
import socket
import sys
from pathlib import Path


class FakeForks:
    channel = 200

    def __init__(self, control: int) -> None:
        self.control = socket.socket(fileno=control)

    def say(self, **message) -> None:
        self.control.sendall(json.dumps(message).encode() + b"\n")

    def ready(self) -> None:
        self.say(ready=True)

    def refuse(self, reason: str) -> None:
        self.say(refused=reason)
        os._exit(0)

    def serve(self) -> tuple[str, bytes]:
        while True:
            data, ancillary, _flags, _address = self.control.recvmsg(1 << 20, socket.CMSG_SPACE(3 * 4))
            if not data:
                os._exit(0)
            received = array.array("i")
            received.frombytes(ancillary[0][2])
            message = json.loads(data)
            child = os.fork()
            if child == 0:
                kind, self.payload = self.become(message, list(received))
                return kind, self.payload
            for descriptor in received:
                os.close(descriptor)
            self.say(pid=child)
            if message["kind"] == "job":
                _pid, status, usage = os.wait4(child, 0)
                self.say(status=status, faults=usage.ru_minflt, cpu=usage.ru_utime + usage.ru_stime)

    def point(self) -> bytes:
        return self.payload

    def end(self, code: int) -> None:
        os._exit(code)

    def become(self, message, received) -> tuple[str, bytes]:
        self.control.close()
        os.setsid()
        for target, descriptor in enumerate(received, start=1):
            os.dup2(descriptor, target)
        for descriptor in received:
            if descriptor > 3:
                os.close(descriptor)
        if message["kind"] == "stage":
            self.control = socket.socket(fileno=3)
            os.set_inheritable(3, False)
        else:
            os.dup2(3, self.channel, inheritable=False)
            os.close(3)
        return message["kind"], message["payload"].encode()


def main(directory: str, control: str) -> None:
    from importlib.machinery import SourceFileLoader

    boot = {"__name__": "maelstrom_boot"}
    code = SourceFileLoader("maelstrom_boot", directory + "/boot.py").get_code("maelstrom_boot")
    exec(code, boot)
    request = boot["read_request"]()
    os.dup2(int(control), 3)
    if int(control) != 3:
        os.close(int(control))
    start = boot["load"](directory, "start")
    start["run_template"](boot["load"], directory, request, FakeForks(3), False)


if __name__ == "__main__":
    del sys.path[0]
    # the guest empties the main module, as `-m pytest` would have found it: what is to live on lives elsewhere
    elsewhere = {"__name__": "fake_forks"}
    exec(compile(Path(__file__).read_text(), __file__, "exec"), elsewhere)
    elsewhere["resource"].setrlimit(resource.RLIMIT_CORE, (0, 0))
    elsewhere["main"](*sys.argv[1:])
