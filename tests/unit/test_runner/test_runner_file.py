"""The file of a project: where it is, what is in it, and what its errors say."""

from __future__ import annotations

from pathlib import Path

import pytest

from maelstrom_core.errors import ConfigError, UserError
from maelstrom_test_runner.filters import TEXT_MATCHERS, Language, Selector
from maelstrom_test_runner.runner_file import find, load, write_default

LANGUAGE = Language((Selector("name", 2, TEXT_MATCHERS),))
VALUES = ("timeout", "isolation")


def loaded(tmp_path, text):
    path = tmp_path / "runner.toml"
    path.write_text(text)
    return load(path, LANGUAGE, VALUES)


def test_me11_an_empty_file_says_nothing(tmp_path):
    file = loaded(tmp_path, "")
    assert (file.directives.all, file.directives.containers, file.values) == ((), {}, {})


def test_me11_containers_and_directives_in_any_order(tmp_path):
    file = loaded(
        tmp_path,
        'timeout = 3\n[containers."foo.bar.baz"]\nuser = 3\n[[directives]]\nparent = "later"\n'
        '[containers.later]\nparent = "foo.bar.baz"\n[[directives]]\nfilter = "all"\nuser = 4\n',
    )
    assert list(file.directives.containers) == ["foo.bar.baz", "later"]
    assert [each.container.user for each in file.directives.all][1:] == [4]
    assert file.config_files()[0].values == {"timeout": 3}


DIRECTIVE = "\n[[directives]]\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[directive]]\n", ("unknown table `directive`", "did you mean `directives`?")),
        ("[directives]\n", ("one table", "[[directives]]")),
        ("[container.a]\n", ("unknown table `container`", "did you mean `containers`?")),
        ("directives = 3\n", ("directives", "a table")),
        ("a = = 1\n", (":1:5: ",)),
        (DIRECTIVE + "user = 1\nuser = 2\n", (":4:", "overwrite")),
        (DIRECTIVE * 2 + "usr = 1\n", (":4: directives[1]: unknown field `usr`", "did you mean `user`?")),
        (DIRECTIVE + 'filter = "nmae.eq(x)"\n', (":2: directives[0].filter", "    nmae.eq(x)\n    ^^^^", "`name`?")),
        (DIRECTIVE + 'parent = "bse"\n[containers.base]\n', (":2: directives[0]", "`bse`", "did you mean `base`?")),
        ("[containers.a]\nparent = 'b'\n[containers.b]\nparent = 'a'\n", (":1: containers.a: ", "b -> a -> b")),
        ("[containers.a]\nadded_layers = []\n", (":1: containers.a.added_layers", "write `layers` instead")),
    ],
)
def test_me2_me15_errors_name_file_line_and_way_out(tmp_path, text, words):
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text)
    assert str(tmp_path / "runner.toml") in caught.value.message
    for word in words:
        assert word in caught.value.render()


def test_the_nearest_file_up_to_the_root_counts(tmp_path):
    deep = tmp_path / "root" / "a" / "b"
    deep.mkdir(parents=True)
    root = tmp_path / "root"

    def found(directory: Path) -> Path | None:
        return find("runner.toml", directory, root)

    (tmp_path / "runner.toml").touch()
    assert found(deep) is None
    (root / "runner.toml").touch()
    assert found(deep) == found(root) == root / "runner.toml"
    (root / "a" / "runner.toml").touch()
    assert found(deep) == root / "a" / "runner.toml"


def test_a_file_is_written_once(tmp_path):
    path = tmp_path / "runner.toml"
    write_default(path, "# text\n")
    with pytest.raises(UserError, match="there is one already"):
        write_default(path, "other")
    assert path.read_text() == "# text\n"
