"""Looks for keys of whoever started the worker; their name is the argument."""

import os
import sys

from base import call, got, tried

GET_KEYRING_ID, DESCRIBE, SEARCH, READ = 0, 6, 10, 11
SESSION, USER, USER_SESSION, THREAD, PROCESS = -3, -4, -5, -1, -2
name = sys.argv[1].encode()

if call("request_key", b"user", name, 0, 0) > 0:
    got("requested")
for keyring in (SESSION, USER, USER_SESSION, THREAD, PROCESS):
    key = call("keyctl", SEARCH, keyring, b"user", name, 0)
    if key > 0:
        got("found in", keyring)
with open("/proc/keys") as file:
    for number in (int(line.split()[0], 16) for line in file):
        contents = bytes(64)
        if call("keyctl", READ, number, contents, len(contents)) > 0 and b"secret" in contents:
            got("read", number)
os.close(os.open("/proc/keys", os.O_RDONLY))
tried()
