"""The default container: this machine, sealed.

What is installed here is visible and read-only or under a throw-away upper layer; what belongs to others, other
processes and the network are not. A program finds the identity, the directory and the environment that it would
have outside.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from maelstrom_container.host import HOST_DIRECTORIES
from maelstrom_core.spec import (
    ContainerSpec,
    Device,
    DevicesMount,
    DevptsMount,
    EnvironmentElement,
    HostLayer,
    Layer,
    MqueueMount,
    Network,
    ProcMount,
    ProjectLayer,
    Reference,
    SysMount,
    TmpMount,
)

# docs/decisions/pytest-environment.md
NOT_CARRIED = frozenset({
    # sockets, terminals and descriptors that do not exist inside
    "DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "GPG_AGENT_INFO", "LISTEN_FDNAMES", "LISTEN_FDS", "LISTEN_PID",
    "NOTIFY_SOCKET", "SSH_AGENT_PID", "SSH_AUTH_SOCK", "STY", "TMUX", "TMUX_PANE", "WAYLAND_DISPLAY", "XAUTHORITY",
    "XDG_RUNTIME_DIR",
    # the unit of the service manager that started us: not the job's
    "INVOCATION_ID", "JOURNAL_STREAM", "SYSTEMD_EXEC_PID",
    # directories of the host's temporary files: /tmp is fresh inside
    "TMPDIR", "TEMP", "TMP",
})  # fmt: skip
NOT_CARRIED_PREFIXES = ("MAELSTROM_",)

SEALED_MOUNTS = (
    TmpMount("/tmp"),  # noqa: S108 - the job's own
    TmpMount("/run"),
    ProcMount("/proc"),
    SysMount("/sys"),
    DevicesMount((Device.FULL, Device.NULL, Device.RANDOM, Device.TTY, Device.URANDOM, Device.ZERO)),
    TmpMount("/dev/shm"),  # noqa: S108 - the job's own
    DevptsMount("/dev/pts"),
    MqueueMount("/dev/mqueue"),
)


def carried_environment(environ: Mapping[str, str]) -> EnvironmentElement:
    """Return the caller's environment as it is seen inside: all of it but what names things that are not there.

    Variables that are not UTF-8 are left out, too: a specification cannot carry them.
    """
    return EnvironmentElement(
        vars={
            name: value.replace("$", "$$")  # no substitution: these are values, not templates
            for name, value in environ.items()
            if name not in NOT_CARRIED and not name.startswith(NOT_CARRIED_PREFIXES) and _is_text(name + value)
        }
    )


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def image_container(name: str) -> ContainerSpec:
    """Return the container for a program of an image: the image's environment and directory, and nothing of ours.

    The user is 0, in a user namespace of its own, as in a container that others make of an image.
    """
    from maelstrom_core.spec_parse import IMAGE_USES

    return ContainerSpec(
        image=Reference(name, IMAGE_USES),
        added_environment=(EnvironmentElement({"HOME": "$prev{HOME:-/root}"}),),
        enable_writable_file_system=True,
        mounts=SEALED_MOUNTS,
        network=Network.LOOPBACK,
    )


def sealed_container(
    directory: Path, *, layers: tuple[Layer, ...] = (), environ: Mapping[str, str] | None = None
) -> ContainerSpec:
    """Return the default container for a program that is run in `directory`, with further layers on top.

    The directory itself is shown unless a layer shows it already or it belongs to the machine.
    """
    shown = any(isinstance(layer, ProjectLayer) for layer in layers)
    inside = any(directory.is_relative_to(name) for name in HOST_DIRECTORIES)
    own = () if shown or inside or directory == Path("/") else (ProjectLayer(str(directory)),)
    return ContainerSpec(
        layers=(HostLayer(HOST_DIRECTORIES), *own, *layers),
        environment=(carried_environment(os.environ if environ is None else environ),),
        working_directory=str(directory),
        enable_writable_file_system=True,
        mounts=SEALED_MOUNTS,
        network=Network.LOOPBACK,
        user=os.getuid(),
        group=os.getgid(),
    )
