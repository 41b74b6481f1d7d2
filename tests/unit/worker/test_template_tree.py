"""Which templates live: what is asked for, in which order things are started, and what is let go."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule

from maelstrom_worker.template_tree import Close, Effect, Lease, Path, Reject, Serve, Start, TemplateTree

BASE: Path = (b"base",)
FILE: Path = (b"base", b"file")


def lease(number: int) -> Lease:
    return Lease(number)


def ready_tree() -> TemplateTree:
    tree = TemplateTree(limit=1)
    tree.want(FILE, lease(1))
    tree.ready(BASE)
    tree.ready(FILE)
    return tree


def test_the_way_to_a_stage_is_started_from_its_beginning() -> None:
    tree = TemplateTree()
    assert tree.want(FILE, lease(1)) == [Start(BASE)]
    assert tree.ready(BASE) == [Start(FILE)]
    assert tree.ready(FILE) == [Serve(FILE, lease(1))]


def test_nothing_is_started_twice() -> None:
    tree = TemplateTree()
    tree.want(FILE, lease(1))
    assert tree.want(FILE, lease(2)) == []
    assert tree.ready(BASE) == [Start(FILE)]
    assert tree.ready(FILE) == [Serve(FILE, lease(1)), Serve(FILE, lease(2))]
    assert tree.want(FILE, lease(3)) == [Serve(FILE, lease(3))]


def test_who_is_refused_once_is_refused_for_ever() -> None:
    tree = TemplateTree()
    tree.want(FILE, lease(1))
    tree.ready(BASE)
    assert tree.refused(FILE, "threads") == [Reject(lease(1), "threads"), Close(FILE)]
    assert tree.want(FILE, lease(2)) == [Reject(lease(2), "threads")]
    assert tree.want(BASE, lease(3)) == [Serve(BASE, lease(3))]


def test_stages_of_a_refused_template_are_refused_with_it() -> None:
    tree = TemplateTree()
    tree.want(FILE, lease(1))
    assert tree.refused(BASE, "threads") == [Close(BASE), Reject(lease(1), "threads"), Close(FILE)]
    assert tree.want((b"base", b"other"), lease(2)) == [Reject(lease(2), "threads")]


def test_a_template_that_dies_while_it_loads_gets_one_more_try() -> None:
    tree = TemplateTree()
    tree.want(BASE, lease(1))
    assert tree.died(BASE, "killed") == [Start(BASE)]
    assert tree.died(BASE, "killed") == [Reject(lease(1), "killed"), Close(BASE)]


def test_a_template_that_dies_is_started_again_when_it_is_wanted() -> None:
    tree = ready_tree()
    assert tree.died(BASE, "killed") == [Close(BASE), Close(FILE)]
    assert tree.want(FILE, lease(2)) == [Start(BASE)]


def test_what_nobody_uses_goes_and_the_last_used_stays() -> None:
    tree = ready_tree()
    other: Path = (b"base", b"other")
    assert tree.want(other, lease(2)) == [Start(other)]
    tree.ready(other)
    assert tree.release(lease(1)) == []
    assert tree.release(lease(2)) == [Close(FILE)]
    assert tree.shrink(0) == [Close(other), Close(BASE)]


def test_what_somebody_uses_stays_even_when_memory_is_short() -> None:
    tree = ready_tree()
    assert tree.shrink(0) == []


class Trees(RuleBasedStateMachine):
    """Random wishes, deaths and refusals: each wish is answered at most once, and never by what does not live."""

    leases = Bundle("leases")

    def __init__(self) -> None:
        super().__init__()
        self.tree = TemplateTree(limit=1)
        self.living: dict[Path, bool] = {}
        self.wishes: set[Lease] = set()
        self.last = 0

    def carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Start(path=path):
                    assert len(path) == 1 or self.living[path[:-1]]
                    self.living[path] = False
                case Serve(path=path, lease=lease):
                    assert self.living[path]
                    self.wishes.remove(lease)
                case Reject(lease=lease):
                    self.wishes.remove(lease)
                case Close(path=path):
                    self.living.pop(path, None)

    @rule(target=leases, path=st.lists(st.sampled_from([b"x", b"y"]), min_size=1, max_size=3))
    def want(self, path: list[bytes]) -> Lease:
        self.last += 1
        self.wishes.add(Lease(self.last))
        self.carry_out(self.tree.want(tuple(path), Lease(self.last)))
        return Lease(self.last)

    @rule(lease=leases)
    def release(self, lease: Lease) -> None:
        self.wishes.discard(lease)
        self.carry_out(self.tree.release(lease))

    @precondition(lambda self: not all(self.living.values()))
    @rule(data=st.data(), how=st.sampled_from(["ready", "refused", "died"]))
    def loaded(self, data: st.DataObject, how: str) -> None:
        path = data.draw(st.sampled_from(sorted(path for path, ready in self.living.items() if not ready)))
        if how == "ready":
            self.living[path] = True
            self.carry_out(self.tree.ready(path))
        elif how == "refused":
            self.carry_out(self.tree.refused(path, "no"))
        else:
            self.carry_out(self.tree.died(path, "gone"))

    @precondition(lambda self: any(self.living.values()))
    @rule(data=st.data())
    def died(self, data: st.DataObject) -> None:
        path = data.draw(st.sampled_from(sorted(path for path, ready in self.living.items() if ready)))
        self.carry_out(self.tree.died(path, "gone"))

    @rule()
    def memory_is_short(self) -> None:
        self.carry_out(self.tree.shrink(0))

    @invariant()
    def valid(self) -> None:
        self.tree.validate()


TestTrees = Trees.TestCase
