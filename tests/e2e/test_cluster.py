"""A cluster as its users have it: jobs of maelstrom-run, run by workers, whatever dies meanwhile."""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.broker import PATIENCE
from tests.support.cluster import Cluster, small_job
from tests.support.programs import PYTEST, RUN, alive, descendants, eventually, sleepers, write_project
from tests.support.small_python import small_python


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path) as cluster:
        yield cluster


def test_jobs_of_a_stream_run_on_the_workers_that_there_are(cluster: Cluster) -> None:
    cluster.start_broker()
    workers = [cluster.start_worker(slots=1) for _ in range(2)]
    with cluster.running(*(small_job("sleep 11111") for _ in range(2))):
        assert eventually(lambda: all(sleepers(worker.process.pid, "11111") for worker in workers))
    done = cluster.run(*(small_job(f"echo number {number}") for number in range(20))).check(0)
    assert sorted(done.out.splitlines()) == sorted(f"number {number}" for number in range(20))
    for worker in workers:
        worker.process.terminate()
        assert worker.process.wait(PATIENCE) == 0


def test_how_jobs_end_is_told_as_if_they_had_run_here(cluster: Cluster) -> None:
    cluster.start_broker()
    cluster.start_worker()
    done = cluster.run(
        small_job("echo out; echo err >&2; exit 3"),
        small_job("sh -c 'kill -9 $$'; exit $?"),
        small_job("sleep 10000", timeout=0.5),
        {**small_job("true"), "program": "/bin/missing"},
        options=("--results", "-"),
    )
    here = cluster.client.jobs(
        small_job("echo out; echo err >&2; exit 3"),
        small_job("sh -c 'kill -9 $$'; exit $?"),
        small_job("sleep 10000", timeout=0.5),
        {**small_job("true"), "program": "/bin/missing"},
        cwd=cluster.client.home,
        options=("--results", "-"),
    )
    assert len(outcomes(done.out)) == 4, done
    assert outcomes(done.out) == outcomes(here.out)


def outcomes(text: str) -> list[str]:
    """Return what is said of jobs, but for times."""
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    told = [{name: value for name, value in line.items() if name not in VARYING} for line in lines]
    return sorted(json.dumps(each, sort_keys=True) for each in told)


VARYING = frozenset({"start", "wall", "cpu_user", "cpu_system", "peak_memory", "worker", "worker_attempt"})


def test_a_worker_that_is_killed_costs_no_result(cluster: Cluster) -> None:
    cluster.start_broker()
    first = cluster.start_worker(slots=1)
    with cluster.running(small_job("sleep 3; echo done")) as process:
        assert eventually(lambda: sleepers(first.process.pid, "3"))
        below = descendants(first.process.pid)
        first.kill()
        assert eventually(lambda: not any(alive(pid) for pid in below), 20)
        cluster.start_worker(slots=1)
        assert process.stdout is not None
        assert process.stdout.read() == b"done\n"
        assert process.wait(PATIENCE) == 0


def test_a_broker_that_is_killed_costs_no_result_either(cluster: Cluster) -> None:
    broker = cluster.start_broker()
    worker = cluster.start_worker(slots=1)
    with cluster.running(*(small_job("sleep 2; echo done") for _ in range(2))) as process:
        assert eventually(lambda: sleepers(worker.process.pid, "2"))
        broker.process.kill()
        assert eventually(lambda: not sleepers(worker.process.pid, "2"))
        cluster.start_broker(broker.port)
        assert process.stdout is not None
        assert process.stdout.read() == b"done\ndone\n"
        assert process.wait(PATIENCE) == 0


def test_a_worker_may_be_there_before_its_broker(cluster: Cluster) -> None:
    port = cluster.start_broker().port  # one that is free, and credentials
    assert cluster.broker is not None
    cluster.broker.process.kill()
    cluster.broker.process.wait()
    cluster.start_worker(address=f"127.0.0.1:{port}")
    cluster.start_broker(port)
    assert cluster.run(small_job("echo done")).check(0).out == "done\n"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_jobs_of_a_client_that_is_gone_are_stopped(cluster: Cluster, number: signal.Signals) -> None:
    cluster.start_broker()
    worker = cluster.start_worker(slots=2)
    with cluster.running(*(small_job("sleep 11111") for _ in range(4))) as process:
        assert eventually(lambda: len(sleepers(worker.process.pid, "11111")) == 2)
        process.send_signal(number)
        process.wait(PATIENCE)
        assert eventually(lambda: not sleepers(worker.process.pid, "11111"))
    assert cluster.run(small_job("echo next")).check(0).out == "next\n"


def test_what_is_tied_to_this_machine_runs_here(cluster: Cluster) -> None:
    cluster.start_broker()
    (cluster.client.home / "here").mkdir()
    bound = {"type": "bind", "mount_point": "/tmp", "local_path": "here"}
    cluster.run(small_job("echo tied > /tmp/file", mounts=[bound])).check(0)  # there is no worker
    assert (cluster.client.home / "here" / "file").read_text() == "tied\n"


def test_slots_of_this_machine_help_unless_told_not_to(cluster: Cluster) -> None:
    cluster.start_broker()
    jobs = [small_job(f"echo {number}") for number in range(10)]
    assert sorted(cluster.run(*jobs, local=True).check(0).out.split()) == sorted(str(number) for number in range(10))


def test_one_job_runs_on_the_cluster_and_ends_as_it_ended(cluster: Cluster) -> None:
    cluster.start_broker()
    worker = cluster.start_worker()
    done = cluster.run(small_job("echo out; exit 7"), options=("--one",))
    assert (done.code, done.out) == (7, "out\n"), done
    assert list((worker.programs.cache / "fetched").glob("*"))


def test_one_command_over_many_inputs_runs_on_the_cluster(cluster: Cluster) -> None:
    cluster.start_broker()
    cluster.start_worker()
    job = cluster.client.home / "job.json"
    job.write_text(json.dumps(small_job("true")))
    options = ("--map", "--file", str(job), "--", "/bin/echo", "input", "{}")
    done = cluster.client.run(RUN, *cluster.options(), *options, cwd=cluster.client.home, stdin=b"a\nb\nc\n").check(0)
    assert sorted(done.out.splitlines()) == ["input a", "input b", "input c"]


def test_a_draining_worker_ends_what_it_runs_and_a_second_signal_stops_it(cluster: Cluster) -> None:
    cluster.start_broker()
    first = cluster.start_worker(slots=1)
    with cluster.running(small_job("sleep 3; echo done")) as process:
        assert eventually(lambda: sleepers(first.process.pid, "3"))
        first.process.terminate()
        assert first.process.wait(PATIENCE) == 0
        assert process.stdout is not None
        assert process.stdout.read() == b"done\n"
    second = cluster.start_worker(slots=1)
    with cluster.running(small_job("sleep 11111")) as process:
        assert eventually(lambda: sleepers(second.process.pid, "11111"))
        below = descendants(second.process.pid)
        second.process.terminate()
        assert second.process.stderr is not None
        assert "waiting for 1 job" in second.process.stderr.readline()
        second.process.terminate()
        assert second.process.wait(PATIENCE) == 0
        assert eventually(lambda: not any(alive(pid) for pid in below), 20)


def test_a_worker_shows_what_it_runs(cluster: Cluster) -> None:
    cluster.start_broker()
    worker = cluster.start_worker("--stats", "127.0.0.1:0", slots=1)
    assert worker.process.stdout is not None
    url = worker.process.stdout.readline().rpartition("statistics at ")[2].strip() + "stats"
    with cluster.running(small_job("sleep 11111"), small_job("sleep 11111")):
        assert eventually(lambda: sleepers(worker.process.pid, "11111"))
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            stats = json.load(answer)
    assert (stats["slots"], len(stats["jobs"]), stats["queued"]) == (1, 1, 1), stats


def test_a_wrong_token_is_told_to_worker_and_client(cluster: Cluster, tmp_path: Path) -> None:
    cluster.start_broker()
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("".join(f'{role} = "{"x" * 32}"\n' for role in ("client", "worker")))
    wrong.chmod(0o600)
    worker = cluster.start_worker("--credentials", str(wrong))
    _, error = worker.process.communicate(timeout=PATIENCE)
    assert worker.process.returncode == 2
    assert "the token is wrong" in error
    assert "Traceback" not in error
    done = cluster.run(small_job("true"), options=("--credentials", str(wrong))).check(2)
    assert "the token is wrong" in done.single_message


def test_a_broker_that_is_not_there_is_told_to_the_client(cluster: Cluster) -> None:
    broker = cluster.start_broker()
    broker.process.kill()
    broker.process.wait()
    done = cluster.run(small_job("true")).check(3)
    assert f"failed to connect to the broker at {cluster.address}: Connection refused" in done.single_message


ADMIN = "maelstrom_admin"
LOUD = "i=0; while [ $i -lt 3000 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done; exit 3"


def loud(stream: str) -> str:
    return "".join(f"{stream} {number}\n" for number in range(3000))


def test_output_beyond_the_inline_limit_arrives_whole_and_nothing_of_it_stays(cluster: Cluster) -> None:
    broker = cluster.start_broker()
    worker = cluster.start_worker()
    options = ("--inline-limit", "1000", "--results", "-")
    done = cluster.run(small_job(LOUD), small_job(f"{LOUD} # again"), options=options)
    results = [json.loads(line) for line in done.out.splitlines()]
    for result in results:
        assert (result["stdout"], result["stderr"]) == (loud("out"), loud("err"))
        assert (result["code"], result["worker"], result["worker_attempt"]) == (3, "worker-1", 1)
        assert "stdout_lost" not in result
    assert len(results) == 2
    assert eventually(lambda: not list((cluster.directory / "store" / "outputs" / "artifacts").iterdir()))
    files = [os.readlink(f"/proc/{worker.process.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{worker.process.pid}/fd")]
    assert sum("deleted" in name and str(worker.programs.cache) in name for name in files) <= 2, "one for each slot"
    one = cluster.run(small_job(LOUD), options=("--inline-limit", "1000", "--output-limit", "2000", "--one"))
    assert one.code == 3
    assert one.out == loud("out")[:2000]
    assert f"standard output was cut off after 2000 bytes, {len(loud('out')) - 2000} more were lost" in one.err
    assert broker.process.poll() is None


def test_output_for_which_the_broker_has_no_room_is_lost_with_a_word_and_the_job_is_as_it_was(
    cluster: Cluster,
) -> None:
    cluster.start_broker(options=("--store-size", "8000000"))  # an eighth of it is for this
    cluster.start_worker()
    doubled = f"x=0123456789; for i in {' '.join('0123456789abcdefg')}; do x=$x$x; done; echo $x; exit 3"
    done = cluster.run(small_job(doubled), options=("--inline-limit", "1000")).check(3)
    assert done.out == "0123456789" * 100
    assert "more were lost (the worker failed to send it: " in done.err
    assert "job 1: exited with code 3" in done.err


def test_jobs_that_require_labels_and_memory_run_where_these_are_and_others_are_told_of(cluster: Cluster) -> None:
    cluster.start_broker()
    cluster.start_worker("--labels", "gpu=yes zone=b", "--memory", "2GB")
    cluster.start_worker("--labels", "zone=b", "--memory", "8GB")
    jobs = (
        small_job("echo 1", labels=["gpu=yes"]),
        small_job("echo 2", labels=["zone=b"], memory=5_000_000_000),
    )
    done = cluster.run(*jobs, jobs[0], options=("--results", "-"), local=True).check(0)
    ran = {result["job"]: result["worker"] for result in map(json.loads, done.out.splitlines())}
    assert ran == {1: "worker-1", 2: "worker-2", 3: "worker-1"}
    with cluster.running(small_job("true", labels=["gpu=yes", "none=such"])) as process:
        assert process.stderr is not None
        told = process.stderr.readline().decode()
        assert told == "maelstrom-run: jobs wait: no worker that is connected has none=such\n"
        assert "no worker that is connected has none=such" in asked(cluster, "jobs")
        assert "no worker that is connected has none=such" in asked(cluster, "status")
        cluster.start_worker("--labels", "gpu=yes none=such")
        assert process.wait(PATIENCE) == 0


def test_a_broker_that_does_not_come_back_is_given_up(cluster: Cluster) -> None:
    broker = cluster.start_broker()
    cluster.start_worker(slots=1)
    jobs = [small_job("sleep 11111") for _ in range(2)]
    with cluster.running(*jobs, options=("--broker-timeout", "1")) as process:
        assert process.stderr is not None
        assert eventually(lambda: "running" in asked(cluster, "jobs"))
        broker.process.kill()
        told = process.stderr.readline().decode()
        assert told.startswith(f"maelstrom-run: lost the connection to the broker at {cluster.address} (")
        assert told.endswith("; trying again\n")
        rest = process.stderr.read().decode()
        assert f"the broker at {cluster.address} was lost, and has not come back: " in rest
        assert [f"job {number}: system error: the job was not run: " in rest for number in (1, 2)] == [True, True]
        assert process.wait(PATIENCE) == 3


def asked(cluster: Cluster, what: str) -> str:
    """Return what an admin is told."""
    options = ("--broker", cluster.address, "--credentials", str(cluster.credentials))
    return cluster.client.run(ADMIN, what, *options, cwd=cluster.client.home).check(0).out


SUITE = {
    "helper.py": "ANSWER = 42\n",
    "test_suite.py": """\
import os
import pytest
from helper import ANSWER

@pytest.mark.parametrize("number", range(6))
def test_nothing_is_left_behind(number, tmp_path):
    assert not os.path.exists("left")
    open("left", "x").close()

def test_fails():
    print("printed")
    assert ANSWER == 43

@pytest.mark.skip(reason="later")
def test_skipped():
    pass
""",
    "maelstrom-pytest.toml": """\
[[directives]]
layers = [{ shared_library_dependencies = BINARIES, follow_symlinks = true }]
""",
}


def test_tests_of_pytest_run_on_a_worker_with_the_verdicts_that_they_have_here(
    cluster: Cluster, tmp_path: Path
) -> None:
    python = str(small_python(tmp_path / "python"))
    binaries = [python, *map(str, (tmp_path / "python").glob("lib/*/lib-dynload/*.so"))]
    files = {name: text.replace("BINARIES", json.dumps(binaries)) for name, text in SUITE.items()}
    project = write_project(tmp_path / "project", files)
    cluster.start_broker()
    worker = cluster.start_worker()
    reports = {name: tmp_path / name for name in ("junit-xml", "report", "trace")}
    written = [word for name, path in reports.items() for word in (f"--{name}", str(path))]
    options = (*cluster.options(), "--ui", "simple", "--python", python, *written)
    for more in ((), ("--no-template",)):
        done = cluster.client.run(PYTEST, *options, *more, cwd=project).check(1)
        assert "as pytest counts: 1 failed, 6 passed, 1 skipped" in done.out
        assert "E       assert 42 == 43" in done.out
        assert "worker: worker-1\n" in done.out
        finished = [
            event
            for line in reports["report"].read_text().splitlines()
            if (event := json.loads(line))["event"] == "finished"
        ]
        assert {(event["worker"], event["worker_attempt"]) for event in finished} == {("worker-1", 1)}
        assert reports["junit-xml"].read_text().count('<property name="worker" value="worker-1" />') == 8
        assert '"name":"worker-1"' in reports["trace"].read_text()
        assert "start an interpreter each" not in done.out
        assert not (project / "left").exists()
    assert list((worker.programs.cache / "fetched").glob("*")), "the worker ran nothing"
