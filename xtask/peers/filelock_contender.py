"""A contender for a lock of PyPI's filelock: `filelock_contender.py CLASS contend|hold [PATH]`.

A contender says "ready VERSION", then answers each line "PATH START LIMIT HOLD" (nanoseconds of
CLOCK_MONOTONIC) with "held BEGIN END" or "without WHY". A holder says "held", and stays.
"""

import sys
import time

import filelock

# Every contender for a lease must agree on its duration. Two seconds, as short as the age that
# proper-lockfile allows.
OPTIONS = {"SoftFileLease": {"lease_duration": 2.0}}


def lock_of(name, path):
    options = OPTIONS.get(name, {})
    # The default polls every 50 ms; the other contenders here look every 10 ms.
    return getattr(filelock, name)(path + ".lock", poll_interval=0.01, **options)


def contend(name):
    print("ready", filelock.__version__, flush=True)
    for line in sys.stdin:
        path, start, limit, hold = line.split()
        start, limit, hold = int(start), int(limit), int(hold)
        lock = lock_of(name, path)
        time.sleep(max(0, start - time.monotonic_ns()) / 1e9)
        try:
            lock.acquire(timeout=limit / 1e9)
        except Exception as why:  # whatever it is, this contender has no lock
            print("without", type(why).__name__, flush=True)
            continue
        begin = time.monotonic_ns()
        time.sleep(hold / 1e9)
        end = time.monotonic_ns()
        try:
            lock.release()
        except Exception:  # robbed: the overlap is in the times
            pass
        print("held", begin, end, flush=True)


def hold(name, path):
    lock_of(name, path).acquire()
    print("held", flush=True)
    time.sleep(3600)


if sys.argv[2] == "hold":
    hold(sys.argv[1], sys.argv[3])
else:
    contend(sys.argv[1])
