"""What a job sees and what becomes of it: behaviours EX1 to EX24, EX55 to EX61, EX68 to EX70."""

from __future__ import annotations

import os
import signal
import socket
import threading
from pathlib import Path

import pytest

from maelstrom_core.job import (
    Container,
    ExecutionError,
    Exited,
    HostTree,
    Job,
    LayerDirectory,
    Outcome,
    Output,
    Signaled,
    TimedOut,
)
from maelstrom_core.spec import BindMount, Device, DevicesMount, DevptsMount, Network, ProcMount, SysMount, TmpMount
from tests.support.pool import Pool, container, python, shell

PROC = ProcMount("/proc")


def printed(outcome: Outcome) -> str:
    assert isinstance(outcome, Exited), outcome
    assert outcome.code == 0, outcome
    return outcome.effects.stdout.data.decode()


def complaint(outcome: Outcome) -> str:
    assert isinstance(outcome, Exited), outcome
    assert outcome.code != 0, outcome
    return outcome.effects.stderr.data.decode().lower()


@pytest.mark.parametrize("code", [0, 1, 255])
def test_ex1_ex2_exit_code_is_reported_and_silence_is_no_output(pool: Pool, code: int) -> None:
    outcome = pool.run(shell(f"exit {code}"))
    assert isinstance(outcome, Exited)
    assert (outcome.code, outcome.effects.stdout, outcome.effects.stderr) == (code, Output(), Output())


def test_ex3_abort_is_a_signal_and_what_was_printed_before_is_kept(pool: Pool) -> None:
    script = "import os, sys; print('a', flush=True); print('b', file=sys.stderr, flush=True); os.abort()"
    outcome = pool.run(python(script))
    assert isinstance(outcome, Signaled)
    # The first process of a pid namespace is immune to SIGABRT; abort() then ends in a fault.
    assert outcome.signal == signal.SIGSEGV
    assert outcome.effects.stdout.data == b"a\n"
    assert outcome.effects.stderr.data == b"b\n"


@pytest.mark.parametrize("redirect", ["", " >&2"], ids=["stdout", "stderr"])
@pytest.mark.parametrize(
    ("limit", "kept", "lost"), [(0, b"", 2), (1, b"a", 1), (2, b"a\n", 0), (3, b"a\n", 0)], ids=str
)
def test_ex4_to_ex11_output_is_kept_up_to_the_limit(
    pool: Pool, redirect: str, limit: int, kept: bytes, lost: int
) -> None:
    outcome = pool.run(shell(f"echo a{redirect}", inline_limit=limit))
    assert isinstance(outcome, Exited)
    streams = [outcome.effects.stdout, outcome.effects.stderr]
    if redirect:
        streams.reverse()
    assert streams == [Output(kept, lost), Output()]


def test_result_channel_is_a_third_stream_with_a_limit_of_its_own(pool: Pool) -> None:
    outcome = pool.run(shell("echo out; echo result >&3", inline_limit=3, result_limit=4))
    assert isinstance(outcome, Exited)
    assert outcome.effects.stdout == Output(b"out", 1)
    assert outcome.effects.result == Output(b"resu", 3)


def test_ex12_environment_is_exactly_what_was_given(pool: Pool) -> None:
    job = Job(container(), "/usr/bin/env", (), ("FOO=3", "BAR=4"))
    assert printed(pool.run(job)) == "FOO=3\nBAR=4\n"


def test_ex13_stdin_is_empty(pool: Pool) -> None:
    assert printed(pool.run(Job(container(), "/bin/cat"))) == ""


def test_stdin_can_be_given(pool: Pool) -> None:
    data = os.urandom(3_000_000)  # more than a ring holds
    outcome = pool.run(Job(container(), "/bin/cat", stdin=data, inline_limit=len(data)))
    assert isinstance(outcome, Exited)
    assert outcome.effects.stdout.data == data


def test_ex14_job_is_first_process_of_its_namespace_session_and_group(pool: Pool) -> None:
    script = "import os; print(os.getpid(), os.getppid(), os.getpgid(0), os.getsid(0))"
    assert printed(pool.run(python(script))) == "1 0 1 1\n"


CARRIER = "cat /sys/class/net/lo/carrier"


def test_ex15_network_disabled_leaves_lo_down(pool: Pool) -> None:
    job = shell(CARRIER, within=container(mounts=(SysMount("/sys"),)))
    assert "invalid argument" in complaint(pool.run(job))


def test_ex16_network_loopback_has_lo_up(pool: Pool) -> None:
    job = shell(CARRIER, within=container(mounts=(SysMount("/sys"),), network=Network.LOOPBACK))
    assert printed(pool.run(job)) == "1\n"


def test_ex17_network_local_reaches_this_machine(pool: Pool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        received: list[bytes] = []

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                received.append(connection.recv(5))
                connection.sendall(b"goodbye")

        thread = threading.Thread(target=serve)
        thread.start()
        script = (
            f"import socket; s = socket.create_connection(('127.0.0.1', {server.getsockname()[1]}));"
            "s.sendall(b'hello'); print(s.recv(7).decode())"
        )
        assert printed(pool.run(python(script, within=container(network=Network.LOCAL)))) == "goodbye\n"
        thread.join()
    assert received == [b"hello"]


IDENTITY = "import os; print(os.getuid(), os.geteuid(), os.getgid(), os.getegid())"


def test_ex18_user_and_group_are_root_by_default(pool: Pool) -> None:
    assert printed(pool.run(python(IDENTITY))) == "0 0 0 0\n"


def test_ex19_user_and_group_can_be_chosen(pool: Pool) -> None:
    assert printed(pool.run(python(IDENTITY, within=container(user=43, group=100)))) == "43 43 100 100\n"


def test_ex20_no_descriptor_leaks_into_the_job(pool: Pool, tmp_path: Path) -> None:
    mounts = (PROC, BindMount("/mnt", str(tmp_path)), DevicesMount((Device.NULL, Device.ZERO)))
    for network in Network:
        job = shell("ls /proc/self/fd", within=container(mounts=mounts, network=network))
        # 3 is the result channel, 4 is the listing's own
        assert printed(pool.run(job)).split() == ["0", "1", "2", "3", "4"]


def test_ex21_root_is_read_only(pool: Pool) -> None:
    assert "read-only file system" in complaint(pool.run(shell("touch /foo")))


@pytest.mark.parametrize("count", [0, 1, 2])
def test_ex22_ex23_writable_root_is_thrown_away(pool: Pool, tmp_path: Path, count: int) -> None:
    layers = []
    for number in range(count):
        directory = tmp_path / str(number)
        (directory / "data").mkdir(parents=True)
        (directory / "data" / f"file{number}").write_text(str(number))
        layers.append(LayerDirectory(str(directory)))
    within = container(*layers, writable=True)
    assert printed(pool.run(shell("echo hi > /foo; cat /foo; ls /data || true", within=within))).startswith("hi\n")
    for again in (within, container(*layers)):
        outcome = pool.run(shell("test ! -e /foo", within=again))
        assert isinstance(outcome, Exited)
        assert outcome.code == 0
    assert not any((tmp_path / str(number) / "foo").exists() for number in range(count))


def test_layers_are_stacked_in_order(pool: Pool, tmp_path: Path) -> None:
    for name in ("lower", "upper"):
        (tmp_path / name / "data").mkdir(parents=True)
        (tmp_path / name / "data" / "both").write_text(name)
        (tmp_path / name / "data" / name).touch()
    layers = tuple(LayerDirectory(str(tmp_path / name)) for name in ("lower", "upper"))
    assert (
        printed(pool.run(shell("cat /data/both; ls /data", within=container(*layers)))) == "upperboth\nlower\nupper\n"
    )


def test_what_a_job_writes_below_a_host_directory_does_not_reach_it(pool: Pool, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "kept").write_text("old")
    base = container()
    within = Container((*base.layers, HostTree(str(project), str(project))), writable=True)
    script = f"cd {project} && echo new > kept && echo x > made && rm -f gone && cat kept made"
    assert printed(pool.run(shell(script, within=within))) == "new\nx\n"
    assert sorted(os.listdir(project)) == ["kept"]
    assert (project / "kept").read_text() == "old"


def test_hidden_names_are_not_there(pool: Pool, tmp_path: Path) -> None:
    (tmp_path / "p" / ".git").mkdir(parents=True)
    (tmp_path / "p" / "sub").mkdir()
    (tmp_path / "p" / "sub" / "secret").write_text("s")
    (tmp_path / "p" / "sub" / "open").write_text("o")
    tree = HostTree(str(tmp_path / "p"), "/p", (".git", "sub/secret"))
    for writable in (False, True):
        within = Container((*container().layers, tree), writable=writable)
        assert printed(pool.run(shell("ls -A /p /p/sub", within=within))) == "/p:\nsub\n\n/p/sub:\nopen\n"


def test_ex55_working_directory_is_the_root_by_default(pool: Pool) -> None:
    assert printed(pool.run(shell("pwd"))) == "/\n"


def test_ex56_working_directory_can_be_chosen(pool: Pool) -> None:
    assert printed(pool.run(shell("pwd", working_directory="/usr/bin"))) == "/usr/bin\n"


def test_ex57_missing_program_is_the_users_error(pool: Pool) -> None:
    outcome = pool.run(Job(container(), "/does/not/exist"))
    assert isinstance(outcome, ExecutionError)
    assert "failed to execute /does/not/exist" in outcome.message


def test_a_file_that_cannot_be_executed_is_the_users_error(pool: Pool) -> None:
    outcome = pool.run(Job(container(), "/etc/passwd"))
    assert isinstance(outcome, ExecutionError)
    assert "Permission denied" in outcome.message


def test_ex58_working_directory_that_is_a_file_is_the_users_error(pool: Pool) -> None:
    outcome = pool.run(shell("true", working_directory="/etc/passwd"))
    assert isinstance(outcome, ExecutionError)
    assert "/etc/passwd" in outcome.message


def test_ex59_program_is_looked_up_in_the_jobs_path(pool: Pool) -> None:
    assert printed(pool.run(Job(container(), "echo", ("found",), ("PATH=/nowhere::/bin",)))) == "found\n"


def test_ex60_without_path_the_program_is_looked_up_in_the_working_directory(pool: Pool) -> None:
    job = Job(container(), "echo", ("here",), working_directory="/bin")
    assert printed(pool.run(job)) == "here\n"
    missing = pool.run(Job(container(), "echo", ("here",)))
    assert isinstance(missing, ExecutionError)
    assert missing.hint is not None
    assert "no PATH" in missing.hint


def test_ex61_missing_bind_source_is_the_users_error(pool: Pool, tmp_path: Path) -> None:
    mount = BindMount("/mnt", str(tmp_path / "missing"))
    outcome = pool.run(shell("true", within=container(mounts=(mount,))))
    assert isinstance(outcome, ExecutionError)
    assert str(tmp_path / "missing") in outcome.message


def test_ex61_missing_mount_points_are_made(pool: Pool, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    mounts = (
        TmpMount("/a/b"),
        BindMount("/c/d", str(tmp_path)),
        BindMount("/e/f", str(tmp_path / "file")),
        BindMount("/a/b/inner", str(tmp_path)),
        BindMount("/a/b/deep/file", str(tmp_path / "file")),
        TmpMount("/usr/share/never-there"),
        BindMount("/usr/share/never/file", str(tmp_path / "file")),
    )
    script = (
        "touch /a/b/x /usr/share/never-there/x; ls /a/b /c/d;"
        "cat /e/f /a/b/inner/file /a/b/deep/file /usr/share/never/file"
    )
    expected = "/a/b:\ndeep\ninner\nx\n\n/c/d:\nfile\n" + 4 * "content"
    for writable in (False, True):
        assert printed(pool.run(shell(script, within=container(mounts=mounts, writable=writable)))) == expected


@pytest.mark.parametrize("point", ["link/made", "secret/made", "secret", "open/deep/made"])
def test_ex61_mount_points_are_made_behind_links_and_below_hidden_names(pool: Pool, tmp_path: Path, point: str) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").touch()
    (tmp_path / "open").mkdir()
    (tmp_path / "link").symlink_to("/elsewhere")
    tree = HostTree(str(tmp_path), "/p", ("secret",))
    elsewhere = LayerDirectory(str(tmp_path / "layer"))
    (tmp_path / "layer" / "elsewhere").mkdir(parents=True)
    base = container(elsewhere)
    within = Container((*base.layers, tree), mounts=(PROC, TmpMount(f"/p/{point}")))
    script = f"touch /p/{point}/x && ls /p/{point} && ! test -e /p/secret/key && ls -A /p"
    visible = {"layer", "link", "open", *(["secret"] if "secret" in point else [])}
    assert printed(pool.run(shell(script, within=within))).split() == ["x", *sorted(visible)]
    assert sorted(os.listdir(tmp_path)) == ["layer", "link", "open", "secret"]


def test_a_tree_below_a_fresh_mount_takes_other_trees_and_mounts(pool: Pool, tmp_path: Path) -> None:
    """A project below /tmp, whose environment is hidden with it and shown by itself."""
    for name in ("project/.venv/bin", "project/src", "data"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "data" / "file").write_text("content")
    project = HostTree(str(tmp_path / "project"), "/tmp/project", (".venv",))
    environment = HostTree(str(tmp_path / "project" / ".venv"), "/tmp/project/.venv")
    mounts = (
        TmpMount("/tmp"),
        BindMount("/tmp/project/data", str(tmp_path / "data")),
        BindMount("/tmp/a/one", str(tmp_path / "data")),
        BindMount("/tmp/a/two", str(tmp_path / "data" / "file")),
    )
    for writable in (False, True):
        layers = (*container().layers, project, environment)
        within = Container(layers, mounts=mounts, writable=writable)
        script = "cd /tmp; ls -A . project project/.venv; cat project/data/file a/one/file a/two"
        expected = ".:\na\nproject\n\nproject:\n.venv\ndata\nsrc\n\nproject/.venv:\nbin\n" + 3 * "content"
        assert printed(pool.run(shell(script, within=within))) == expected


@pytest.mark.parametrize(
    "mount", [TmpMount("/etc/passwd"), ProcMount("/etc/passwd"), SysMount("/etc/passwd")], ids=repr
)
def test_a_mount_point_over_a_file_is_the_users_error(pool: Pool, mount: TmpMount) -> None:
    outcome = pool.run(shell("true", within=container(mounts=(mount,))))
    assert isinstance(outcome, ExecutionError)
    assert "/etc/passwd" in outcome.message
    assert "a file" in outcome.message


@pytest.mark.parametrize("where", ["program", "argument", "environment", "directory"])
def test_ex68_nul_in_a_string_is_an_error_and_no_crash(pool: Pool, where: str) -> None:
    job = Job(
        container(),
        "/bin/true\0" if where == "program" else "/bin/true",
        arguments=("a\0b",) if where == "argument" else (),
        environment=("A=\0",) if where == "environment" else (),
        working_directory="/\0" if where == "directory" else "/",
    )
    outcome = pool.run(job)
    assert isinstance(outcome, ExecutionError)
    assert "NUL" in outcome.message
    assert printed(pool.run(shell("echo fine"))) == "fine\n"


def test_ex69_timeout_kills_and_keeps_the_effects(pool: Pool) -> None:
    outcome = pool.run(shell("echo before; sleep 1d", timeout=0.3))
    assert isinstance(outcome, TimedOut)
    assert outcome.effects.stdout.data == b"before\n"
    assert outcome.effects.duration >= 0.3


def test_timeout_counts_even_where_the_job_ignores_every_signal(pool: Pool) -> None:
    script = "trap '' TERM INT HUP QUIT; echo started; while :; do sleep 1d; done"
    outcome = pool.run(shell(script, timeout=0.3))
    assert isinstance(outcome, TimedOut)
    assert outcome.effects.stdout.data == b"started\n"


def test_ex70_a_grandchild_cannot_hold_the_job(pool: Pool) -> None:
    outcome = pool.run(shell("(setsid sleep 1d &) ; echo done", timeout=20))
    assert printed(outcome) == "done\n"
    assert isinstance(outcome, Exited)
    assert outcome.effects.duration < 10


def test_cpu_time_and_memory_of_a_job_are_its_own(pool: Pool) -> None:
    script = "x = bytearray(200_000_000)\nfor i in range(0, len(x), 4096): x[i] = 1\nfor i in range(3_000_000): pass"
    outcome = pool.run(python(script))
    assert isinstance(outcome, Exited)
    assert outcome.effects.cpu_user > 0
    assert outcome.effects.peak_memory is not None
    assert 200_000_000 < outcome.effects.peak_memory < 400_000_000


def test_output_of_a_hundred_megabytes_is_counted_not_kept(pool: Pool) -> None:
    outcome = pool.run(
        shell("head -c 100000000 /dev/zero", inline_limit=10, within=container(mounts=(DevicesMount((Device.ZERO,)),)))
    )
    assert isinstance(outcome, Exited)
    assert outcome.effects.stdout == Output(b"\0" * 10, 99_999_990)


def test_terminals_of_the_jobs_own(pool: Pool) -> None:
    mounts = (PROC, DevicesMount((Device.NULL,)), DevptsMount("/dev/pts"))
    script = "import os; m, s = os.openpty(); print(os.ttyname(s))"
    assert printed(pool.run(python(script, within=container(mounts=mounts)))) == "/dev/pts/0\n"
