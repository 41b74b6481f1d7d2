"""Users of images, by number and by name, in whichever layer the name is."""

import os

import pytest

from maelstrom_container.images.users import find_user
from maelstrom_core.errors import UserError

PASSWD = "root:x:0:0::/root:/bin/sh\nme:x:12:34::/:\nbroken\nother:x:56:x::/:\n"


@pytest.fixture
def layers(tmp_path):
    def write(*contents):
        paths = []
        for number, files in enumerate(contents):
            layer = tmp_path / str(number)
            (layer / "etc").mkdir(parents=True)
            for name, text in files.items():
                (layer / "etc" / name).write_text(text)
            paths.append(str(layer))
        return paths

    return write


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", (0, 0)),
        ("7", (7, 0)),
        ("7:8", (7, 8)),
        ("12", (12, 34)),
        ("me", (12, 34)),
        ("me:9", (12, 9)),
        ("me:them", (12, 78)),
        ("other", (56, 0)),
        ("root", (0, 0)),
    ],
)
def test_numbers_and_names(layers, text, expected):
    assert find_user(text, layers({"passwd": PASSWD, "group": "them:x:78:me\n"}), "x") == expected


@pytest.mark.parametrize("text", ["you", "me:you", "4294967295", "-1", "1:4294967296", ":them"])
def test_who_is_not_there(layers, text):
    with pytest.raises(UserError, match=r"which is not in its /etc/group|who is not in its /etc/passwd"):
        find_user(text, layers({"passwd": PASSWD}), "x")


def test_the_topmost_file_is_the_one_that_is_seen(layers):
    stack = layers({"passwd": PASSWD}, {}, {"passwd": "me:x:1:2::/:\n"}, {"group": ""})
    assert find_user("me", stack, "x") == (1, 2)


def test_a_file_that_is_hidden_is_not_seen(layers):
    stack = layers({"passwd": PASSWD}, {})
    os.setxattr(f"{stack[1]}/etc", "user.overlay.opaque", b"y")
    with pytest.raises(UserError):
        find_user("me", stack, "x")


def test_no_link_of_an_image_is_followed(layers, tmp_path):
    (tmp_path / "passwd").write_text(PASSWD)
    stack = layers({})
    os.symlink(tmp_path / "passwd", f"{stack[0]}/etc/passwd")
    with pytest.raises(UserError):
        find_user("me", stack, "x")
    os.rename(f"{stack[0]}/etc", f"{stack[0]}/other")
    os.symlink(tmp_path, f"{stack[0]}/etc")
    with pytest.raises(UserError):
        find_user("me", stack, "x")
