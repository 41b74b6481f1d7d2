"""The plugin `maelstrom` of pytest: `pytest --maelstrom` runs the tests of a session in containers.

Every pytest of an environment with Maelstrom loads this module, so it must cost next to nothing: without the option it
adds options and does nothing else. What the option needs is imported when it is given.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

# name, metavar (none: a flag), help: values of `maelstrom_pytest.config`, which says what they mean
OPTIONS = (
    ("slots", "N", "tests that run at the same time (default: the number of processors)"),
    ("isolation", "LEVEL", "how much shares a process and a container: test, function, class, module, session, auto"),
    ("timeout", "SECONDS", "stop a test after this time"),
    ("cache-root", "DIR", "directory for what is kept between runs"),
    ("image", "IMAGE", "run tests in containers of an image: docker://[HOST/]NAME[:TAG], oci:DIRECTORY[:TAG]"),
    ("broker", "HOST:PORT", "where the broker of the cluster is, if there is one"),
    ("credentials", "FILE", "the token for clients of the broker"),
    ("no-local", None, "with a broker: run no test on this machine that can run elsewhere"),
    ("tls", None, "speak TLS with the broker; --maelstrom-tls-ca turns it on, too"),
    ("tls-ca", "FILE", "authorities, one of which the broker's certificate must be of"),
    ("tls-cert", "FILE", "certificate of ours for brokers that want one"),
    ("tls-key", "FILE", "its key"),
    ("no-template", None, "start an interpreter for each test instead of forking one that has loaded it"),
    ("no-seccomp", None, "let tests do what ordinary programs do not: namespaces, mounts, bpf"),
)
# with these no test is run
WORDS_ONLY = ("collectonly", "help", "version", "show_fixtures_per_test", "showfixtures", "markers", "cacheshow")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("maelstrom", "tests in containers")
    group.addoption("--maelstrom", action="store_true", help="run each test in a container of its own")
    for name, metavar, text in OPTIONS:
        destination = f"maelstrom_{name.replace('-', '_')}"
        if metavar is None:
            group.addoption(f"--maelstrom-{name}", dest=destination, action="store_true", help=text)
        else:
            group.addoption(f"--maelstrom-{name}", dest=destination, metavar=metavar, help=text)


def pytest_configure(config: pytest.Config) -> None:
    """Know the mark of tests that are not to be forked, whether or not they run in containers now."""
    config.addinivalue_line("markers", "maelstrom_no_template: start an interpreter for this test alone")


# outermost: before output is captured, before conftests are loaded
@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    """Make ready what runs the tests, if it is wanted and this is not such a test's own pytest."""
    options = early_config.known_args_namespace
    words_only = any(getattr(options, name, False) for name in WORDS_ONLY)
    if options.maelstrom and not words_only and not _in_container(early_config):
        from maelstrom_pytest.plugin.active import activate

        activate(early_config)
    yield


def _in_container(config: pytest.Config) -> bool:
    """Tell whether this is the pytest of a container, which has the same arguments and the same plugins."""
    plugins = config.pluginmanager.get_plugins()
    return any(str(type(plugin).__module__).startswith("maelstrom_guest.") for plugin in plugins)
