"""Jobs that are forked from a template get what every job gets, and share nothing with each other or the template."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from maelstrom_client.sealed import SEALED_MOUNTS
from maelstrom_core.job import Cancelled, Exited, NotForked, Outcome, Signaled, TimedOut
from maelstrom_core.spec import BindMount, Grace, Limits, Network, ProcMount, TmpMount
from tests.integration.templates.conftest import MakeJob
from tests.support.pool import Pool


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    pool = Pool(slots=2)
    yield pool
    pool.close()


def output(outcome: Outcome) -> str:
    assert isinstance(outcome, Exited), outcome
    return outcome.effects.stdout.data.decode()


def test_a_template_that_is_no_python_program_speaks_the_protocol(pool: Pool, forked: MakeJob) -> None:
    outcome = pool.run(forked("echo said; exit 7"))
    assert isinstance(outcome, Exited)
    assert outcome.code == 7
    assert outcome.effects.stdout.data == b"2 17\nsaid\n"
    assert outcome.effects.result.data == b"hello"


def test_stages_load_more_and_are_forked_in_turn(pool: Pool, forked: MakeJob) -> None:
    outcome = pool.run(forked("true", stages=(" and more",)))
    assert isinstance(outcome, Exited)
    assert outcome.effects.result.data == b"hello and more"
    outcome = pool.run(forked("true", stages=(" and more", " and all")))
    assert isinstance(outcome, Exited)
    assert outcome.effects.result.data == b"hello and more and all"


def test_more_stages_than_there_is_room_for_are_refused(pool: Pool, forked: MakeJob) -> None:
    outcome = pool.run(forked("true", stages=("1", "2", "3")))
    assert outcome == NotForked("a template may have 2 stages, not 3")


def test_a_payload_may_be_larger_than_a_message(pool: Pool, forked: MakeJob) -> None:
    assert output(pool.run(forked("true #" + "x" * 200_000))).startswith("2 200006\n")


def test_a_fork_sees_what_a_job_sees(pool: Pool, forked: MakeJob) -> None:
    script = """
echo $$ $(ls /proc | grep -c '^[0-9]') $(ls /proc/self/fd | wc -w) $(cat /sys/class/net/lo/operstate 2>/dev/null)
ls -A /tmp /run /dev/shm | tr -d '\\n'; echo
grep -E 'NoNewPrivs|CapBnd|CapPrm' /proc/self/status | tr -d '\\n\\t'; echo
"""
    lines = output(pool.run(forked(script))).splitlines()[1:]
    # the shell below the program below the first process, and what it starts; descriptors 0, 1, 2 and ls's own: the
    # channel is closed where programs are started
    assert lines[0].split()[:3] == ["3", "5", "4"] or lines[0].split()[2] == "4", lines
    assert lines[1] == "/dev/shm:/run:/tmp:"
    assert "NoNewPrivs:1" in lines[2]
    if os.getuid() != 0:
        assert "CapPrm:" + "0" * 16 in lines[2]
        assert "CapBnd:" + "0" * 16 in lines[2]


@pytest.mark.parametrize("place", ["/tmp/left", "/run/left", "/dev/shm/left", "/var/tmp/left"])
def test_what_a_fork_writes_nobody_else_sees(pool: Pool, forked: MakeJob, place: str) -> None:
    for _ in range(2):
        assert "fresh" in output(pool.run(forked(f"test -e {place} || echo fresh; echo x > {place} && cat {place}")))


def test_forks_of_two_slots_do_not_share_a_port(pool: Pool, forked: MakeJob) -> None:
    script = """python3 -c '
import socket, time
s = socket.create_server(("127.0.0.1", 8123))
time.sleep(0.3)
print("ok")'"""
    numbers = [pool.start(forked(script)) for _ in range(4)]
    assert ["ok" in output(pool.wait(number)) for number in numbers] == [True] * 4


def test_a_port_is_free_again_for_the_next_fork(pool: Pool, forked: MakeJob) -> None:
    script = """python3 -c '
import socket
s = socket.create_server(("127.0.0.1", 8124)); c = socket.create_connection(("127.0.0.1", 8124)); a, _ = s.accept()
a.close(); c.close(); print("ok")'"""
    for _ in range(3):
        assert "ok" in output(pool.run(forked(script)))


def test_without_loopback_there_is_none(pool: Pool, forked: MakeJob) -> None:
    script = "python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", 1))' 2>&1 | tail -1"
    outcome = pool.run(forked(script, fields={"network": Network.DISABLED}))
    assert "unreachable" in output(outcome)


def test_how_a_fork_ends_is_its_outcome(pool: Pool, forked: MakeJob) -> None:
    outcome = pool.run(forked("kill -SEGV $PPID"))
    assert isinstance(outcome, Signaled)
    assert outcome.signal == signal.SIGSEGV


def test_a_fork_that_takes_too_long_is_killed_with_its_effects(pool: Pool, forked: MakeJob) -> None:
    outcome = pool.run(forked("echo begun; sleep 1000 & sleep 1000", timeout=0.5))
    assert isinstance(outcome, TimedOut)
    assert b"begun" in outcome.effects.stdout.data
    assert isinstance(pool.run(forked("true")), Exited)


def test_a_fork_whose_time_is_up_is_told_before_it_is_killed(pool: Pool, forked: MakeJob) -> None:
    # the signal goes to the fork, whose child is the shell
    job = forked("echo begun; sleep 1000", timeout=1.0)
    outcome = pool.run(msgspec.structs.replace(job, grace=Grace(60.0, signal.SIGABRT)))
    assert isinstance(outcome, TimedOut)
    assert b"begun" in outcome.effects.stdout.data
    assert outcome.effects.duration < 60
    assert isinstance(pool.run(forked("true")), Exited)


def test_a_fork_can_be_cancelled(pool: Pool, forked: MakeJob) -> None:
    number = pool.start(forked("sleep 1000"))
    assert isinstance(pool.run(forked("true")), Exited)
    pool.cancel(number)
    assert pool.wait(number) == Cancelled()


def test_what_a_fork_leaves_running_ends_with_it(pool: Pool, forked: MakeJob) -> None:
    outcome = pool.run(forked("(trap '' TERM HUP; sleep 1000) & setsid sleep 1000 & exit 0"))
    assert isinstance(outcome, Exited)


def test_processor_time_and_memory_are_accounted(pool: Pool, forked: MakeJob) -> None:
    outcome = pool.run(forked("python3 -c 'x = bytearray(50_000_000); sum(range(15_000_000))'"))
    assert isinstance(outcome, Exited)
    assert outcome.effects.cpu_user > 0.02
    assert outcome.effects.peak_memory is not None
    assert outcome.effects.peak_memory > 50_000_000


def test_output_beyond_the_limit_is_counted(pool: Pool, forked: MakeJob) -> None:
    outcome = pool.run(forked("head -c 1000000 /dev/zero", inline_limit=100))
    assert isinstance(outcome, Exited)
    assert len(outcome.effects.stdout.data) == 100
    assert outcome.effects.stdout.lost > 999_000


def test_a_template_may_refuse(pool: Pool, forked: MakeJob) -> None:
    assert pool.run(forked("true", request="refuse me")) == NotForked("refuse me")


def test_a_template_that_does_not_load_is_given_up_with_its_own_words(pool: Pool, forked: MakeJob) -> None:
    outcome = pool.run(forked("true", request="die"))
    assert isinstance(outcome, NotForked)
    assert "I cannot load" in outcome.reason


def test_a_template_needs_proc(pool: Pool, forked: MakeJob) -> None:
    outcome = pool.run(forked("true", fields={"mounts": (TmpMount("/tmp"),)}))
    assert isinstance(outcome, NotForked)


def test_a_template_in_the_network_of_the_host_is_refused(pool: Pool, forked: MakeJob) -> None:
    outcome = pool.run(forked("true", fields={"network": Network.LOCAL, "mounts": (ProcMount("/proc"),)}))
    assert isinstance(outcome, NotForked)
    assert "network" in outcome.reason


@pytest.mark.parametrize("user", [0, 1000])
def test_a_fork_may_have_another_user_inside(pool: Pool, forked: MakeJob, user: int) -> None:
    outcome = pool.run(forked("id -u", fields={"user": user, "group": user}))
    assert output(outcome).splitlines()[1] == str(user)


def test_a_fork_is_limited_and_its_template_is_not(pool: Pool, forked: MakeJob) -> None:
    """The first process of a fork counts, and is none of the job's."""
    limits = Limits(open_files=64, processes=50, file_size=4096, core_size=0, address_space=1 << 30, cpu_time=1000)
    job = forked(
        "ulimit -n; ulimit -Hn; grep processes /proc/self/limits; ulimit -v; ulimit -t", fields={"limits": limits}
    )
    for _ in range(3):
        said = output(pool.run(job)).split("\n", 1)[1].split()
        assert said == ["64", "64", "Max", "processes", "51", "51", "processes", str(1 << 20), "1000"]
    outcome = pool.run(forked("exec 70</dev/null", fields={"limits": limits}))
    assert isinstance(outcome, Exited)
    assert outcome.code != 0


def test_a_tmp_mount_of_a_fork_is_as_large_as_was_asked_for(pool: Pool, forked: MakeJob, folder: Path) -> None:
    program = BindMount("/template", str(folder), read_only=True)
    mounts = (*SEALED_MOUNTS, program, TmpMount("/srv", size=1 << 20))
    assert output(pool.run(forked("df -B1 --output=size /srv", fields={"mounts": mounts}))).split()[-1] == "1048576"
