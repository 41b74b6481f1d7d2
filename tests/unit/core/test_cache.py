"""The files of a cache: behaviours CA2 to CA24, in a directory of the test's own."""

import fcntl
import os
import struct
from pathlib import Path

import pytest

from maelstrom_core import cache_files
from maelstrom_core.cache import Cache, Get, Key, Success, Wait
from maelstrom_core.errors import InfrastructureError, MaelstromError, UserError

A, B, C, D = (Key("layer", digit * 64) for digit in "abcd")
FILE = Key("file", "f" * 64)


def open_cache(root, target=1000, **options):
    return Cache(root, kinds=("layer", "file"), linked_kinds=("blob",), target_size=target, **options)


def put(cache, key, size=1, content="x"):
    """Have the cache hold a directory entry, pinned once."""
    assert cache.get(key, "job", "getter") == Get()
    temporary = cache.temporary_directory()
    (temporary / "content").write_text(content)
    assert cache.got_directory(key, temporary, size).accepted


@pytest.fixture
def root(tmp_path):
    return tmp_path / "cache"


def names(path):
    return sorted(entry.name for entry in path.iterdir())


def test_ca2_directory_is_published_with_its_size_beside_it(root):
    with open_cache(root) as cache:
        put(cache, A, 300)
        path = cache.path(A)
        assert (path / "content").read_text() == "x"
        assert (path.parent / (A.digest + ".size")).read_bytes() == struct.pack(">Q", 300)
        assert cache.get(A, 2, "getter") == Success(300)
        assert names(root / "tmp") == []


def test_ca2_file_is_published(root):
    with open_cache(root) as cache:
        assert cache.get(FILE, 1, "getter") == Get()
        assert cache.get(FILE, 2, "getter") == Wait()
        temporary = cache.temporary_file()
        temporary.write_bytes(b"12345")
        assert cache.got_file(FILE, temporary).waiting == (1, 2)
        assert cache.path(FILE).read_bytes() == b"12345"
        assert cache.bytes_used == 5


def test_ca3_failure_to_store_returns_the_waiting_jobs(root):
    with open_cache(root) as cache:
        cache.get(A, 1, "getter")
        cache.get(A, 2, "getter")
        stored = cache.got_directory(A, root / "tmp" / "missing", 5)
        assert isinstance(stored.error, InfrastructureError)
        assert stored.waiting == (1, 2)
        assert cache.bytes_used == 0
        assert cache.get(A, 3, "getter") == Get()


def test_ca5_entry_larger_than_the_target_disappears_on_release(root):
    with open_cache(root, target=10) as cache:
        put(cache, A, 11)
        assert cache.path(A).is_dir()
        cache.release(A)
        assert not cache.path(A).exists()
    assert names(root / "blake3" / "layer") == []
    assert names(root / "removing") == []


def test_ca7_least_recently_released_is_deleted_first(root):
    with open_cache(root, target=3) as cache:
        for key in (A, B, C):
            put(cache, key)
        for key in (B, A, C):
            cache.release(key)
        put(cache, D)
        assert [cache.path(key).exists() for key in (A, B, C, D)] == [True, False, True, True]


def test_ca7_order_of_release_survives_a_restart(root):
    with open_cache(root) as cache:
        for key in (A, B, C):
            put(cache, key)
        for age, key in enumerate((B, A, C)):
            cache.release(key)
            size = cache.path(key).with_name(key.digest + ".size")
            os.utime(size, ns=(age, age))
    with open_cache(root, target=2) as cache:
        assert [cache.path(key).exists() for key in (A, B, C)] == [True, False, True]


def test_ca11_unwanted_directory_is_discarded(root):
    with open_cache(root) as cache:
        temporary = cache.temporary_directory()
        assert not cache.got_directory(A, temporary, 1).accepted
        assert not temporary.exists()
        assert not cache.path(A).exists()
    assert names(root / "removing") == []


def test_ca12_second_copy_is_discarded_and_the_first_kept(root):
    with open_cache(root) as cache:
        put(cache, A, content="first")
        second = cache.temporary_directory()
        (second / "content").write_text("second")
        assert not cache.got_directory(A, second, 1).accepted
        assert (cache.path(A) / "content").read_text() == "first"
        assert not second.exists()


def test_ca15_path_of_an_entry(root):
    with open_cache(root) as cache:
        assert cache.path(A) == root / "blake3" / "layer" / ("a" * 64)


@pytest.mark.parametrize(
    "key", [Key("layer", "../x"), Key("layer", "A" * 64), Key("other", "a" * 64), Key("layer", "a" * 64 + "\n")]
)
def test_ca15_nothing_but_digests_of_known_kinds_becomes_a_path(root, key):
    with open_cache(root) as cache, pytest.raises(ValueError, match="not a key"):
        cache.path(key)


def test_ca16_temporaries_are_made_in_tmp(root):
    with open_cache(root) as cache:
        assert cache.temporary_directory().parent == cache.temporary_file().parent == root / "tmp"


def test_ca17_start_in_an_empty_directory_makes_the_layout(root):
    with open_cache(root):
        assert names(root) == ["CACHEDIR.TAG", "blake3", "lock", "removing", "tmp"]
        assert names(root / "blake3") == ["blob", "file", "layer"]
        assert (root / "CACHEDIR.TAG").read_bytes().startswith(b"Signature: 8a477f597d28d172789f06886806bc55\n")


@pytest.mark.parametrize("tag", [None, b"Signature: 8a477f597d28d172789f06886806bc55\n# another format\n"])
def test_ca18_without_the_right_tag_everything_goes(root, tag):
    (root / "removing" / "old").mkdir(parents=True)
    (root / "blake3" / "layer" / A.digest).mkdir(parents=True)
    (root / "garbage").mkdir()
    (root / "file").write_text("x")
    (root / "link").symlink_to(root.parent)
    if tag is not None:
        (root / "CACHEDIR.TAG").write_bytes(tag)
    with open_cache(root) as cache:
        assert names(root) == ["CACHEDIR.TAG", "blake3", "lock", "removing", "tmp"]
        assert cache.bytes_used == 0
        assert names(root / "blake3" / "layer") == []
    assert names(root / "removing") == []


def test_ca19_removing_that_is_a_file_is_replaced(root):
    root.mkdir()
    (root / "removing").write_text("x")
    with open_cache(root):
        assert (root / "removing").is_dir()


def test_ca20_removing_that_is_missing_is_made(root):
    with open_cache(root):
        pass
    (root / "removing").rmdir()
    with open_cache(root):
        assert (root / "removing").is_dir()


def test_ca21_start_keeps_what_is_valid_and_removes_the_rest(root):
    with open_cache(root) as cache:
        put(cache, A, 7)
        (root / "tmp" / "half").mkdir()
    kind = root / "blake3" / "layer"
    (kind / B.digest).mkdir()
    (kind / B.digest / "lone").write_text("no size")
    (kind / C.digest).mkdir()
    (kind / (C.digest + ".size")).write_bytes(b"123")
    (kind / (D.digest + ".size")).write_bytes(struct.pack(">Q", 1))
    (kind / "not-hexadecimal").write_text("x")
    (kind / ("0" * 64)).symlink_to(root.parent)
    (root / "blake3" / "file" / FILE.digest).write_bytes(b"123")
    (root / "blake3" / "unknown").mkdir()
    (root / "garbage").mkdir()
    with open_cache(root) as cache:
        assert names(kind) == [A.digest, A.digest + ".size"]
        assert names(root / "blake3") == ["blob", "file", "layer"]
        assert names(root / "tmp") == []
        assert "garbage" not in names(root)
        assert cache.bytes_used == 7 + 3
        assert cache.get(A, 1, "getter") == Success(7)
        assert cache.get(FILE, 1, "getter") == Success(3)
    assert root.parent.is_dir()


def test_ca22_kept_entries_are_evictable(root):
    with open_cache(root) as cache:
        put(cache, A, 7)
    with open_cache(root, target=6) as cache:
        assert not cache.path(A).exists()
        assert cache.bytes_used == 0


@pytest.mark.parametrize("tagged", [True, False])
def test_ca23_lock_held_exclusively_elsewhere_is_an_error_naming_the_file(root, tagged):
    root.mkdir()
    if tagged:
        open_cache(root).close()
    with (root / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(InfrastructureError, match=str(root / "lock")):
            open_cache(root, lock_timeout=0)


def test_two_users_share_a_cache_at_the_same_time(root):
    with open_cache(root) as first, open_cache(root) as second:
        put(first, A, 5)
        assert second.get(A, 1, "getter") == Success(5)


def test_entry_in_use_by_another_process_is_not_evicted(root):
    with open_cache(root, target=0) as first, open_cache(root, target=0) as second:
        put(first, A, 5)
        assert second.get(A, 1, "getter") == Success(5)
        first.release(A)
        assert second.path(A).is_dir()
        second.release(A)
        assert not second.path(A).exists()


def test_entry_evicted_by_another_process_is_got_again(root):
    with open_cache(root, target=0) as first, open_cache(root) as second:
        put(first, A, 5)
        second.get(A, 1, "getter")
        second.release(A)
        first.release(A)
        assert second.get(A, 2, "getter") == Get()


def test_of_two_processes_that_make_the_same_the_last_discards_its_copy(root):
    with open_cache(root) as first, open_cache(root) as second:
        assert second.get(A, "later", "getter") == Get()
        put(first, A, 5, content="first")
        temporary = second.temporary_directory()
        (temporary / "content").write_text("second")
        stored = second.got_directory(A, temporary, 6)
        assert (stored.accepted, stored.waiting) == (False, ("later",))
        assert (second.path(A) / "content").read_text() == "first"
        assert second.bytes_used == 5


def test_start_beside_another_user_cleans_nothing(root):
    with open_cache(root) as first:
        temporary = first.temporary_directory()
        with open_cache(root):
            assert temporary.is_dir()


def test_other_format_in_use_is_refused(root):
    with open_cache(root):
        (root / "CACHEDIR.TAG").write_bytes(b"another format")
        with pytest.raises(UserError, match="another version"):
            open_cache(root)


def test_files_that_no_entry_links_to_are_swept_when_something_is_deleted(root):
    with open_cache(root, target=0) as cache:
        cache.get(A, 1, "getter")
        temporary = cache.temporary_directory()
        blob = cache.path(Key("blob", "1" * 64))
        (temporary / "content").write_text("shared")
        os.link(temporary / "content", blob)
        cache.got_directory(A, temporary, 5)
        assert blob.exists()
        cache.release(A)
    assert not blob.exists()


def test_when_the_disk_is_full_everything_goes_that_nobody_uses(root):
    with open_cache(root) as cache:
        put(cache, A)
        put(cache, B)
        cache.release(A)
        cache.make_room()
        assert not cache.path(A).exists()
        assert cache.path(B).is_dir()
        assert names(root / "removing") == []
        assert cache.bytes_used == 1


def test_directories_that_forbid_writing_are_deleted_too(tmp_path):
    (tmp_path / "tree" / "a").mkdir(parents=True)
    (tmp_path / "tree" / "a" / "file").write_text("x")
    (tmp_path / "tree" / "link").symlink_to(tmp_path)
    (tmp_path / "tree" / "a").chmod(0o000)
    (tmp_path / "tree").chmod(0o500)
    cache_files.delete_tree(tmp_path / "tree")
    assert names(tmp_path) == []


def test_cache_that_cannot_be_created_is_the_users_error(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError) as caught:
        open_cache(tmp_path / "file" / "cache")
    assert "--cache-root" in caught.value.render()
    assert isinstance(caught.value, MaelstromError)


def test_closing_gives_everything_up(root):
    cache = open_cache(root)
    put(cache, A)
    before = len(names(Path("/proc/self/fd")))
    cache.close()
    cache.close()
    assert len(names(Path("/proc/self/fd"))) == before - 2


def test_a_tree_is_deleted_whatever_its_modes_and_however_long_its_paths(tmp_path):
    """A path of a layer may be as long as the kernel takes, and that of the cache comes before it."""
    tree = tmp_path / "tree"
    tree.mkdir()
    parents = [os.open(tree, os.O_RDONLY)]
    for _ in range(20):
        os.mkdir("n" * 250, dir_fd=parents[-1])
        parents.append(os.open("n" * 250, os.O_RDONLY, dir_fd=parents[-1]))
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, 0, dir_fd=parents[-1]))
    os.symlink("/", "link", dir_fd=parents[-1])
    for parent in reversed(parents):
        os.fchmod(parent, 0o500)
        os.close(parent)
    cache_files.delete_tree(tree)
    assert list(tmp_path.iterdir()) == []
