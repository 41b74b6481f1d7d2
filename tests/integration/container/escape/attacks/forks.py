"""Makes as many processes as it is told, in sessions of their own and deaf to signals, which hold its output open."""

import os
import signal
import sys

from base import tried

for number in range(1, 32):
    if number not in {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)
for _ in range(int(sys.argv[1])):
    if os.fork() == 0:
        if os.fork() == 0:
            os.setsid()
            while True:
                signal.pause()
        os._exit(0)
tried()
