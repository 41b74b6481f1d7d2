"""The seccomp filters of jobs and templates, assembled from `seccomp_table`: bytes that C hands to the kernel.

Pure. A program of classic BPF: a look at the architecture, a binary search for the number, a few instructions where an
argument decides. On the way to a number only instructions that the kernel can follow beforehand (load, compare, return)
are used: then it knows, since 5.11, which numbers are allowed whatever their arguments, and runs the program for the
others only. Installing it takes the longer the more instructions there are, a quarter of a microsecond for each.
"""

from __future__ import annotations

import errno
import functools
import os
import struct
from collections.abc import Iterable

import msgspec

from maelstrom_container.seccomp_table import (
    ALWAYS,
    CONTAINERS,
    LAST_KNOWN,
    LAUNCHING,
    WATCHING,
    Call,
    Refused,
    Rule,
    WithBits,
    WithOtherBits,
    WithOtherValue,
    WithValue,
)

INSTRUCTION = struct.Struct("=HBBI")
"""struct sock_filter: operation, two distances to jump, operand."""
LOAD, JUMP_IF_EQUAL, JUMP_IF_AT_LEAST, JUMP_IF_ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
STORE, RECALL_OTHER, EXCLUSIVE_OR, OR_OTHER = 0x02, 0x61, 0xA4, 0x4C
"""Of a place in memory: keep the value there, fetch the second value from there; and what makes of two values one."""
NUMBER_AT, ARCHITECTURE_AT, ARGUMENTS_AT = 0, 4, 16
"""In struct seccomp_data. Arguments have 64 bits, the lower half first."""
PASS_ARGUMENT = 5
"""Where a member's pass stands: the last argument, which none of the calls that containers are made with has."""
SOME_PASS = 0x0123456789ABCDEF
"""With which the filter of members is assembled once; each of them puts its own in the place of this one."""
ALLOW = 0x7FFF0000
ERRNO = 0x00050000
KILL = 0x80000000
"""SECCOMP_RET_KILL_PROCESS: by SIGSYS, "bad system call"."""
FARTHEST_JUMP = 255


class Architecture(msgspec.Struct, frozen=True):
    """An architecture: how the kernel names it in struct seccomp_data, and which numbers of a call are its."""

    audit: int
    field: str


X86_64 = Architecture(0xC000003E, "x86_64")
ARM64 = Architecture(0xC00000B7, "arm64")
ARCHITECTURES = {"x86_64": X86_64, "aarch64": ARM64}
"""By what uname says of the machine."""


class _Jump(msgspec.Struct, frozen=True):
    """A comparison; the labels say where to go on, None is the next instruction."""

    operation: int
    operand: int
    then: str | None
    otherwise: str | None


_Instruction = tuple[int, int] | _Jump


class _Program:
    """Instructions and labels. Jumps lead forward only, so what is jumped to is emitted later."""

    def __init__(self) -> None:
        self._instructions: list[_Instruction] = []
        self._labels: dict[str, int] = {}

    def emit(self, operation: int, operand: int) -> None:
        self._instructions.append((operation, operand))

    def jump(self, operation: int, operand: int, *, then: str | None = None, otherwise: str | None = None) -> None:
        self._instructions.append(_Jump(operation, operand, then, otherwise))

    def label(self, name: str) -> None:
        self._labels[name] = len(self._instructions)

    def assemble(self) -> bytes:
        return b"".join(self._packed(*item) for item in enumerate(self._instructions))

    def _packed(self, index: int, instruction: _Instruction) -> bytes:
        if not isinstance(instruction, _Jump):
            operation, operand = instruction
            return INSTRUCTION.pack(operation, 0, 0, operand)
        then, otherwise = (self._distance(index, label) for label in (instruction.then, instruction.otherwise))
        return INSTRUCTION.pack(instruction.operation, then, otherwise, instruction.operand)

    def _distance(self, index: int, label: str | None) -> int:
        distance = 0 if label is None else self._labels[label] - index - 1
        assert 0 <= distance <= FARTHEST_JUMP, label  # noqa: S101 - the table has outgrown this assembler
        return distance


class _Passing(msgspec.Struct, frozen=True):
    """A rule that does not count for who shows the pass."""

    rule: Rule
    number: int

    @property
    def error(self) -> int:
        return self.rule.error


_Check = Rule | _Passing


def job_filter(architecture: Architecture | None = None) -> bytes:
    """Return the filter of a job: nothing that `seccomp_table` refuses."""
    return _assembled((*ALWAYS, *CONTAINERS), architecture or this_architecture())


def template_filter(architecture: Architecture | None = None) -> bytes:
    """Return the filter of a template, which makes the containers of its forks."""
    return _assembled((*ALWAYS, *WATCHING), architecture or this_architecture())


def fork_filter(architecture: Architecture | None = None) -> bytes:
    """Return the filter of a template's fork: what is refused to it besides what is refused to its template."""
    watching = tuple(call for call in ALWAYS if call.name in {each.name for each in WATCHING})
    return _assembled((*CONTAINERS, *watching), architecture or this_architecture())


def member_filter(number: int, architecture: Architecture | None = None) -> bytes:
    """Return the filter of a pool member, which its jobs inherit: that of a job for who does not show the pass.

    `number` is the pass, 64 bits that nobody else knows. Who shows it may make containers.
    """
    program = _assembled((*ALWAYS, *CONTAINERS), architecture or this_architecture(), SOME_PASS)
    own = dict(zip(map(_exclusive_or, _halves(SOME_PASS)), map(_exclusive_or, _halves(number)), strict=True))
    instructions = (program[at : at + INSTRUCTION.size] for at in range(0, len(program), INSTRUCTION.size))
    return b"".join(own.get(instruction, instruction) for instruction in instructions)


def warm_up() -> None:
    """Assemble the filters of this machine, for all that are forked from this process."""
    for assembled in (job_filter, template_filter, fork_filter):
        assembled()
    member_filter(SOME_PASS)


def this_architecture() -> Architecture:
    """Return that of this machine."""
    return ARCHITECTURES[os.uname().machine]


@functools.cache
def _assembled(calls: tuple[Call, ...], architecture: Architecture, number: int | None = None) -> bytes:
    program = _Program()
    program.emit(LOAD, ARCHITECTURE_AT)
    program.jump(JUMP_IF_EQUAL, architecture.audit, otherwise=_label(KILL))
    program.emit(LOAD, NUMBER_AT)
    ranges, rules = _ranges(calls, architecture, number)
    _search(program, ranges)
    for rule in rules:
        program.label(_label(rule))
        _check(program, rule)
    errors = sorted({rule.error for rule in rules} | {call.rule.error for call in calls} | {errno.ENOSYS})
    for verdict in (ALLOW, KILL, *(ERRNO | error for error in errors)):
        program.label(_label(verdict))
        program.emit(RETURN, verdict)
    return program.assemble()


_Target = int | _Check


def _ranges(
    calls: Iterable[Call], architecture: Architecture, number: int | None
) -> tuple[list[tuple[int, str]], list[_Check]]:
    """Return where each range of numbers with the same treatment begins and the label of it; and the rules to check."""
    targets: dict[int, _Target] = {}
    for call in calls:
        where = getattr(call, architecture.field)
        if where is None:
            continue
        if number is not None and call.name in LAUNCHING:
            targets[where] = _Passing(call.rule, number)
        else:
            targets[where] = ERRNO | call.rule.error if isinstance(call.rule, Refused) else call.rule
    beginnings: list[tuple[int, str]] = [(0, _label(ALLOW))]
    for where in range(LAST_KNOWN + 1):
        label = _label(targets.get(where, ALLOW))
        if label != beginnings[-1][1]:
            beginnings.append((where, label))
    # the numbers of x32, too, and all that are none
    beginnings.append((LAST_KNOWN + 1, _label(ERRNO | errno.ENOSYS)))
    rules = [target for target in targets.values() if not isinstance(target, int)]
    return beginnings, list(dict.fromkeys(rules))


def _search(program: _Program, ranges: list[tuple[int, str]]) -> None:
    """Emit the search for the range that the number is in."""
    middle = len(ranges) // 2
    lower, upper = ranges[:middle], ranges[middle:]
    beginning = upper[0][0]
    then = upper[0][1] if len(upper) == 1 else f"from {beginning}"
    program.jump(JUMP_IF_AT_LEAST, beginning, then=then, otherwise=lower[0][1] if len(lower) == 1 else None)
    if len(lower) > 1:
        _search(program, lower)
    if len(upper) > 1:
        program.label(then)
        _search(program, upper)


def _check(program: _Program, rule: _Check) -> None:
    """Emit the look at the arguments."""
    if isinstance(rule, _Passing):
        _check_pass(program, rule.number)
        rule = rule.rule
    if isinstance(rule, Refused):
        program.emit(RETURN, ERRNO | rule.error)
        return
    refused, allowed = _label(ERRNO | rule.error), _label(ALLOW)
    program.emit(LOAD, ARGUMENTS_AT + 8 * rule.argument)
    match rule:
        case WithBits(bits=bits):
            program.jump(JUMP_IF_ANY_BIT, bits, then=refused, otherwise=allowed)
        case WithOtherBits(bits=bits, except_for=except_for):
            if except_for is not None:
                program.jump(JUMP_IF_EQUAL, except_for, then=allowed)
            program.jump(JUMP_IF_ANY_BIT, ~bits & 0xFFFFFFFF, then=refused, otherwise=allowed)
        case WithValue(values=values):
            for value in values[:-1]:
                program.jump(JUMP_IF_EQUAL, value, then=refused)
            program.jump(JUMP_IF_EQUAL, values[-1], then=refused, otherwise=allowed)
        case WithOtherValue(values=values):
            for value in values[:-1]:
                program.jump(JUMP_IF_EQUAL, value, then=allowed)
            program.jump(JUMP_IF_EQUAL, values[-1], then=allowed, otherwise=refused)


def _check_pass(program: _Program, number: int) -> None:
    """Emit the comparison with the pass. It takes as long wherever they differ: time tells nobody how near he is."""
    lower, upper = (ARGUMENTS_AT + 8 * PASS_ARGUMENT + half for half in (0, 4))
    program.emit(LOAD, lower)
    lower_half, upper_half = _halves(number)
    program.emit(EXCLUSIVE_OR, lower_half)
    program.emit(STORE, 0)
    program.emit(LOAD, upper)
    program.emit(EXCLUSIVE_OR, upper_half)
    program.emit(RECALL_OTHER, 0)
    program.emit(OR_OTHER, 0)
    program.jump(JUMP_IF_EQUAL, 0, then=_label(ALLOW))


def _exclusive_or(operand: int) -> bytes:
    return INSTRUCTION.pack(EXCLUSIVE_OR, 0, 0, operand)


def _halves(number: int) -> tuple[int, int]:
    return number & 0xFFFFFFFF, number >> 32


def _label(target: _Target) -> str:
    return repr(target)
