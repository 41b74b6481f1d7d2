"""What users write: containers, jobs, layers and mounts, as typed values.

These are the shapes only: `spec_parse` reads them from JSON and TOML and enforces the rules between fields,
`collapse` resolves parents, `environment` evaluates variables. Field names are those of the files.
A field that was not given is `msgspec.UNSET`.
"""

from __future__ import annotations

import enum

import msgspec
from msgspec import UNSET, UnsetType


class Network(enum.Enum):
    """What a job can reach: nothing, itself, or whatever the machine can."""

    DISABLED = "disabled"
    LOOPBACK = "loopback"
    LOCAL = "local"


class Seccomp(enum.Enum):
    """Which system calls a job may make: what ordinary programs do, or all that its user may make.

    `off` is for who tests namespaces, mounts or keyrings themselves; see docs/decisions/seccomp.md.
    """

    DEFAULT = "default"
    OFF = "off"


class Device(enum.Enum):
    """A device node of the host that a job may be given, at `/dev/<name>`."""

    FULL = "full"
    FUSE = "fuse"
    NULL = "null"
    RANDOM = "random"
    TTY = "tty"
    URANDOM = "urandom"
    ZERO = "zero"


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of everything read from a file: an unknown field is an error."""


# mounts


class BindMount(Strict, frozen=True, tag_field="type", tag="bind"):
    """A directory or file of this machine; relative `local_path` starts at the project directory."""

    mount_point: str
    local_path: str
    read_only: bool = False


class DevicesMount(Strict, frozen=True, tag_field="type", tag="devices"):
    """Device nodes, on a `/dev` of the job's own."""

    devices: tuple[Device, ...]


class DevptsMount(Strict, frozen=True, tag_field="type", tag="devpts"):
    """A private instance of pseudo-terminals."""

    mount_point: str


class MqueueMount(Strict, frozen=True, tag_field="type", tag="mqueue"):
    """POSIX message queues of the job's own ipc namespace."""

    mount_point: str


class ProcMount(Strict, frozen=True, tag_field="type", tag="proc"):
    """/proc of the job's own pid namespace."""

    mount_point: str


class SysMount(Strict, frozen=True, tag_field="type", tag="sys"):
    """/sys, read-only; not together with the network `local` (the kernel forbids it)."""

    mount_point: str


class TmpMount(Strict, frozen=True, tag_field="type", tag="tmp"):
    """A fresh, empty file system in memory; `size` in bytes, by default a share of the machine's memory."""

    mount_point: str
    size: int | None = None


Mount = BindMount | DevicesMount | DevptsMount | MqueueMount | ProcMount | SysMount | TmpMount


# layers: each kind is recognised by the key that names it


class PrefixOptions(Strict, frozen=True, kw_only=True):
    """How paths on this machine become paths in the container; applied in the order of the fields."""

    follow_symlinks: bool = False
    canonicalize: bool = False
    strip_prefix: str | None = None
    prepend_prefix: str | None = None


class TarLayer(Strict, frozen=True):
    """The contents of a tar archive."""

    tar: str


class GlobLayer(PrefixOptions, frozen=True):
    """Files below the project directory that match a pattern."""

    glob: str


class PathsLayer(PrefixOptions, frozen=True):
    """Files, symlinks and (empty) directories, by name."""

    paths: tuple[str, ...]


class StubsLayer(Strict, frozen=True):
    """Empty files, or directories where the name ends in `/`; braces expand."""

    stubs: tuple[str, ...]


class Symlink(Strict, frozen=True):
    """One symbolic link: `link` is its name, `target` its text."""

    link: str
    target: str


class SymlinksLayer(Strict, frozen=True):
    """Symbolic links."""

    symlinks: tuple[Symlink, ...]


class SharedLibraryDependenciesLayer(PrefixOptions, frozen=True):
    """The shared libraries, and the loader, that the named binaries need."""

    shared_library_dependencies: tuple[str, ...]


class HostLayer(Strict, frozen=True):
    """Directories of this machine, at their own paths, read-only."""

    host: tuple[str, ...]


class PythonEnvironmentLayer(Strict, frozen=True):
    """Everything that an interpreter of this machine needs, at its own paths; the value is its executable."""

    python_environment: str


class ProjectLayer(Strict, frozen=True):
    """The files of a project at their own path, without version control data, environments and tool caches."""

    project: str


class StoredLayer(Strict, frozen=True):
    """A layer that a program has put into the cache, by its name there. No file can name one."""

    stored: str


Layer = (
    TarLayer
    | GlobLayer
    | PathsLayer
    | StubsLayer
    | SymlinksLayer
    | SharedLibraryDependenciesLayer
    | HostLayer
    | PythonEnvironmentLayer
    | ProjectLayer
    | StoredLayer
)


# containers and jobs


class Use(enum.Enum):
    """What a container takes from its image or parent."""

    LAYERS = "layers"
    ENVIRONMENT = "environment"
    WORKING_DIRECTORY = "working_directory"
    ENABLE_WRITABLE_FILE_SYSTEM = "enable_writable_file_system"
    MOUNTS = "mounts"
    NETWORK = "network"
    SECCOMP = "seccomp"
    USER = "user"
    GROUP = "group"
    LIMITS = "limits"


VECTORS = frozenset({Use.LAYERS, Use.ENVIRONMENT, Use.MOUNTS})
"""What can be added to, by the fields `added_...`."""


class Reference(Strict, frozen=True):
    """An image or a named container, and what is used of it."""

    name: str
    use: frozenset[Use]


class EnvironmentElement(Strict, frozen=True):
    """One step of building the environment: merged into what is there, or (`extend` false) replacing it."""

    vars: dict[str, str]
    extend: bool = True


class Limits(Strict, frozen=True):
    """What a job may use; sizes in bytes, None where nothing is said.

    `memory` is that of the whole job, `processes` how many it may have at once, `cpu_weight` its share of the
    processors beside others' 100. The others hold for each of its processes; `cpu_time` is whole seconds.
    """

    open_files: int | None = None
    processes: int | None = None
    file_size: int | None = None
    core_size: int | None = None
    address_space: int | None = None
    stack_size: int | None = None
    cpu_time: int | None = None
    memory: int | None = None
    cpu_weight: int | None = None

    @property
    def is_of_jobs(self) -> bool:
        """Whether there is a limit of the job as a whole, which a cgroup keeps best."""
        return self.memory is not None or self.processes is not None or self.cpu_weight is not None


class ContainerSpec(Strict, frozen=True, kw_only=True):
    """A container as written. `image` and `parent` exclude each other."""

    image: Reference | UnsetType = UNSET
    parent: Reference | UnsetType = UNSET
    layers: tuple[Layer, ...] | UnsetType = UNSET
    added_layers: tuple[Layer, ...] | UnsetType = UNSET
    environment: tuple[EnvironmentElement, ...] | UnsetType = UNSET
    added_environment: tuple[EnvironmentElement, ...] | UnsetType = UNSET
    working_directory: str | UnsetType = UNSET
    enable_writable_file_system: bool | UnsetType = UNSET
    mounts: tuple[Mount, ...] | UnsetType = UNSET
    added_mounts: tuple[Mount, ...] | UnsetType = UNSET
    network: Network | UnsetType = UNSET
    seccomp: Seccomp | UnsetType = UNSET
    user: int | UnsetType = UNSET
    group: int | UnsetType = UNSET
    limits: Limits | UnsetType = UNSET


class TemplateSpec(Strict, frozen=True, cache_hash=True):
    """A program that loads once, and forks for each job that names it: see docs/template-protocol.md.

    It runs in the job's container. `request` is its standard input; each of `stages` is a request that a fork of it
    answers by loading more and becoming a template itself, and so on; the job is a fork of the last.
    """

    program: str
    arguments: tuple[str, ...] = ()
    request: bytes = b""
    stages: tuple[bytes, ...] = ()


class Grace(Strict, frozen=True):
    """What a job is given when its time is up: a signal to its first process, and seconds until it is killed."""

    seconds: float
    signal: int


class WindowSize(Strict, frozen=True):
    """The size of a terminal, in characters."""

    rows: int
    columns: int


class Out(Strict, frozen=True):
    """Files of a job to be brought back when it has ended: what it made or changed below `path` in its container.

    A relative `directory` starts at the project directory, a relative `path` at the job's working directory, which is
    also what is meant by None.
    """

    directory: str
    path: str | None = None


class JobSpec(Strict, frozen=True, kw_only=True):
    """A job as written; in files the fields of `container` stand beside the others."""

    container: ContainerSpec
    program: str
    arguments: tuple[str, ...] = ()
    template: TemplateSpec | None = None
    """What to fork the job from instead of starting its program; the fork is given what would be standard input."""
    timeout: float | None = None
    """Seconds; None and 0 mean none."""
    grace: Grace | None = None
    """What it is given at the end of them; not in files. Its outcome is that it timed out all the same."""
    priority: int = 0
    estimated_duration: float | None = None
    slots: int = 1
    """How many of the slots it takes, for as long as it runs."""
    memory: int = 0
    """Bytes that its worker must have for it, beside other jobs that say so."""
    labels: tuple[str, ...] = ()
    """Those that its worker must have."""
    stdin: str = ""
    """What the job reads from its standard input, unless whoever starts it has something else for it."""
    allocate_tty: WindowSize | None = None
    """The job is to have a terminal, of this size at first; not in files: there must be somebody at its other end."""
    local: bool = False
    """Whether it is to run on this machine, whatever cluster there is; not in files."""
    out: Out | None = None
    capture: str | None = None
    """An archive to be written of all that the job changes in its root, if it succeeds: a `tar` layer of later jobs."""
