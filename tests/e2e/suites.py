"""Suites of every kind that pytest runs, as files and how pytest is called: what is collected, from where, how named.

What they are to give is said nowhere: plain pytest says it. This has over 400 lines because it is data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Suite(NamedTuple):
    """Files, where pytest is called, and how; `cases` is what has to be there for it to be worth something."""

    files: Mapping[str, str]
    cases: int
    arguments: Sequence[str] = ()
    directory: str = "."


DOCTESTS = Suite(
    {
        "conftest.py": (
            "import pytest\n"
            "@pytest.fixture(autouse=True)\n"
            "def names(doctest_namespace): doctest_namespace['three'] = 3\n"
        ),
        "package/__init__.py": '"""\n>>> three\n3\n"""\n',
        "package/sums.py": '''
def double(x):
    """
    >>> double(2)
    4
    >>> double(3)
    7
    >>> double("a")
    'a'
    """
    return 2 * x

class Sum:
    """
    >>> Sum().value
    0
    """
    value = 0

    def fails(self):
        """
        >>> raise ValueError("no")
        """

    def skipped(self):
        """
        >>> 1 / 0  # doctest: +SKIP
        """

    def expected(self):
        """
        >>> raise ValueError("yes")
        Traceback (most recent call last):
        ValueError: yes
        >>> print("a   b", end="")  # doctest: +NORMALIZE_WHITESPACE
        a b
        >>> import pytest; pytest.skip("by itself")
        """
''',
        "test_words.txt": "Words\n\n>>> three + 1\n4\n>>> 1\n2\n",
        "guide.rst": ">>> x = 5\n>>> x\n5\n",
        "test_function.py": "def test_f():\n    '''\n    >>> 1\n    1\n    '''\n",
    },
    10,
    ("--doctest-modules", "--doctest-glob=*.rst", "--doctest-glob=test*.txt"),
)

UNITTEST = """
import unittest

def setUpModule():
    global ready
    ready = True

class Shared(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        assert ready
        cls.things = [1, 2]
        cls.addClassCleanup(cls.things.clear)
    def setUp(self): self.more = list(self.things)
    def tearDown(self): assert self.more != [0]
    def test_has(self): self.assertEqual(self.more, [1, 2])
    def test_fails(self): self.assertEqual(self.more, [])
    def test_fails_at_the_end(self): self.more = [0]
    def test_skips(self): self.skipTest("by itself")
    @unittest.skip("for all")
    def test_skipped(self): pass
    @unittest.expectedFailure
    def test_expected(self): self.fail()
    @unittest.expectedFailure
    def test_unexpected(self): pass
    def test_raises(self): raise RuntimeError

class Broken(unittest.TestCase):
    @classmethod
    def setUpClass(cls): raise RuntimeError("class")
    def test_a(self): pass
    def test_b(self): pass

class BrokenEnd(unittest.TestCase):
    @classmethod
    def tearDownClass(cls): raise RuntimeError("class")
    def test_only(self): pass

class Skipped(unittest.TestCase):
    @classmethod
    def setUpClass(cls): raise unittest.SkipTest("whole class")
    def test_a(self): pass

class BrokenSetUp(unittest.TestCase):
    def setUp(self): raise RuntimeError
    def test_a(self): pass

class Asynchronous(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self): self.value = 1
    async def test_good(self): self.assertEqual(self.value, 1)
    async def test_bad(self): self.assertEqual(self.value, 2)

class Inherits(Shared):
    def test_raises(self): pass

class Parts(unittest.TestCase):
    def test_parts(self):
        for number in range(4):
            with self.subTest("odd", number=number):
                self.assertEqual(number % 2, 0)
    def test_good_parts(self):
        for number in range(2):
            with self.subTest(number=number):
                pass
    def test_skipped_parts(self):
        for number in range(2):
            with self.subTest(number=number):
                if number:
                    self.skipTest("odd")
    def test_part_and_whole(self):
        with self.subTest(part=1):
            self.fail("part")
        self.fail("whole")
"""

SUBTESTS = """
import pytest

def test_some_fail(subtests):
    for number in range(3):
        with subtests.test("number", number=number):
            assert number != 1

def test_all_pass(subtests):
    for text in ("a", "b[c]", "d::e"):
        with subtests.test(text):
            pass

def test_some_skip(subtests):
    with subtests.test("skipped"):
        pytest.skip("not this")
    with subtests.test("expected"):
        pytest.xfail("not that")
    with subtests.test("good"):
        pass

def test_fails_besides(subtests):
    with subtests.test("bad"):
        assert 0
    assert 1 == 2

@pytest.mark.xfail
def test_expected(subtests):
    with subtests.test("bad"):
        assert 0
"""

ITEMS = """
import pytest

class YamlFile(pytest.File):
    def collect(self):
        import yaml
        for name, spec in sorted(yaml.safe_load(self.path.open()).items()):
            yield YamlItem.from_parent(self, name=name, spec=spec)

class YamlItem(pytest.Item):
    def __init__(self, *, spec, **kw):
        super().__init__(**kw)
        self.spec = spec
        if spec.get("slow"):
            self.add_marker("slow")
        if spec.get("xfail"):
            self.add_marker(pytest.mark.xfail(reason="said so"))

    def setup(self):
        if self.spec.get("skip"):
            pytest.skip("said so")

    def runtest(self):
        for name, value in self.spec.get("values", {}).items():
            if name != value:
                raise YamlError(self, name, value)

    def repr_failure(self, info):
        if isinstance(info.value, YamlError):
            return "\\n".join(["usecase execution failed", "   spec failed: {1!r}: {2!r}".format(*info.value.args)])
        return super().repr_failure(info)

    def reportinfo(self):
        return self.path, 0, f"usecase: {self.name}"

class YamlError(Exception):
    pass

def pytest_collect_file(parent, file_path):
    if file_path.suffix == ".yaml" and file_path.name.startswith("test"):
        return YamlFile.from_parent(parent, path=file_path)

def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes its time")
"""

YAML = """
ok: {values: {a: a}}
fails: {values: {some: other}}
skips: {skip: true}
expected: {xfail: true, values: {a: b}}
"""

IDS = """
import pytest

@pytest.mark.parametrize("text", [
    "a b", "[", "]", "[]", "x[y]", "a::b", "c/d.py", "c.py::d",
    "\\n", "\\r\\n\\t", "\\0", "\\x1b[31m", "\\u00e9", "\\u4e2d",
    "\\U0001f600", "\\ud800", "%s%d", "{0}", "$HOME", "$$", "'", '"', "\\\\", "..",
    "/", "-k", "--", "=", "~", "#", " ", "",
    "a" * 3000, "\\u4e2d" * 700, b"bytes\\xff", "...OK", "same", "same",
])
def test_text(text): assert text != "]"

@pytest.mark.parametrize("value", [None, True, 1.5, -1, 2j, object, len, [], {"a": 1}, range(3), "x" * 100], ids=repr)
@pytest.mark.parametrize("other", [1, 2], ids=["one::two", "three[four]"])
def test_value(value, other): assert value is not None

@pytest.mark.parametrize("x", [pytest.param(1, id="\\u00fc::\\u00df [x]"), pytest.param(2, marks=pytest.mark.skip)])
class TestClass:
    def test_method(self, x): pass
"""

KIND = "def test_kind(kind): assert kind == {!r}\n"
KIND_FIXTURE = "import pytest\n@pytest.fixture\ndef kind(): return {!r}\n"
TREE = {
    "pytest.ini": "[pytest]\nmarkers =\n    slow: takes its time\naddopts = --strict-markers\ntestpaths = tests\n",
    "conftest.py": KIND_FIXTURE.format("root"),
    "test_top.py": KIND.format("root"),
    "tests/test_one.py": KIND.format("root") + "import pytest\n@pytest.mark.slow\ndef test_slow(): pass\n",
    "tests/deep/conftest.py": KIND_FIXTURE.format("deep") + "collect_ignore = ['test_ignored.py']\n",
    "tests/deep/test_two.py": KIND.format("deep") + "def test_bad(pytestconfig): assert pytestconfig.rootpath == 0\n",
    "tests/deep/test_ignored.py": "assert 0\n",
    "tests/deep/down/test_three.py": KIND.format("deep"),
    "other/other.ini": "[pytest]\npython_files = check_*.py\npython_functions = check\npython_classes = Checks\n",
    "other/check_four.py": "def check(): pass\ndef test_no(): assert 0\nclass Checks:\n    def check_in(self): pass\n",
}
SAME_NAMES = {
    "a/test_same.py": "import neighbour\ndef test_a(): assert neighbour.VALUE == 'a'\n",
    "a/neighbour.py": "VALUE = 'a'\n",
    "b/test_other.py": "def test_b(): assert __name__\n",
    "c/__init__.py": "",
    "c/test_same.py": "def test_c(): assert __name__.endswith('c.test_same')\n",
    "c/d/__init__.py": "",
    "c/d/test_same.py": "from ..helper import VALUE\ndef test_d(): assert VALUE\n",
    "c/helper.py": "VALUE = 1\n",
}
PLUGIN = {
    "own_plugin.py": (
        "import pytest\n"
        "@pytest.fixture\n"
        "def own(request): request.addfinalizer(lambda: None); return request.node.name\n"
        "def pytest_addoption(parser): parser.addoption('--own', default='no'); parser.addini('own_value', 'x')\n"
        "def pytest_runtest_setup(item):\n"
        "    if item.config.getoption('--own') == 'skip' and 'skippable' in item.keywords: pytest.skip('own')\n"
        "def pytest_report_teststatus(report, config):\n"
        "    if report.when == 'call' and report.passed and 'odd' in report.keywords: return 'oddly', 'o', 'ODD'\n"
        "def pytest_configure(config):\n"
        "    config.addinivalue_line('markers', 'odd: x'); config.addinivalue_line('markers', 'skippable: x')\n"
    ),
    "pytest.ini": "[pytest]\nusefixtures = counted\n",
    "conftest.py": "import pytest\nSEEN = []\n@pytest.fixture\ndef counted(): SEEN.append(1)\n",
    "test_own.py": (
        "import pytest\nimport conftest\n"
        "def test_own(own): assert own == 'test_own'\n"
        "@pytest.mark.odd\ndef test_odd(): assert conftest.SEEN\n"
        "@pytest.mark.skippable\ndef test_skippable(): assert 0\n"
        "@pytest.mark.usefixtures('own', 'tmp_path')\nclass TestUsing:\n"
        "    def test_in(self): assert conftest.SEEN\n"
        "    @pytest.mark.usefixtures('missing')\n    def test_missing(self): pass\n"
    ),
}
PICKED = {
    "a/test_a.py": "def test_1(): pass\ndef test_2(): assert 0\nclass TestC:\n    def test_3(self): pass\n",
    "b/test_b.py": "import pytest\n@pytest.mark.parametrize('x', [1, 2])\ndef test_p(x): pass\ndef test_q(): pass\n",
    "b/broken_test.py": "import nowhere\n",
}

WARNING = {
    "pytest.ini": "[pytest]\nmarkers = known\n",
    "conftest.py": "import warnings\ndef pytest_configure(config): warnings.warn('of the configuration')\n",
    "test_warns.py": (
        "import warnings, pytest\n"
        "warnings.warn('of the module', DeprecationWarning)\n"
        "class TestNotCollected:\n    def __init__(self): pass\n"
        "@pytest.fixture\ndef loud():\n    warnings.warn('before')\n    yield\n    warnings.warn('after')\n"
        "def test_one(loud): warnings.warn('the same')\n"
        "@pytest.mark.parametrize('x', range(12))\n"
        "def test_many(x): warnings.warn('of many\\nin two lines', UserWarning)\n"
        "def test_fails(loud): warnings.warn('the same'); assert 0\n"
        "def test_twice():\n    for _ in range(3): warnings.warn('the same')\n"
        "def test_caught():\n    with pytest.warns(UserWarning): warnings.warn('seen')\n"
        "@pytest.mark.unheard\ndef test_mark(): pass\n"
        "@pytest.mark.filterwarnings('error')\ndef test_error(): warnings.warn('now an error')\n"
        "@pytest.mark.filterwarnings('ignore')\ndef test_ignored(): warnings.warn('not there')\n"
        "def test_returns(): return 1\n"
    ),
    "test_unit.py": (
        "import unittest, warnings\n"
        "class Case(unittest.TestCase):\n    def test_warns(self): warnings.warn('of unittest', ResourceWarning)\n"
    ),
}
EVERYTHING = {
    **WARNING,
    "test_kinds.py": (
        "import logging, pytest\n"
        "@pytest.mark.skip(reason='not now')\ndef test_skip(): pass\n"
        "@pytest.mark.xfail(reason='a bug')\ndef test_xfail(): assert 0\n"
        "@pytest.mark.xfail(reason='was one')\ndef test_xpass(): pass\n"
        "@pytest.mark.xfail(strict=True, reason='was one')\ndef test_strict(): pass\n"
        "@pytest.fixture\ndef broken(): raise RuntimeError('broken')\n"
        "@pytest.fixture\ndef late():\n    yield\n    raise RuntimeError('late')\n"
        "def test_setup(broken): pass\n"
        "def test_teardown(late): pass\n"
        "def test_call_and_teardown(late): assert 0\n"
        "def test_setup_and_teardown(late, broken): pass\n"
        "def test_long(): raise RuntimeError('\\n'.join(map(str, range(1000))))\n"
        "def test_wide(broken_by='x' * 1000): raise RuntimeError(broken_by)\n"
        "def test_logs(record_property):\n"
        "    record_property('key', 'value'); print('printed'); logging.getLogger().warning('logged'); assert 0\n"
        "def test_prints(record_property): record_property('other', [1]); print('of one that passes')\n"
        "def test_deselected(): pass\n"
    ),
    "test_skips_itself.py": "import pytest\npytest.importorskip('nowhere')\n",
    "test_sub.py": SUBTESTS,
    "test_doc.txt": ">>> 1\n2\n",
}

OWN_INICONFIG = """
import sys
from importlib.machinery import PathFinder

OWN = True
__path__ = PathFinder.find_spec("iniconfig", sys.path[1:]).submodule_search_locations
exec(open(__path__[0] + "/__init__.py").read())
"""
"""What a project has that is one of those that pytest needs: here it is made of the installed one."""

SUITES = {
    "doctest items": DOCTESTS,
    "doctest that goes on": DOCTESTS._replace(arguments=(*DOCTESTS.arguments, "--doctest-continue-on-failure")),
    "text files": Suite({"test_a.txt": ">>> 1\n1\n", "test_b.txt": ">>> 1\n2\n", "c.txt": ">>> 1\n2\n"}, 2),
    "unittest": Suite({"test_unit.py": UNITTEST}, 27),
    "subtests": Suite({"test_sub.py": SUBTESTS}, 5),
    "ids": Suite({"test_ids.py": IDS}, 62),
    "root directory": Suite(TREE, 5),
    "subdirectory": Suite(TREE, 3, directory="tests/deep"),
    "a path from a subdirectory": Suite(TREE, 2, ("../test_one.py",), "tests/deep"),
    "an option of the root directory": Suite(TREE, 3, ("--rootdir=tests", "tests/deep"), "."),
    "another configuration": Suite(TREE, 2, ("-c", "other/other.ini", "other")),
    "the other configuration's directory": Suite(TREE, 2, ("-c", "other.ini"), "other"),
    "no conftest above": Suite(TREE, 1, ("--confcutdir=tests", "tests/test_one.py::test_slow"), "."),
    "markers": Suite(TREE, 1, ("-m", "slow")),
    "override of the configuration": Suite(TREE, 1, ("-o", "testpaths=test_top.py")),
    "prepend": Suite(SAME_NAMES, 4, ("--import-mode=prepend",)),
    "append": Suite(SAME_NAMES, 4, ("--import-mode=append",)),
    "importlib": Suite(SAME_NAMES, 3, ("--import-mode=importlib", "b", "c")),
    "same names": Suite({"a/test_x.py": "def test_a(): pass\n", "b/test_x.py": "def test_b(): pass\n"}, 1),
    "same names with importlib": Suite(
        {"a/test_x.py": "def test_a(): pass\n", "b/test_x.py": "def test_b(): pass\n"}, 2, ("--import-mode=importlib",)
    ),
    "pythonpath": Suite(
        {
            "pytest.ini": "[pytest]\npythonpath = src\n",
            "src/lib.py": "",
            "t/test_l.py": "import lib\ndef test(): pass\n",
        },
        1,
    ),
    "what pytest imports itself": Suite(
        {
            "iniconfig/__init__.py": OWN_INICONFIG,
            "test_a.py": "import iniconfig\ndef test(): assert iniconfig.OWN\n",
        },
        1,
    ),
    "a plugin": Suite(PLUGIN, 5, ("-p", "own_plugin", "--own=skip")),
    "without a plugin": Suite(PLUGIN, 5, ("-p", "own_plugin", "-p", "no:doctest", "-p", "no:logging")),
    "deselected": Suite(
        PICKED,
        4,
        (
            *("--deselect", "a/test_a.py::test_2", "--deselect=b/test_b.py::test_p[1]"),
            "--ignore=b/broken_test.py",
        ),
    ),
    "ignored": Suite(PICKED, 3, ("--ignore", "b")),
    "ignored by pattern": Suite(PICKED, 6, ("--ignore-glob=*broken*",)),
    "not collected": Suite(
        {**PICKED, "c/test_c.py": "import pytest\npytest.skip('all of it', allow_module_level=True)\n"}, 2
    ),
    "not collected and gone on": Suite(PICKED, 7, ("--continue-on-collection-errors",)),
    "keywords": Suite(PICKED, 3, ("-k", "test_p or TestC", "--ignore-glob=*broken*")),
    "nothing matches": Suite(PICKED, 0, ("-k", "nowhere", "a")),
    "warnings": Suite(WARNING, 21),
    "a warning before anything is configured": Suite(
        {
            "early_plugin.py": "import warnings\ndef pytest_load_initial_conftests(): warnings.warn('early')\n",
            "test_a.py": "def test(): pass\n",
        },
        1,
        ("-p", "early_plugin"),
    ),
    "warnings that nobody wants": Suite(WARNING, 21, ("-p", "no:warnings")),
    "warnings that are only counted": Suite(WARNING, 21, ("--disable-warnings",)),
    "warnings that are errors": Suite(
        WARNING, 2, ("-W", "error::ResourceWarning", "test_unit.py", "test_warns.py::test_many[1]")
    ),
    "every kind": Suite(EVERYTHING, 41, ("--deselect", "test_kinds.py::test_deselected")),
    "by node id": Suite(PICKED, 3, ("b/test_b.py::test_p[2]", "a/test_a.py::TestC", "b/test_b.py::test_q")),
}

ASYNCIO = """
import asyncio
import pytest
import pytest_asyncio

@pytest_asyncio.fixture
async def number():
    await asyncio.sleep(0)
    yield 1
    await asyncio.sleep(0)

@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def loop_of_module():
    return asyncio.get_running_loop()

async def test_good(number): assert number == 1
async def test_bad(number): assert number == 2
@pytest.mark.asyncio(loop_scope="module")
async def test_loop(loop_of_module): assert asyncio.get_running_loop() is loop_of_module
@pytest.mark.parametrize("x", [1, 2])
async def test_parameters(x, number): assert x == number
@pytest.mark.xfail
async def test_expected(): assert 0
async def test_skips(): pytest.skip("by itself")
def test_other(): pass
class TestClass:
    async def test_method(self, number): await asyncio.sleep(0)
"""
ANYIO = """
import anyio
import pytest

pytestmark = pytest.mark.anyio

@pytest.fixture
async def number():
    await anyio.sleep(0)
    yield 1

async def test_good(number): assert number == 1
async def test_bad(number): assert number == 2
async def test_group():
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 0)
@pytest.fixture(params=["asyncio"])
def anyio_backend(request): return request.param
"""
WITH_PLUGINS = {
    "pytest-asyncio": Suite({"pytest.ini": "[pytest]\nasyncio_mode = auto\n", "test_async.py": ASYNCIO}, 9),
    "anyio": Suite({"test_anyio.py": ANYIO}, 3),
    "items of a plugin": Suite({"conftest.py": ITEMS, "test_a.yaml": YAML, "sub/test_b.yaml": YAML}, 8),
    "some items of a plugin": Suite(
        {"conftest.py": ITEMS, "test_a.yaml": YAML, "b.yaml": YAML}, 3, ("-k", "ok or fai")
    ),
    "one item of a plugin": Suite({"conftest.py": ITEMS, "test_a.yaml": YAML}, 1, ("test_a.yaml::fails",)),
}
"""Those that need packages beside pytest."""
