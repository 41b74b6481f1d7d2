"""The tests that `make vm` runs: one or a few for each thing that kernels do differently, and quick in an emulator."""

from __future__ import annotations

from collections.abc import Mapping

_CHOSEN: Mapping[str, tuple[str, ...]] = {
    "tests/integration/container/test_execution.py": (
        "test_ex14_job_is_first_process_of_its_namespace_session_and_group",
        "test_ex16_network_loopback_has_lo_up",
        "test_ex20_no_descriptor_leaks_into_the_job",
        "test_ex22_ex23_writable_root_is_thrown_away[1]",
        "test_what_a_job_writes_below_a_host_directory_does_not_reach_it",
        "test_hidden_names_are_not_there",
        "test_ex61_mount_points_are_made_behind_links_and_below_hidden_names",
        "test_ex69_timeout_kills_and_keeps_the_effects",
        "test_cpu_time_and_memory_of_a_job_are_its_own",
        "test_terminals_of_the_jobs_own",
    ),
    "tests/integration/container/test_mounts.py": (
        "test_ex45_proc",
        "test_ex52_a_read_only_bind_mount_cannot_be_written_or_made_writable",
    ),
    "tests/integration/container/test_limits.py": ("test_limits_are_those_of_the_specification",),
    "tests/integration/container/test_members_filter.py": ("test_jobs_with_and_without_a_filter_take_turns",),
    "tests/integration/container_layers/test_overlay.py": (),
    "tests/integration/captured/test_capture.py": (
        "test_a_capture_is_a_layer_of_later_jobs_deletions_included[caller]",
        "test_a_job_cannot_write_what_the_kernel_notes_in_attributes",
    ),
    "tests/integration/templates/test_forks.py": ("test_a_fork_sees_what_a_job_sees",),
    "tests/integration/templates/test_rewind.py": (
        "test_memory_that_was_given_back_is_there_again[deeds-free]",
        "test_memory_is_found_as_it_was_whatever_was_done_to_it[deeds-unwatched]",
    ),
    "tests/e2e/test_forbidden.py": ("test_the_doctor_is_content_where_containers_work",),
    "tests/e2e/test_templates.py": ("test_nothing_leaks_from_test_to_test[options0]",),
}
"""Of each file these tests, or all."""

SMOKE = tuple(f"{file}::{name}" if name else file for file, names in _CHOSEN.items() for name in names or ("",))

SMOKE_OF_TOO_OLD = ("tests/e2e/test_old_kernel.py",)
"""Where containers cannot be made."""
