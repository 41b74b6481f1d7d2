"""Benchmarks as their users run them, with hardly any work: each measures both sides and prints its line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
QUICK = """
from ci.bench import __main__ as program
from ci.bench.rows import containers, idle, launch, layers, peers
containers.COUNT = launch.COUNT = 3
peers.PEER_COUNT = 1
idle.SLOTS, idle.SECONDS, idle.SETTLING = 3, 0.1, 0.0
layers.DIRECTORIES, layers.FILES = 20, 3
program.main()
"""


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", QUICK, *arguments, "--runs", "1"]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=dict(os.environ))


@pytest.mark.parametrize("name", ["writable", "loopback", "layer", "layer-rebuild"])
def test_a_row_prints_its_ratio(name: str) -> None:
    done = bench(name)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{name} ratio=")
    assert done.stdout.count("\n") == 1


@pytest.mark.parametrize("name", ["idle", "idle-memory"])
def test_a_row_without_a_reference_prints_its_value(name: str) -> None:
    done = bench(name, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    record = json.loads(done.stdout)
    assert (record["name"], record["ratio"], record["reference"]) == (name, None, None)
    assert record["ours"] >= 0


def test_each_peer_is_measured_or_said_to_be_left_out() -> None:
    done = bench("launch-peers")
    assert done.returncode == 0
    printed = done.stdout.splitlines() + done.stderr.splitlines()
    assert sorted(line.split()[0] for line in printed) == ["launch-bwrap", "launch-crun", "launch-runc"]
    assert all(" ratio=" in line for line in done.stdout.splitlines())
    assert all(" left out: " in line for line in done.stderr.splitlines())


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")
def test_bubblewrap_makes_the_same_container() -> None:
    done = bench("launch-bwrap")
    if "left out: bwrap does not work here" in done.stderr:
        pytest.skip(done.stderr)
    assert done.stdout.startswith("launch-bwrap ratio=")
