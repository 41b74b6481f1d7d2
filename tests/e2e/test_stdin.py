"""Jobs with our standard streams (`--stdin`), or an input of their specification; all others have none."""

from __future__ import annotations

import os
from pathlib import Path

from tests.support.programs import RUN, Programs, Terminal, alive, descendants, eventually, job, shell_job, stream


def test_our_input_goes_through_and_ends(programs: Programs, project: Path):
    data = bytes(range(256)) * 4000
    with programs.start(RUN, "--inline-limit", "10MB", "--stdin", "--", "cat", cwd=project) as process:
        out, err = process.communicate(data, timeout=60)
    assert (process.returncode, out == data, err) == (0, True, b"")


def test_an_answer_can_wait_for_a_question(programs: Programs, project: Path):
    """A pipe that stays open is no end."""
    (project / "shown").mkdir()
    bind = {"type": "bind", "mount_point": "/mnt", "local_path": "shown"}
    file = project / "job.json"
    file.write_bytes(stream(shell_job("read -r x; echo $x > /mnt/seen; cat", mounts=[bind])))
    with programs.start(RUN, "--stdin", "--one", "--file", str(file), cwd=project) as process:
        assert process.stdin is not None
        process.stdin.write(b"one\n")
        process.stdin.flush()
        assert eventually((project / "shown" / "seen").exists)
        out, _ = process.communicate(b"two\n", timeout=60)
    assert (process.returncode, out) == (0, b"two\n")


def test_output_is_shown_as_it_comes(programs: Programs, project: Path):
    script = "while read -r x; do printf 'got %s' $x; printf 'heard %s' $x >&2; done; exit 5"
    with programs.start(RUN, "--stdin", "--", "sh", "-c", script, cwd=project) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        for word in (b"one", b"two"):
            process.stdin.write(word + b"\n")
            process.stdin.flush()
            assert os.read(process.stdout.fileno(), 100) == b"got " + word
            assert os.read(process.stderr.fileno(), 100) == b"heard " + word
        assert process.communicate(timeout=60) == (b"", b"")
    assert process.returncode == 5


def test_all_that_was_written_is_shown_before_we_end(programs: Programs, project: Path):
    script = "head -c 3000000 /dev/zero; (sleep 1000 &); echo end; echo last >&2"
    with programs.start(RUN, "--stdin", "--", "sh", "-c", script, cwd=project) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, len(out), out[-4:], err) == (0, 3_000_004, b"end\n", b"last\n")


def test_a_job_whose_output_nobody_takes_waits_and_when_nobody_can_we_end(programs: Programs, project: Path):
    with programs.start(RUN, "--stdin", "--", "yes", cwd=project) as process:
        assert process.stdout is not None
        assert process.stdout.read(4) == b"y\ny\n"
        below = descendants(process.pid)
        process.stdout.close()
        assert process.wait(60) == 141
        assert eventually(lambda: not any(alive(pid) for pid in below))


def test_a_message_is_on_a_line_of_its_own(programs: Programs, project: Path):
    words = ("--timeout", "0.3", "--stdin", "--", "sh", "-c", "printf out; printf unfinished >&2; sleep 1000")
    with programs.start(RUN, *words, cwd=project) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, b"out")
    assert err.startswith(b"unfinished\nmaelstrom-run: timed out")


def test_a_job_that_does_not_read_ends_all_the_same(programs: Programs, project: Path):
    assert programs.run(RUN, "--stdin", "--", "sh", "-c", "exit 6", cwd=project, stdin=b"x" * 300_000).code == 6


def test_a_file_is_read_and_stays_as_it_is(programs: Programs, project: Path):
    """Even by a job that opens its input again to write to it."""
    file = project / "input"
    file.write_text("precious\n")
    script = "cat; test -p /dev/stdin && echo pipe; echo spoilt > /proc/self/fd/0"
    with (
        file.open("r+b") as source,
        programs.start(RUN, "--stdin", "--", "sh", "-c", script, cwd=project, stdin=source) as process,
    ):
        out, _ = process.communicate(timeout=60)
    assert out.startswith(b"precious\npipe\n")
    assert file.read_text() == "precious\n"


def test_a_terminal_is_pumped_and_not_handed_over(programs: Programs, project: Path):
    script = "test -t 0 || echo no terminal; cat"
    with Terminal(programs, RUN, "--stdin", "--", "sh", "-c", script, cwd=project) as terminal:
        terminal.type("line\n\x04")
        assert terminal.wait() == 0
        assert "no terminal\r\nline\r\n" in terminal.text
        assert terminal.settings == terminal.before


def test_an_input_that_cannot_be_read_is_an_error(programs: Programs, project: Path):
    writable_only = os.open("/dev/null", os.O_WRONLY)
    with programs.start(RUN, "--stdin", "--", "cat", cwd=project, stdin=writable_only) as process:
        _, err = process.communicate(timeout=60)
    os.close(writable_only)
    assert process.returncode == 2
    assert b"failed to read standard input for the job: Bad file descriptor" in err


def test_without_being_asked_for_a_job_has_no_input(programs: Programs, project: Path):
    assert programs.run(RUN, "--", "cat", cwd=project, stdin=b"ours").check(0).out == ""


def test_jobs_of_a_stream_bring_their_own(programs: Programs, project: Path):
    specs = [
        job("cat", stdin="one\n"),
        job("cat"),
        job("cat", stdin="zwei \u00e4\n"),
        job("wc", "-c", stdin="x" * 200_000),
    ]
    done = programs.jobs(*specs, cwd=project, options=("--slots", "1")).check(0)
    assert done.out == "one\nzwei \u00e4\n200000\n"


def test_a_job_cannot_change_what_it_was_given(programs: Programs, project: Path):
    """A job and the one after it in the same member: the input is one's own."""
    spec = shell_job("cat; echo more >> /proc/self/fd/0", stdin="mine\n")
    assert programs.jobs(spec, spec, cwd=project, options=("--slots", "1")).out == "mine\nmine\n"
