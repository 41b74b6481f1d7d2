"""Which files share an artifact: laws of packs, and what a change costs."""

from hypothesis import given
from hypothesis import strategies as st

from maelstrom_container.trees.packing import ALONE, LARGEST, SMALLEST, pack, pack_size

trees = st.dictionaries(st.binary(min_size=1, max_size=12), st.integers(1, SMALLEST // 4), max_size=60)


@given(trees)
def test_every_file_is_in_one_pack_or_alone_in_order(tree):
    files = sorted(tree.items())
    packs, alone = pack(files, SMALLEST)
    assert sorted([path for each in packs for path in each] + alone) == [path for path, _ in files]
    assert [path for each in packs for path in each] == [path for path, size in files if size * ALONE < SMALLEST]
    assert all(sum(tree[path] for path in each) <= 4 * SMALLEST for each in packs)
    assert all(packs)


@given(trees)
def test_packs_follow_from_paths_and_sizes_alone(tree):
    files = sorted(tree.items())
    assert pack(files, SMALLEST) == pack(iter(files), SMALLEST)


def test_a_tree_becomes_some_hundred_artifacts():
    files = [(b"dir%d/file%d.py" % (number // 50, number), 5_000 + number % 7_000) for number in range(20_000)]
    total = sum(size for _, size in files)
    packs, alone = pack(files, pack_size(total))
    assert 50 < len(packs) + len(alone) < 1000


def test_a_file_that_comes_changes_few_packs():
    files = [(b"dir%03d/file%05d.py" % (number // 50, number), 9_000) for number in range(5_000)]
    size = pack_size(sum(length for _, length in files))
    before, _ = pack(files, size)
    now, _ = pack(sorted([*files, (b"dir042/new.py", 500)]), size)
    assert len(before) > 10
    assert len({tuple(each) for each in now} - {tuple(each) for each in before}) <= 2


def test_the_size_of_packs_is_bounded():
    assert pack_size(0) == SMALLEST
    assert pack_size(1 << 45) == LARGEST
