"""``bench replay``: scores computed once more and held against the recorded ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bench import words
from bench.cli.console import DONE, SOME_FAILED, leave, result, say
from bench.cli.options import inputs, machine

if TYPE_CHECKING:
    from bench.execution.replay import Replay
    from bench.execution.resolve import Request

SHOWN = 12  # lines of one cell's differences


@click.command()
@click.argument("cells", nargs=-1, metavar="[CELL ...]")
@click.option("--all", "everything", is_flag=True, help="Every cell of the last run.")
@inputs
@machine
def replay(request: Request, cells: tuple[str, ...], everything: bool) -> None:
    """Score finished cells again, and compare with their records.

    CELL is a part of its id that no other has, or MODEL:CONDITION. Weights and pairs are those that its record names;
    pairs that are not there are built. Nothing is written into the results folder. Exit 1 on a changed byte, another
    score, or a cell that cannot be scored.
    """
    if everything == bool(cells):
        raise click.UsageError("give a CELL (several may follow), or --all")
    from bench.execution import replay as replays

    every = result(replays.run(request, cells))
    for one in every:
        for line in lines(one):
            say(line)
    unequal = sum(not one.is_equal for one in every)
    say(f"{words.count(len(every), 'cell')} replayed: {f'{unequal} not equal' if unequal else 'equal'}")
    leave(SOME_FAILED if unequal else DONE)


def lines(one: Replay) -> list[str]:
    """Return what is printed of a cell: its verdict, then file, slice, score and both values of what differs."""
    if one.faults:
        head = "differs" + (f"; not scored again: {one.obstacle}" if one.obstacle else "")
    else:
        head = f"cannot be replayed: {one.obstacle}" if one.obstacle else f"equal: {one.words}"
    more = [f"{len(one.faults) - SHOWN} more"] if len(one.faults) > SHOWN else []
    return [f"{one.cell.id} {head}", *(f"  {text}" for text in (*one.faults[:SHOWN], *more, *one.remarks))]
