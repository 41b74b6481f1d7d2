"""Where tests of Go run, and what the project's file can say of that."""

import re
import tomllib

from maelstrom_core.spec import BindMount, ContainerSpec, HostLayer, Network, ProjectLayer
from maelstrom_go_test.config import FILE_NAME, GoConfig
from maelstrom_go_test.default_file import CONTENTS
from maelstrom_go_test.packages import Module, Package
from maelstrom_go_test.place import Installed, Place, Places, find_root, shown_layers
from maelstrom_go_test.rules import LANGUAGE
from maelstrom_test_runner.directives import Treatment
from maelstrom_test_runner.runner_file import load


def test_the_root_is_that_of_the_workspace_else_of_the_module(tmp_path):
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert find_root(inner, {}) == inner
    (tmp_path / "a" / "go.mod").touch()
    assert find_root(inner, {}) == tmp_path / "a"
    (tmp_path / "go.work").touch()
    assert find_root(inner, {}) == tmp_path
    assert find_root(inner, {"GOWORK": "off"}) == tmp_path / "a"
    assert find_root(inner, {"GOWORK": "/x/go.work"}).name == "x"


def test_the_repository_is_shown_and_modules_elsewhere(tmp_path):
    module = tmp_path / "repository" / "module"
    module.mkdir(parents=True)
    other = tmp_path / "other"
    other.mkdir()
    (tmp_path / "repository" / ".git").mkdir()
    packages = [Package("m", Module=Module("m", str(module))), Package("o", Module=Module("o", str(other)))]
    assert set(shown_layers(str(module), packages)) == {
        ProjectLayer(str(tmp_path / "repository")),
        ProjectLayer(str(other)),
    }


def places(tmp_path, **others):
    installed = Installed(GOROOT=str(tmp_path / "go"), GOMODCACHE=str(tmp_path / "none"))
    (tmp_path / "go").mkdir()
    (tmp_path / "m").mkdir()
    place = Place(
        root=str(tmp_path / "m"), installed=installed, binaries="/b", environment={"GOFLAGS": "-x", "A": "$"}, **others
    )
    return Places(place, [])


def test_a_test_is_in_its_package_s_directory_with_the_go_that_has_built_it(tmp_path):
    found = places(tmp_path)
    container = found.container("/m/p", Treatment())
    assert container.working_directory == "/m/p"
    assert container.network is Network.LOOPBACK
    assert HostLayer((str(tmp_path / "go"),)) in container.layers
    assert ProjectLayer(str(tmp_path / "m")) in container.layers
    assert BindMount("/.maelstrom/go", "/b", read_only=True) in container.mounts
    variables = [dict(element.vars) for element in container.environment]
    assert variables[0] == {"GOFLAGS": "-x", "A": "$$"}
    assert variables[1:] == [
        {"PATH": f"{tmp_path}/go/bin:$prev{{PATH:-/usr/local/bin:/usr/bin:/bin}}"},
        {"PWD": "/m/p"},
    ]


def test_equal_containers_are_one_object(tmp_path):
    found, said = places(tmp_path), Treatment()
    assert found.container("/m/p", said) is found.container("/m/p", said)
    assert found.container("/m/p", said) is not found.container("/m/q", said)


def test_a_directive_can_say_where_and_how(tmp_path):
    said = Treatment(container=ContainerSpec(working_directory="/elsewhere", network=Network.DISABLED))
    container = places(tmp_path).container("/m/p", said)
    assert (container.working_directory, container.network) == ("/elsewhere", Network.DISABLED)


def test_a_hermetic_container_has_go_s_variables_only(tmp_path):
    container = places(tmp_path, hermetic=True).container("/m/p", Treatment())
    assert container.network is Network.DISABLED
    variables = {name: value for element in container.environment for name, value in element.vars.items()}
    assert variables["GOFLAGS"] == "-x"
    assert "A" not in variables


def test_me16_the_file_that_init_writes_can_be_read_as_it_is_and_with_everything_in_it(tmp_path):
    path = tmp_path / FILE_NAME
    names = [value.key for value in GoConfig.schema()]
    for text in (CONTENTS, re.sub(r"(?m)^#(?! )", "", CONTENTS)):
        path.write_text(text)
        read = load(path, LANGUAGE, names)
        assert set(read.values) <= set(names)
    assert len(read.directives.all) == 4
    assert tomllib.loads(CONTENTS) == {}
