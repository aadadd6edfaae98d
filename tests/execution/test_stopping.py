"""The wish to stop a run."""

from __future__ import annotations

from bench.execution.stopping import Wish


def test_a_wish_is_heeded_once_and_only_while_cells_are_at_work() -> None:
    wish, acts = Wish(), list[str]()
    assert not wish.ask(2)
    assert not wish.asked
    with wish.heeded(lambda: acts.append("save")):
        assert wish.ask(15)
        assert not wish.ask(2)  # the second signal: at once
    assert (acts, wish.signal, wish.asked) == (["save"], 15, True)
