"""Profiles and cells as plain words: ``bench report smoke``, ``bench run unet:sparseview_60``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

Command = Callable[..., Any]


def _profiles(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the profiles that begin so, for a shell; of a file that cannot be read, none."""
    from bench.config.load import load
    from bench.errors import BenchError

    try:
        profiles = load().experiments.profiles
    except (BenchError, OSError):
        return []
    return [
        CompletionItem(name, help=one.description)
        for name, one in profiles.items()
        if name.startswith(incomplete)
    ]


def profile_word(command: Command) -> Command:
    """Give a command with the option ``--profile`` the same as a plain word."""

    @click.argument("word", required=False, metavar="[PROFILE]", shell_complete=_profiles)
    @functools.wraps(command)
    def with_word(*args: Any, profile: str, word: str | None, **options: Any) -> None:
        command(*args, profile=_chosen(profile, [word] if word else []), **options)

    return with_word


def cell_words(command: Command) -> Command:
    """Give a command with ``--profile`` the option ``cells``, which are words too; it is empty for all cells."""

    @click.option("--all", "everything", is_flag=True, help="Every cell of the profile.")
    @click.option(
        "--only", multiple=True, metavar="MODEL:CONDITION", help="These cells only; may be repeated."
    )
    @click.argument("words", nargs=-1, metavar="[PROFILE] [MODEL:CONDITION ...]", shell_complete=_profiles)
    @functools.wraps(command)
    def with_words(
        *args: Any,
        profile: str,
        everything: bool,
        only: tuple[str, ...],
        words: tuple[str, ...],
        **options: Any,
    ) -> None:
        named = [word for word in words if ":" not in word]
        cells = (*only, *(word for word in words if ":" in word))
        if everything and cells:
            raise click.UsageError("--all and single cells were given: one of the two")
        if not (everything or cells or named):
            raise click.UsageError("say what: --all, or MODEL:CONDITION (several may follow), or a profile")
        command(*args, profile=_chosen(profile, named), cells=cells, **options)

    return with_words


def _chosen(profile: str, words: list[str]) -> str:
    """Return the one profile that was named, as an option or as a word."""
    given = click.get_current_context().get_parameter_source("profile") is not ParameterSource.DEFAULT
    names = dict.fromkeys([*([profile] if given else []), *words])
    if len(names) > 1:
        raise click.UsageError(f"one profile at a time, not {' and '.join(names)}")
    return next(iter(names), profile)
