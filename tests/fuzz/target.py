"""What must be true of unpacking, whatever the archive: `check` raises AssertionError where it is not."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path

from maelstrom_container.extract import Limits, extract_tar
from maelstrom_core.cache_files import delete_tree
from maelstrom_core.errors import MaelstromError, SpecError
from tests.support.archives import listing

LIMITS = Limits(total_size=1 << 20, entries=300, directory_paths=1 << 16)
DEPTH = 128
TEXT = "untouched"


def check(data: bytes, place: Path) -> str:
    """Unpack an archive twice below `place`, an empty directory, which is empty again afterwards; say what came of it.

    Nothing is written elsewhere, only the documented errors are raised, the result is the same twice, and bounded.
    """
    outside = place / "outside"
    outside.write_text(TEXT)
    before = os.lstat(outside), len(os.listdir("/proc/self/fd"))
    results = []
    for name in ("first", "second"):
        target = place / name
        target.mkdir()
        results.append(_unpack(data, target))
    assert sorted(os.listdir(place)) == ["first", "outside", "second"], "something was written outside"
    assert (os.lstat(outside), len(os.listdir("/proc/self/fd"))) == before, "a file outside was touched, or one is open"
    assert outside.read_text() == TEXT
    assert results[0] == results[1], "unpacking twice makes two different things"
    outside.unlink()
    for name in ("first", "second"):
        delete_tree(place / name)
    assert os.listdir(place) == [], "what was unpacked cannot be deleted"
    return results[0][0]


def _unpack(data: bytes, target: Path) -> tuple[str, dict[bytes, str]]:
    source = io.BytesIO(data)
    root = os.open(target, os.O_RDONLY | os.O_DIRECTORY)
    try:
        size = extract_tar(source, root, limits=LIMITS)
        said = "unpacked"
        assert size <= LIMITS.total_size, size
    except SpecError as error:
        said = error.message
    except MaelstromError as error:
        raise AssertionError(f"not the user's error: {error}") from error
    except Exception as error:
        raise AssertionError(f"not a documented error: {error!r}") from error
    finally:
        os.close(root)
    assert said.isprintable(), said
    assert len(said) < 1000
    found = listing(target)
    # one member beyond the limits may make its directories before that is noticed
    assert len(found) <= 2 * LIMITS.entries + DEPTH, len(found)
    files = [os.lstat(os.path.join(os.fsencode(target), path)) for path in found if len(path) < 3000]
    assert sum(each.st_size for each in files if stat.S_ISREG(each.st_mode)) <= LIMITS.total_size * LIMITS.entries
    assert all(not stat.S_ISCHR(each.st_mode) or each.st_rdev == 0 for each in files), "a device was made"
    assert all(each.st_mode & 0o6000 == 0 for each in files), "a set-id bit was set"
    # of what was given up in the middle the times are those of now
    return said, found if said == "unpacked" else dict.fromkeys(found, "")
