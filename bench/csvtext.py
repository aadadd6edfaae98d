"""Tables as CSV text that reads back to the very same values, and files of it read line by line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError


@dataclass(frozen=True)
class Line:
    """One line of a CSV file below its header: the texts as they stand there, and the number of the line."""

    file: Path
    number: int
    columns: tuple[str, ...]
    fields: tuple[str, ...]

    @property
    def values(self) -> dict[str, str]:
        """The texts by column; ``BenchError`` where there are more or fewer of them than columns."""
        if len(self.fields) != len(self.columns):
            message = f"has {len(self.fields)} fields, the first line {len(self.columns)}"
            raise self.fault(message, "put a name with a comma in quotes")
        return dict(zip(self.columns, self.fields, strict=True))

    def fault(self, message: str, remedy: str | None = None) -> BenchError:
        """Return the error of this line."""
        return BenchError(message, file=self.file, line=self.number, remedy=remedy)


@dataclass(frozen=True)
class Table:
    """A CSV file: the names of its columns, without blanks around them, and its lines that are not empty."""

    file: Path
    columns: tuple[str, ...]
    lines: tuple[Line, ...]

    def require(self, columns: Sequence[str], remedy: str | None = None) -> None:
        """Raise a ``BenchError`` at the first of ``columns`` that the file has not."""
        for name in columns:
            if name not in self.columns:
                raise BenchError(f"has no column {name}", file=self.file, line=1, remedy=remedy)


def read(file: Path, remedy: str | None = None) -> Table:
    """Return the table in a UTF-8 file, with or without a byte order mark; ``remedy`` is for one that cannot be read.

    Raises:
        BenchError: it cannot be read, or is not UTF-8 or no CSV.
    """
    try:
        with open(file, encoding="utf-8-sig", newline="") as opened:
            reader = csv.reader(opened, strict=True)
            columns = tuple(name.strip() for name in next(reader, []))
            lines = [
                Line(file, reader.line_num, columns, tuple(fields))
                for fields in reader
                if any(field.strip() for field in fields)
            ]
    except UnicodeDecodeError:
        raise BenchError("is not UTF-8", file=file, remedy="save it as CSV in UTF-8") from None
    except (OSError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise BenchError(f"cannot be read ({reason})", file=file, remedy=remedy) from None
    return Table(file, columns, tuple(lines))


def to_csv(rows: Iterable[Iterable[object]]) -> str:
    """Return ``rows`` as CSV with a line feed after each, also after the last.

    A value that holds a comma, a quote, a line feed or a carriage return stands in quotes. Written with the
    line end that is wanted, Python 3.11 leaves a carriage return bare, and a reader takes it for a line end.
    """
    buffer, lines = io.StringIO(newline=""), []
    writer = csv.writer(buffer, lineterminator="\r\n")
    for row in rows:
        writer.writerow(row)
        lines.append(buffer.getvalue().removesuffix("\r\n") + "\n")
        buffer.seek(0)
        buffer.truncate()
    return "".join(lines)
