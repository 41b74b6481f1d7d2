"""Suggestions for misspelt names; used wherever a name is looked up in a closed set.

Imports nothing of the project. difflib is imported only once something is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the name of `known` that `word` most likely stands for, None if there is none.

    Case, dashes and underscores do not count, so that a key in another program's spelling is recognised.
    """
    from difflib import get_close_matches

    names = {_normal(name): name for name in known}
    found = get_close_matches(_normal(word), names, n=1, cutoff=0.6)
    return names[found[0]] if found else None


def hint(word: str, known: Iterable[str]) -> str | None:
    """Return the hint for a misspelt `word`: the nearest name, or the whole (short) list of names."""
    names = list(known)
    best = nearest(word, names)
    if best is not None:
        return f"did you mean `{best}`?"
    return f"known are: {', '.join(names)}" if names else None


def _normal(name: str) -> str:
    return name.lower().replace("-", "_")
