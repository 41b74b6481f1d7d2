"""Which kernels there are to try, and how their packages are fetched: by apt, verified, without installing them.

apt works with lists and a cache of its own below the cache directory, so the machine's configuration of packages stays
as it is. Of a package only the kernel and the modules that the guest needs are kept.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from ci.vm.modules import load_order, plain_module

DEBIAN_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
UBUNTU_KEYS = "/usr/share/keyrings/ubuntu-archive-keyring.gpg"
UBUNTU_KEYS_PACKAGE = "ubuntu-keyring"  # Debian has it since 13
DEBIAN = "http://deb.debian.org/debian"
UBUNTU = "http://archive.ubuntu.com/ubuntu"


class Kernel(NamedTuple):
    """A kernel by the name it has on the command line; `package` is it, or depends on the newest of its series."""

    name: str
    archive: str
    suite: str
    package: str
    what: str
    too_old: bool = False
    """Containers cannot be made: what is tried is that the programs say so."""


KERNELS = {
    kernel.name: kernel
    for kernel in (
        Kernel("5.10", f"{DEBIAN}-security", "bullseye-security", "linux-image-amd64", "Debian 11", too_old=True),
        Kernel("5.11", UBUNTU, "focal-updates", "linux-image-5.11.0-46-generic", "Ubuntu 20.04.3", too_old=True),
        Kernel("5.13", UBUNTU, "focal-updates", "linux-image-5.13.0-52-generic", "Ubuntu 20.04.4"),
        Kernel("5.15", UBUNTU, "jammy-updates", "linux-image-generic", "Ubuntu 22.04"),
        Kernel("6.1", DEBIAN, "bookworm", "linux-image-amd64", "Debian 12"),
        Kernel("6.12", DEBIAN, "trixie", "linux-image-amd64", "Debian 13"),
        Kernel("newest", DEBIAN, "sid", "linux-image-amd64", "whatever Debian unstable has"),
    )
}


class VmError(Exception):
    """The guest could not be prepared or run; says what was being done, and what to do."""


def fetched(kernel: Kernel, cache: Path, *, again: bool = False) -> Path:
    """Return the directory with the kernel (`vmlinuz`) and its `modules`, in the order to load them.

    It is fetched if the cache has none, or `again`. Raises VmError.
    """
    place = cache / kernel.name
    if again:
        shutil.rmtree(place, ignore_errors=True)
    if place.is_dir():
        return place
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=cache) as work:
        made = _fetch(kernel, Path(work))
        try:
            made.rename(place)
        except OSError:
            if not place.is_dir():  # else another process was as quick
                raise
    return place


def _fetch(kernel: Kernel, work: Path) -> Path:
    print(f"fetching Linux {kernel.name} ({kernel.what})", flush=True)
    apt = _Apt(work / "apt")
    keys = DEBIAN_KEYS
    if "ubuntu" in kernel.archive:
        apt.use(DEBIAN, "trixie", DEBIAN_KEYS)
        apt.download([UBUNTU_KEYS_PACKAGE], work / "keys")
        keys = f"{work}/keys{UBUNTU_KEYS}"
    apt.use(kernel.archive, kernel.suite, keys)
    image = _image(kernel, apt)
    # Ubuntu keeps the modules apart, Debian since Linux 7 the kernel as well
    parts = apt.dependencies(image, r"linux-(?:modules|binary)-\d\S+")
    root = work / "root"
    apt.download([image, *parts], root)
    return _keep_needed(root, work / "kept")


def _image(kernel: Kernel, apt: _Apt) -> str:
    """Return the name of the package with the kernel itself."""
    if re.match(r"linux-image-\d", kernel.package):
        return kernel.package
    images = apt.dependencies(kernel.package, r"linux-image-\d\S+")
    if not images:
        raise VmError(f"the package {kernel.package} of {kernel.archive} {kernel.suite} does not depend on a kernel")
    return images[0]


def _keep_needed(root: Path, kept: Path) -> Path:
    """Copy what the guest needs from unpacked packages; modules decompressed and numbered."""
    directory = next(path for top in ("lib", "usr/lib") for path in (root / top / "modules").glob("*"))
    modules = kept / "modules"
    modules.mkdir(parents=True)
    kernel = next(
        path for path in (root / "boot" / f"vmlinuz-{directory.name}", directory / "vmlinuz") if path.exists()
    )
    shutil.copyfile(kernel, kept / "vmlinuz")
    for number, module in enumerate(load_order(directory)):
        name = module.name.split(".")[0]
        (modules / f"{number:03}-{name}.ko").write_bytes(plain_module(module))
    return kept


class _Apt:
    """apt with one source of packages, and everything that it writes in one directory."""

    def __init__(self, place: Path) -> None:
        self._place = place
        for name in ("state/lists/partial", "cache/archives/partial", "parts"):
            (place / name).mkdir(parents=True)
        options = {
            "Dir::State": place / "state",
            "Dir::State::status": "/dev/null",
            "Dir::Cache": place / "cache",
            "Dir::Etc::SourceList": place / "sources.list",
            "Dir::Etc::SourceParts": place / "parts",
            "APT::Architecture": "amd64",
            "APT::Sandbox::User": "",  # the directory is ours alone
            "Acquire::Languages": "none",
        }
        self._options = [f"-o{name}={value}" for name, value in options.items()]
        self._options += ["-o#clear=APT::Update::Post-Invoke", "-o#clear=APT::Update::Post-Invoke-Success"]

    def use(self, archive: str, suite: str, keys: str) -> None:
        """Read the list of one suite."""
        line = f"deb [arch=amd64 target=Packages signed-by={keys}] {archive} {suite} main\n"
        (self._place / "sources.list").write_text(line)
        self._run("apt-get", "-qq", "--error-on=any", "update", doing=f"reading the list of {archive} {suite}")

    def dependencies(self, package: str, pattern: str) -> list[str]:
        """Return the dependencies of a package that have such names."""
        text = self._run("apt-cache", "depends", package, doing=f"looking up the package {package}")
        return re.findall(rf"Depends: ({pattern})$", text, re.MULTILINE)

    def download(self, packages: list[str], root: Path) -> None:
        """Fetch packages and unpack them."""
        with tempfile.TemporaryDirectory(dir=self._place) as place:
            self._run("apt-get", "-qq", "download", *packages, doing=f"fetching {', '.join(packages)}", cwd=place)
            for archive in Path(place).glob("*.deb"):
                subprocess.run(["dpkg-deb", "--extract", archive, root], check=True)

    def _run(self, program: str, *arguments: str, doing: str, cwd: str | None = None) -> str:
        command = [program, *self._options, *arguments]
        try:
            done = subprocess.run(
                command,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                env={**os.environ, "LC_ALL": "C.UTF-8"},
            )
        except FileNotFoundError as error:
            raise VmError(f"{doing}: {program} is missing: kernels come from a Debian archive, by apt") from error
        if done.returncode != 0:
            raise VmError(f"{doing}: {program} failed:\n{done.stderr.strip()}")
        return done.stdout
