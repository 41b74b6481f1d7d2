"""The Python of an image, with a project's requirements: containers for installing them and for tests, and their keys.

Requirements are installed into a virtual environment that sees what the image has installed itself, at a path that no
image uses. What is installed becomes a layer above the image's. Pure; `image_build` does it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from maelstrom_client.sealed import SEALED_MOUNTS
from maelstrom_core.errors import UserError
from maelstrom_core.spec import (
    ContainerSpec,
    EnvironmentElement,
    JobSpec,
    Layer,
    Mount,
    Network,
    Reference,
    SysMount,
    Use,
)
from maelstrom_pytest.interpreter import MINIMUM_PYTEST, Interpreter, release
from maelstrom_pytest.requirements import Requirements

PREFIX = "/.maelstrom/python"
PIP_CACHE = "/.maelstrom/pip-cache"
WHEELS = "wheels"
"""Where below its cache pip keeps what it has built: good for one image only, and so not shared."""
NEW_GUEST = "/.maelstrom/new-guest"
DESCRIPTION = "python.json"
OLDEST = (3, 8)
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
USED = frozenset({Use.LAYERS, Use.ENVIRONMENT})
_FORMAT = "maelstrom requirements 2"
"""Part of the key: to be changed with BUILD."""

CARRIED = frozenset({"CI", "FORCE_COLOR", "HYPOTHESIS_PROFILE", "NO_COLOR", "PY_COLORS", "TERM", "TZ"})
CARRIED_PREFIXES = ("PYTEST_",)
"""Of the caller's environment, what says how tests are to run, not where: all else is the image's."""

WHAT = (
    "CONSTRAINT", "EXTRA_INDEX_URL", "FIND_LINKS", "INDEX_URL", "NO_BINARY", "NO_BUILD_ISOLATION", "NO_INDEX",
    "ONLY_BINARY", "PRE", "PREFER_BINARY", "USE_DEPRECATED", "USE_FEATURE", "USE_PEP517",
)  # fmt: skip
"""Settings of pip that decide what is installed, each a variable with PIP_ in front."""
HOW = ("CERT", "CLIENT_CERT", "DEFAULT_TIMEOUT", "PROXY", "RETRIES", "TIMEOUT", "TRUSTED_HOST")
NETWORK = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
NAMING_FILES = (
    "PIP_CERT",
    "PIP_CLIENT_CERT",
    "PIP_CONSTRAINT",
    "PIP_FIND_LINKS",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
)
SHOWN_FOR_NETWORK = ("/etc/resolv.conf", "/etc/hosts")

# Runs in the image's own Python, of whatever version: plain and old-fashioned on purpose. Exits with pip's code; its
# last word, what the interpreter is, goes to descriptor 3.
BUILD = r"""
import json, os, subprocess, sys
request = json.loads(sys.stdin.read())
def leave(reason, code=1):
    os.write(3, json.dumps({"failed": reason}).encode())
    sys.exit(code)
def run(*words):
    sys.stdout.flush()
    return subprocess.call(words, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT)
if sys.version_info < tuple(request["oldest"]):
    leave("old %d.%d" % sys.version_info[:2])
python = sys.executable
if request["install"]:
    prefix = request["prefix"]
    try:
        import venv
        venv.EnvBuilder(system_site_packages=True, symlinks=True).create(prefix)
    except ImportError:
        leave("venv")
    python = prefix + "/bin/python"
    if sys.prefix != sys.base_prefix:  # a virtual environment of the image's: what it holds shall be seen, too
        import site, sysconfig
        places = sorted({sysconfig.get_paths()[name] for name in ("purelib", "platlib")})
        own = subprocess.check_output([python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"])
        with open(os.path.join(own.decode().rstrip("\n"), "_image.pth"), "w") as file:
            file.writelines("import site; site.addsitedir(%r)\n" % place for place in places)
    with open(os.devnull, "w") as null:
        def quietly(*words):
            return subprocess.call(words, stdin=null, stdout=null, stderr=null) == 0
        if not quietly(python, "-m", "pip", "--version") and not quietly(python, "-m", "ensurepip"):
            leave("pip")
    code = run(python, "-m", "pip", "install", *(request["options"] + request["install"]))
    if code < 0:
        leave("killed %d" % -code)
    if code:
        leave("install", code if 0 < code < 126 else 1)
probe = '''
import json, sys
try:
    from importlib.metadata import version
    found = version("pytest")
except Exception:
    found = None
print(json.dumps({"executable": sys.executable, "version": list(sys.version_info[:3]),
                  "cache_tag": sys.implementation.cache_tag, "pytest": found}))
'''
sys.stdout.flush()
told = subprocess.check_output([python, "-c", probe], stdin=subprocess.DEVNULL, cwd="/")
os.write(3, told[-20000:].strip().splitlines()[-1])
"""

PIP_OPTIONS = ("--no-input", "--disable-pip-version-check", "--no-warn-script-location", "--progress-bar=off")


class Description(msgspec.Struct, frozen=True):
    """What the interpreter of a layer says about itself."""

    executable: str
    version: tuple[int, int, int]
    cache_tag: str | None
    pytest: str | None


class Answer(msgspec.Struct, frozen=True):
    """What BUILD said when it gave up."""

    failed: str


def layer_key(
    contents: str,
    python: str,
    requirements: Requirements,
    options: Sequence[str],
    environ: Mapping[str, str],
) -> str:
    """Return the key of a layer of requirements: a digest of all that what is installed depends on.

    `contents` is the image's `contents_key`. What an index offers is not part of it, and cannot be.
    """
    pip = {name: environ[f"PIP_{name}"] for name in WHAT if f"PIP_{name}" in environ}
    installed = [requirements.fingerprint, list(options), pip] if requirements.arguments else None
    return _digest([_FORMAT, contents, python, installed])


def contents_key(base: Sequence[str], image_environment: Mapping[str, str]) -> str:
    """Return a name for all that an image is made of."""
    return _digest([list(base), dict(image_environment)])


def _digest(document: object) -> str:
    from blake3 import blake3

    return blake3(json.dumps(document, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()


def pip_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of the caller's that pip is given."""
    names = [f"PIP_{name}" for name in (*WHAT, *HOW)]
    names += [each for name in NETWORK for each in (name, name.lower())]
    return {name: environ[name] for name in names if name in environ}


def named_files(environ: Mapping[str, str]) -> list[str]:
    """Return the paths that the variables for pip name, absolute ones that exist."""
    words = [word for name in NAMING_FILES for word in environ.get(name, "").split()]
    paths = [os.path.normpath(word.removeprefix("file://")) for word in words]
    return sorted({path for path in paths if path.startswith("/") and path != "/" and os.path.exists(path)})


def build_job(
    image: str,
    python: str,
    requirements: Requirements,
    options: Sequence[str],
    environ: Mapping[str, str],
    *,
    directory: str,
    shown: tuple[Layer, ...],
    mounts: Iterable[Mount],
) -> tuple[JobSpec, bytes]:
    """Return the job that installs and describes, and its standard input. It has this machine's network, to download.

    `mounts` are at PREFIX the directory to install into, at PIP_CACHE pip's cache, and files that pip is to read.
    """
    own = {
        **{name: value.replace("$", "$$") for name, value in pip_environment(environ).items()},
        "PATH": f"$prev{{PATH:-{DEFAULT_PATH}}}",
        "HOME": "$prev{HOME:-/root}",
        "PIP_CACHE_DIR": PIP_CACHE,
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_ROOT_USER_ACTION": "ignore",
    }
    container = ContainerSpec(
        image=Reference(image, USED),
        added_layers=shown,
        added_environment=(EnvironmentElement(own),),
        working_directory=directory,
        enable_writable_file_system=True,
        # the kernel mounts no sysfs beside the host's network
        mounts=(*(mount for mount in SEALED_MOUNTS if not isinstance(mount, SysMount)), *mounts),
        network=Network.LOCAL if requirements.arguments else Network.DISABLED,
    )
    request = {
        "oldest": OLDEST,
        "prefix": PREFIX,
        "install": requirements.arguments,
        "options": (*PIP_OPTIONS, *options),
    }
    return JobSpec(container=container, program=python, arguments=("-I", "-c", BUILD)), json.dumps(request).encode()


def is_carried(name: str) -> bool:
    """Tell whether a variable of the caller says how tests are to run, wherever that is."""
    return name in CARRIED or name.startswith(CARRIED_PREFIXES)


def tests_container(
    image: str, layers: tuple[Layer, ...], environ: Mapping[str, str], *, directory: str, virtual: bool
) -> ContainerSpec:
    """Return the container of tests: the image's files and environment, and the caller's identity, as sealed ones have.

    `virtual`: the interpreter is that of PREFIX, which is active, as after its `bin/activate`.
    """
    carried = {name: value.replace("$", "$$") for name, value in environ.items() if is_carried(name)}
    own = {"HOME": "$prev{HOME:-/root}", "PATH": f"$prev{{PATH:-{DEFAULT_PATH}}}"}
    if virtual:
        own = {**own, "PATH": f"{PREFIX}/bin:{own['PATH']}", "VIRTUAL_ENV": PREFIX}
    return ContainerSpec(
        image=Reference(image, USED),
        added_layers=layers,
        added_environment=(EnvironmentElement({**carried, **own}),),
        working_directory=directory,
        enable_writable_file_system=True,
        mounts=SEALED_MOUNTS,
        network=Network.LOOPBACK,
        user=os.getuid(),
        group=os.getgid(),
    )


def read_description(data: bytes) -> Description:
    """Return what an interpreter said, or was noted of it. Raises ValueError for what is nothing of the kind."""
    if len(data) > 20_000:
        raise ValueError("it has too many bytes")
    try:
        description = msgspec.json.decode(data, type=Description)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from None
    tag = description.cache_tag or ""
    if not description.executable.startswith("/") or "/" in tag or not tag.isprintable() or "\0" in repr(description):
        raise ValueError("it is no interpreter's")
    return description


def usable_interpreter(description: Description, image: str, requirements: Requirements) -> Interpreter:
    """Return the interpreter; raises UserError if its pytest is missing or too old."""
    version = ".".join(map(str, description.version))
    where = f"the image {image} (Python {version})"
    place = requirements.shown or "test-requirements.txt"
    if description.pytest is None:
        installed = f", nor in what {requirements.shown} asks for" if requirements.arguments else ""
        raise UserError(
            f"failed to find pytest in {where}{installed}",
            hint=f"write `pytest` into {place}, or name files of requirements with --requirements",
        )
    if release(description.pytest) < MINIMUM_PYTEST:
        raise UserError(
            f"failed to use pytest {description.pytest} in {where}: 7.0 or later is needed",
            hint=f"write `pytest>=7` into {place}",
        )
    return Interpreter(description.executable, description.version, description.pytest, description.cache_tag)
