"""How pages of the book are read, and that what is not as they say is found."""

import pytest

from tests.e2e.test_book import run
from tests.support.book import Command, File, PageError, difference, runs, steps

PAGE = """\
# Title

Write `app.py`:

```python
print(1)
```

It runs:

```console
$ python3 app.py
1
$ echo a &&
> false
a
[1]
```

Not to be run, nor a file:

```text
$ reboot
```
"""


def command(text, output="", code=0):
    return Command(text, output, code, 1)


def test_a_page_is_files_and_commands_in_its_order():
    assert steps(PAGE) == [
        File("app.py", "print(1)\n", 5),
        Command("python3 app.py", "1\n", 0, 12),
        Command("echo a &&\nfalse", "a\n", 1, 14),
    ]


def test_a_page_without_commands_is_not_run():
    assert runs(PAGE)
    assert not runs(PAGE.replace("console", "text"))


@pytest.mark.parametrize("path", ["/etc/passwd", "../up", "a/../../up", "directory/", "."])
def test_a_file_outside_of_the_page_s_directory_is_refused(path):
    with pytest.raises(PageError, match="line 3"):
        steps(f"`{path}`:\n\n```text\nx\n```\n")


def test_a_block_without_an_end_is_refused():
    with pytest.raises(PageError, match="line 1"):
        steps("```console\n$ true\n")


@pytest.mark.parametrize("text", ["", "true\n"])
def test_a_console_block_without_a_command_is_refused(text):
    with pytest.raises(PageError, match="begins with"):
        steps(f"```console\n{text}```\n")


@pytest.mark.parametrize(
    ("expected", "output"),
    [
        ("", ""),
        ("a\n", "a\n"),
        ("a...\n", "a 3 ms\n"),
        ("a ... b\n", "a 3 ms b\n"),
        ("...\nlast\n", "last\n"),
        ("...\nlast\n", "1\n2\nlast\n"),
        ("first\n...\n", "first\n1\n2\n"),
        ("a.c (1)\n", "a.c (1)\n"),
    ],
)
def test_output_as_expected(expected, output):
    assert difference(command("x", expected), 0, output) is None


@pytest.mark.parametrize(
    ("expected", "output"),
    [
        ("", "a\n"),
        ("a\n", ""),
        ("a\n", "a"),
        ("a\n", "a \n"),
        ("a\n", "a\nb\n"),
        ("a...\n", "a\nb\n"),
        ("...\nlast\n", "last\n1\n"),
        ("a.c\n", "abc\n"),
    ],
)
def test_other_output_fails(expected, output):
    assert difference(command("x", expected), 0, output)


def test_another_exit_code_fails():
    assert "exit code 2 instead of 0" in difference(command("x"), 2, "")
    assert "exit code 0 instead of 1" in difference(command("x", code=1), 0, "")


def test_commands_are_really_run(tmp_path):
    environment = {"PATH": "/usr/bin:/bin"}
    assert run(command("echo out; echo err >&2; exit 3", "out\nerr\n", 3), tmp_path, environment) is None
    assert "exit code 0 instead of 1" in run(command("true", code=1), tmp_path, environment)
    assert "what was printed" in run(command("echo b", "a\n"), tmp_path, environment)
    assert "exit code" in run(command("cat no-such-file"), tmp_path, environment)
    assert "exit code 127" in run(command("no-such-program"), tmp_path, environment)
