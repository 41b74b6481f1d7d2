"""The filters, run by an interpreter of their own: what the kernel will say to each call."""

from __future__ import annotations

import errno
import platform
import re
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_container import seccomp
from maelstrom_container.seccomp import ALLOW, ARM64, ERRNO, KILL, X86_64, Architecture
from maelstrom_container.seccomp_table import (
    ALWAYS,
    CONTAINERS,
    FAMILIES,
    LAST_KNOWN,
    LAUNCHING,
    NAMESPACES,
    OWN_WATCH,
    Call,
)

EPERM, ENOSYS, EAFNOSUPPORT = (ERRNO | error for error in (errno.EPERM, errno.ENOSYS, errno.EAFNOSUPPORT))
ARCHITECTURES = [X86_64, ARM64]
NUMBERS = {
    architecture.field: {call.name: getattr(call, architecture.field) for call in (*ALWAYS, *CONTAINERS)}
    for architecture in ARCHITECTURES
}
WORDS = st.integers(0, 2**64 - 1)
HIGH = 1 << 63


def verdict(program: bytes, audit: int, number: int, arguments: tuple[int, ...] = ()) -> int:
    """Return what a filter says, as bpf_check_classic and the kernel's interpreter have it."""
    data = struct.pack("=IIQ6Q", number, audit, 0, *arguments, *(0,) * (6 - len(arguments)))
    instructions = list(seccomp.INSTRUCTION.iter_unpack(program))
    at = value = other = 0
    memory: dict[int, int] = {}
    while True:
        operation, then, otherwise, operand = instructions[at]
        at += 1
        match operation:
            case seccomp.LOAD:
                (value,) = struct.unpack_from("=I", data, operand)
            case seccomp.STORE:
                memory[operand] = value
            case seccomp.RECALL_OTHER:
                other = memory[operand]
            case seccomp.EXCLUSIVE_OR:
                value ^= operand
            case seccomp.OR_OTHER:
                value |= other
            case seccomp.RETURN:
                return operand
            case seccomp.JUMP_IF_EQUAL:
                at += then if value == operand else otherwise
            case seccomp.JUMP_IF_AT_LEAST:
                at += then if value >= operand else otherwise
            case seccomp.JUMP_IF_ANY_BIT:
                at += then if value & operand else otherwise
            case _:
                raise AssertionError(operation)


def said(name: str, *arguments: int, architecture: Architecture = X86_64) -> int:
    number = NUMBERS[architecture.field][name]
    return verdict(seccomp.job_filter(architecture), architecture.audit, number, arguments)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_number_is_treated_as_the_table_says(architecture: Architecture) -> None:
    program = seccomp.job_filter(architecture)
    listed = {number for number in NUMBERS[architecture.field].values() if number is not None}
    for number in range(LAST_KNOWN + 1):
        if number not in listed:
            assert verdict(program, architecture.audit, number) == ALLOW, number
    for name, number in NUMBERS[architecture.field].items():
        if number is not None and name not in {
            "clone",
            "clone3",
            "ioctl",
            "personality",
            "socket",
            "socketpair",
            "unshare",
        }:
            assert verdict(program, architecture.audit, number) == EPERM, name


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@given(number=st.integers(LAST_KNOWN + 1, 2**32 - 1))
def test_numbers_that_nobody_knew_do_not_exist(architecture: Architecture, number: int) -> None:
    """Those of x32, with bit 30 set, are among them."""
    assert verdict(seccomp.job_filter(architecture), architecture.audit, number) == ENOSYS


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@given(audit=st.integers(0, 2**32 - 1), number=st.integers(0, 2**32 - 1))
def test_other_architectures_have_no_calls_at_all(architecture: Architecture, audit: int, number: int) -> None:
    if audit != architecture.audit:
        assert verdict(seccomp.job_filter(architecture), audit, number) == KILL


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@given(number=st.integers(0, LAST_KNOWN + 2), arguments=st.tuples(*[WORDS] * 6))
def test_a_fork_and_its_template_together_refuse_what_a_job_is_refused(
    architecture: Architecture, number: int, arguments: tuple[int, ...]
) -> None:
    def of(make) -> int:
        return verdict(make(architecture), architecture.audit, number, arguments)

    both = [of(seccomp.template_filter), of(seccomp.fork_filter)]
    assert min(both) == of(seccomp.job_filter)


@given(flags=WORDS | st.just(OWN_WATCH))
def test_a_template_may_watch_what_anybody_may_watch_and_its_fork_nothing(flags: int) -> None:
    number = NUMBERS["x86_64"]["userfaultfd"]
    of_template, of_fork = (
        verdict(make(X86_64), X86_64.audit, number, (flags,)) for make in (seccomp.template_filter, seccomp.fork_filter)
    )
    assert (of_template == seccomp.ALLOW) == (flags & 0xFFFFFFFF == OWN_WATCH)
    assert of_fork == seccomp.ERRNO | errno.EPERM


PASS = 0x0123456789ABCDEF


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@given(number=st.integers(0, LAST_KNOWN + 2), arguments=st.tuples(*[WORDS] * 6))
def test_who_does_not_show_the_pass_is_a_job(
    architecture: Architecture, number: int, arguments: tuple[int, ...]
) -> None:
    if arguments[5] != PASS:
        member = verdict(seccomp.member_filter(PASS, architecture), architecture.audit, number, arguments)
        assert member == verdict(seccomp.job_filter(architecture), architecture.audit, number, arguments)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@given(arguments=st.tuples(*[WORDS] * 5))
def test_the_pass_lets_containers_be_made_and_nothing_else(
    architecture: Architecture, arguments: tuple[int, ...]
) -> None:
    member, job = seccomp.member_filter(PASS, architecture), seccomp.job_filter(architecture)
    for name, number in NUMBERS[architecture.field].items():
        if number is not None:
            said = verdict(member, architecture.audit, number, (*arguments, PASS))
            expected = verdict(job, architecture.audit, number, arguments)
            assert said == (ALLOW if name in LAUNCHING else expected), name


@pytest.mark.parametrize("bit", range(64))
def test_no_bit_of_the_pass_may_be_wrong(bit: int) -> None:
    program = seccomp.member_filter(PASS, X86_64)
    arguments = (0,) * 5
    assert verdict(program, X86_64.audit, 165, (*arguments, PASS)) == ALLOW
    assert verdict(program, X86_64.audit, 165, (*arguments, PASS ^ 1 << bit)) == EPERM


@given(flags=WORDS)
def test_clone_makes_processes_and_threads_but_no_namespaces(flags: int) -> None:
    expected = EPERM if flags & NAMESPACES else ALLOW
    assert said("clone", flags) == expected
    assert said("clone", flags, architecture=ARM64) == expected


def test_clone3_does_not_exist_so_that_clone_is_used() -> None:
    assert said("clone3") == said("clone3", architecture=ARM64) == ENOSYS


@pytest.mark.parametrize("flag", [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000, 0x80])
def test_unshare_parts_with_no_namespace(flag: int) -> None:
    assert said("unshare", flag) == said("unshare", flag | 0x400) == EPERM
    assert said("unshare", 0x400) == said("unshare", 0x200) == ALLOW  # CLONE_FILES, CLONE_FS


@pytest.mark.parametrize("request_", [0x5412, 0x541C])
def test_nothing_is_typed_on_a_terminal_whatever_the_upper_half_of_the_request(request_: int) -> None:
    """CVE-2019-10063: the kernel looks at 32 bits of a 64-bit argument."""
    assert said("ioctl", 0, request_) == said("ioctl", 0, request_ | HIGH) == EPERM
    assert said("ioctl", request_, 0x5413) == ALLOW


@given(family=st.integers(0, 2**32 - 1))
def test_networks_are_what_sockets_are_for(family: int) -> None:
    expected = ALLOW if family in FAMILIES else EAFNOSUPPORT
    assert said("socket", family) == said("socketpair", family) == expected


@pytest.mark.parametrize("family", [38, 40])
def test_neither_vsock_nor_alg(family: int) -> None:
    assert said("socket", family) == said("socket", family | HIGH) == EAFNOSUPPORT


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, ALLOW),
        (8, ALLOW),
        (0x40000, ALLOW),
        (0xFFFFFFFF, ALLOW),
        (0x400000, EPERM),
        (0x100000, EPERM),
        (0x440000, EPERM),
        (0xFFFFFFFE, EPERM),
    ],
)
def test_a_personality_has_no_executable_data(value: int, expected: int) -> None:
    assert said("personality", value) == expected


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("make", [seccomp.job_filter, seccomp.template_filter, seccomp.fork_filter])
def test_the_kernel_can_follow_all_instructions(make, architecture: Architecture) -> None:
    """Where it cannot, it runs the filter for every call."""
    known = {
        seccomp.LOAD,
        seccomp.RETURN,
        seccomp.JUMP_IF_EQUAL,
        seccomp.JUMP_IF_AT_LEAST,
        seccomp.JUMP_IF_ANY_BIT,
    }
    instructions = list(seccomp.INSTRUCTION.iter_unpack(make(architecture)))
    assert {operation for operation, *_ in instructions} <= known
    assert len(instructions) < 100


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_kernel_can_follow_a_members_filter_wherever_arguments_do_not_count(architecture: Architecture) -> None:
    """seccomp_is_const_allow: gives up at what it does not know, and looks at no argument."""
    instructions = list(seccomp.INSTRUCTION.iter_unpack(seccomp.member_filter(PASS, architecture)))

    def followed(number: int) -> bool:
        at = value = 0
        while True:
            operation, then, otherwise, operand = instructions[at]
            at += 1
            match operation:
                case seccomp.LOAD if operand in {seccomp.NUMBER_AT, seccomp.ARCHITECTURE_AT}:
                    value = number if operand == seccomp.NUMBER_AT else architecture.audit
                case seccomp.JUMP_IF_EQUAL:
                    at += then if value == operand else otherwise
                case seccomp.JUMP_IF_AT_LEAST:
                    at += then if value >= operand else otherwise
                case seccomp.RETURN:
                    return operand == ALLOW
                case _:
                    return False

    listed = set(NUMBERS[architecture.field].values())
    assert [number for number in range(LAST_KNOWN + 1) if not followed(number) and number not in listed] == []
    assert len(instructions) < 200


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_number_is_found_in_few_steps(architecture: Architecture) -> None:
    """The kernel asks for each of 470 numbers when the filter is installed."""
    program = list(seccomp.INSTRUCTION.iter_unpack(seccomp.job_filter(architecture)))

    def depth(at: int) -> int:
        operation, then, otherwise, _ = program[at]
        if operation == seccomp.RETURN:
            return 1
        if operation == seccomp.LOAD:
            return 1 + depth(at + 1)
        return 1 + max(depth(at + 1 + then), depth(at + 1 + otherwise))

    assert depth(0) <= 17


HEADERS = {
    "x86_64": (Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), Path("/usr/include/asm/unistd_64.h")),
    "arm64": (Path("/usr/include/asm-generic/unistd.h"),),
}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_numbers_are_those_of_the_kernels_headers(architecture: Architecture) -> None:
    header = next((path for path in HEADERS[architecture.field] if path.exists()), None)
    if header is None:
        pytest.skip("the kernel's headers for programs are not installed")
    defined = dict(re.findall(r"^#define __NR_(\w+)\s+(\d+)\b", header.read_text(), flags=re.MULTILINE))
    assert "mount" in defined
    for name, number in NUMBERS[architecture.field].items():
        if name in defined:
            assert int(defined[name]) == number, name


def test_no_call_stands_in_the_table_twice() -> None:
    calls: tuple[Call, ...] = (*ALWAYS, *CONTAINERS)
    for field in ("name", "x86_64", "arm64"):
        values = [value for call in calls if (value := getattr(call, field)) is not None]
        assert len(values) == len(set(values))


def test_this_machine_is_known() -> None:
    assert seccomp.this_architecture() is seccomp.ARCHITECTURES[platform.machine()]
