"""The tokens of a cluster, and what may be listened on without them being read on the way."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from maelstrom_core.credentials import ROLES, Credentials, make_or_read, read
from maelstrom_core.errors import ConfigError
from maelstrom_core.exposure import is_loopback, may_listen

TOKEN = "t" * 32


def written(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_they_are_made_with_a_token_for_each_role_and_for_their_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "credentials.toml"
    made = make_or_read(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len({made.of(role) for role in ROLES}) == len(ROLES)
    assert make_or_read(path) == made
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_each_role_has_its_own_token_and_an_admin_may_look() -> None:
    tokens = Credentials(*(role * 8 for role in ROLES))
    permitted = {(role, other) for role in ROLES for other in ROLES if tokens.permits(role, other * 8)}
    assert permitted == {*zip(ROLES, ROLES, strict=True), ("monitor", "admin")}
    assert not tokens.permits("broker", "")
    assert not Credentials().permits("client", "")
    assert not tokens.permits("client", "\udcff")


def test_a_machine_needs_the_token_of_its_role_only(tmp_path: Path) -> None:
    path = written(tmp_path / "c", f'worker = "{TOKEN}"')
    assert read(path, "worker").worker == TOKEN
    with pytest.raises(ConfigError, match="no token for the role `client`"):
        read(path, "client")
    with pytest.raises(ConfigError, match="no token for: client, monitor, admin"):
        make_or_read(path)


@pytest.mark.parametrize(
    ("text", "mode", "message"),
    [
        ("", 0o640, "can be read by others"),
        (f'wroker = "{TOKEN}"', 0o600, "there is no role `wroker`"),
        ('worker = "short"', 0o600, "the token of `worker` is none"),
        ("worker = 7", 0o600, "the token of `worker` is none"),
        (f'worker = "{TOKEN} x"', 0o600, "the token of `worker` is none"),
        ("worker =", 0o600, ":1:"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_and_no_token_with_it(
    tmp_path: Path, text: str, mode: int, message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        read(written(tmp_path / "c", text, mode))
    assert TOKEN not in caught.value.render()


def test_a_file_that_is_missing_or_cannot_be_made_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no credentials file"):
        read(tmp_path / "c")
    with pytest.raises(ConfigError, match="failed to make"):
        make_or_read(written(tmp_path / "file", "") / "c")


def test_tokens_are_not_shown_with_the_value() -> None:
    assert TOKEN not in f"{Credentials(TOKEN)!r} {Credentials(TOKEN)}"


def test_beyond_the_loopback_interface_nothing_is_listened_on_without_tls() -> None:
    for host in ("127.0.0.1", "127.1.2.3", "::1", "localhost"):
        assert is_loopback(host)
        may_listen(host, tls=False)
    for host in ("0.0.0.0", "::", "192.0.2.1", "example.org", "", "localhost.example.org"):
        may_listen(host, tls=True)
        with pytest.raises(ConfigError, match="without TLS") as caught:
            may_listen(host, tls=False)
        assert "--tls-cert" in caught.value.render()
