"""The cache's book-keeping: behaviours CA1 to CA14 without files, and invariants under random histories."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from maelstrom_core.cache_index import CacheIndex, Get, Key, Success, Wait

A, B, C, D = (Key("blob", digit * 64) for digit in "abcd")


def index(target=10):
    return CacheIndex(target)


def held(cache, key, size=1):
    """Get and release: the entry is idle afterwards, if it is still there."""
    assert cache.get(key, "job", "getter") == Get()
    cache.got(key, size)


def test_ca1_second_getter_waits_and_all_waiting_jobs_hold_a_reference():
    cache = index()
    assert cache.get(A, 1, "getter") == Get()
    assert cache.get(A, 2, "getter") == Wait()
    assert cache.got(A, 5).waiting == (1, 2)
    cache.release(A)
    assert cache.in_use(A)
    cache.release(A)
    assert not cache.in_use(A)


def test_ca1_two_getters_do_not_get_the_same_thing_twice():
    cache = index()
    assert cache.get(A, 1, "first") == Get()
    assert cache.get(A, 2, "second") == Wait()


def test_ca4_released_entry_under_the_target_stays():
    cache = index()
    held(cache, A, 10)
    assert cache.release(A) == ()
    assert cache.get(A, 2, "getter") == Success(10)


def test_ca5_entry_larger_than_the_target_goes_on_release_not_before():
    cache = index()
    cache.get(A, 1, "getter")
    assert cache.got(A, 11).evicted == ()
    assert cache.bytes_used == 11
    assert cache.release(A) == (A,)
    assert cache.bytes_used == 0


def test_ca6_kinds_are_independent():
    cache = index()
    held(cache, A)
    assert cache.get(Key("layer", A.digest), 2, "getter") == Get()


def test_ca7_least_recently_released_goes_first():
    cache = index(3)
    for key in (A, B, C):
        held(cache, key)
    for key in (B, A, C):
        cache.release(key)
    assert cache.get(B, 2, "getter") == Success(1)
    cache.release(B)
    cache.get(D, 2, "getter")
    assert cache.got(D, 1).evicted == (A,)


def test_ca8_failure_is_not_remembered():
    cache = index()
    cache.get(A, 1, "getter")
    cache.get(A, 2, "getter")
    assert cache.failed(A) == (1, 2)
    assert cache.get(A, 3, "getter") == Get()


def test_ca9_only_an_entry_in_use_can_be_incremented():
    cache = index()
    assert cache.try_increment(A) is None
    cache.get(A, 1, "getter")
    assert cache.try_increment(A) is None
    cache.got(A, 7)
    assert cache.try_increment(A) == 7
    cache.release(A)
    assert cache.in_use(A)
    cache.release(A)
    assert cache.try_increment(A) is None


def test_ca10_failure_in_any_other_state_has_no_effect():
    cache = index()
    assert cache.failed(A) == ()
    held(cache, A)
    assert cache.failed(A) == ()
    cache.release(A)
    assert cache.failed(A) == ()
    assert cache.get(A, 2, "getter") == Success(1)


def test_ca11_unknown_key_is_not_accepted():
    cache = index()
    assert not cache.got(A, 1).accepted
    assert cache.bytes_used == 0


def test_ca12_second_copy_is_not_accepted():
    cache = index()
    held(cache, A, 2)
    assert not cache.got(A, 3).accepted
    cache.release(A)
    assert not cache.got(A, 3).accepted
    assert cache.bytes_used == 2


def test_ca13_disconnect_forgets_only_the_getters_own_jobs_and_names_a_successor():
    cache = index()
    cache.get(A, 1, "first")
    cache.get(A, 2, "second")
    cache.get(B, 3, "first")
    assert cache.disconnect("first") == {A: "second"}
    assert cache.got(A, 1).waiting == (2,)
    assert not cache.got(B, 1).accepted


def test_ca13_disconnect_of_one_that_waits_leaves_the_getter_alone():
    cache = index()
    cache.get(A, 1, "first")
    cache.get(A, 2, "second")
    assert cache.disconnect("second") == {}
    assert cache.got(A, 1).waiting == (1,)


def test_ca14_disconnect_does_not_touch_references():
    cache = index()
    held(cache, A)
    assert cache.disconnect("getter") == {}
    assert cache.in_use(A)


def test_releasing_what_is_not_in_use_is_an_error():
    cache = index()
    with pytest.raises(ValueError, match="not in use"):
        cache.release(A)
    held(cache, A)
    cache.release(A)
    with pytest.raises(ValueError, match="not in use"):
        cache.release(A)


class Histories(RuleBasedStateMachine):
    """Whatever happens in whatever order, the state does not contradict itself."""

    keys = Bundle("keys")

    def __init__(self):
        super().__init__()
        self.cache = CacheIndex(20)
        self.references = {}

    @rule(target=keys, digit=st.sampled_from("0123"))
    def key(self, digit):
        return Key("blob", digit * 64)

    @rule(key=keys, getter=st.integers(0, 2))
    def get(self, key, getter):
        if isinstance(self.cache.get(key, getter, getter), Success):
            self.references[key] = self.references.get(key, 0) + 1

    @rule(key=keys, size=st.integers(0, 30))
    def got(self, key, size):
        got = self.cache.got(key, size)
        if got.accepted:
            assert got.waiting
            self.references[key] = len(got.waiting)

    @rule(key=keys)
    def release(self, key):
        if self.references.get(key):
            self.cache.release(key)
            self.references[key] -= 1

    @rule(key=keys)
    def failed(self, key):
        self.cache.failed(key)

    @rule(getter=st.integers(0, 2))
    def disconnect(self, getter):
        self.cache.disconnect(getter)

    @rule(key=keys, size=st.integers(0, 30))
    def restore(self, key, size):
        self.cache.restore(key, size)
        assert all(not self.references.get(each) for each in self.cache.evict())

    @rule(key=keys)
    def forget(self, key):
        self.cache.forget(key)

    @invariant()
    def consistent(self):
        self.cache.validate()
        assert all(self.cache.in_use(key) for key, count in self.references.items() if count)


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=40, stateful_step_count=40)
