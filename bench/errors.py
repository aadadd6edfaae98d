"""The one error that a user sees: one line that names the file, the place in it, and the remedy."""

from __future__ import annotations

from pathlib import Path


class BenchError(Exception):
    """Bad input or a broken environment, in one line. The command line prints it and exits with 2.

    ``str(error)`` reads ``FILE:LINE: KEY: message; remedy`` with the absent parts left out.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str | Path | None = None,
        line: int | None = None,
        key: str | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(message, file, line, key, remedy)
        self.message, self.line, self.key, self.remedy = message, line, key, remedy
        self.file = None if file is None else str(file)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle across the pipe of a worker process."""
        message, file, line, key, remedy = self.args
        return _rebuild, (type(self), message, file, line, key, remedy)

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line) if part is not None)
        parts = [part for part in (place, self.key, self.message) if part]
        text = ": ".join(parts) + (f"; {self.remedy}" if self.remedy else "")
        return " ".join(text.split())


def _rebuild(kind: type[BenchError], message: str, file: str, line: int, key: str, remedy: str) -> BenchError:
    return kind(message, file=file, line=line, key=key, remedy=remedy)


class InputChanged(BenchError):
    """A cell's pairs or code are not what was planned or built: the cell stays open, and running again mends it."""


class BenchErrors(BenchError):
    """Several faults of one input, reported together: ``errors`` holds one ``BenchError`` for each."""

    def __init__(self, errors: list[BenchError]) -> None:
        super().__init__(f"{len(errors)} errors")
        self.errors = tuple(errors)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (list(self.errors),)

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)
