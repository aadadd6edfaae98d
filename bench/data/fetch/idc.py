"""Series from the NCI Imaging Data Commons (Fedorov et al. 2023, doi 10.1148/rg.230180) through ``idc-index``.

The package carries the index of the archive and the program ``s5cmd``, needs no account, and reports a failed
download in its log only.
"""

from __future__ import annotations

import importlib
import logging
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.data.files.pins import Pin
from bench.errors import BenchError

EXTRA = "pip install 'ldct-denoising-benchmark[fetch]'"
CONNECT_S = 10.0
_PROXIES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
_NO_NETWORK = "no network: the archive cannot be reached from this machine"
_BY_HAND = "run the same command where there is network and copy the folder, or set HTTPS_PROXY"


class Archive:
    """The archive as seen by one ``idc_index.IDCClient``."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def download(self, pin: Pin, folder: Path) -> None:
        """Put the files of a series into ``folder``.

        Raises:
            BenchError: the archive cannot be reached, or its program fails.
        """
        with _log() as lines:
            try:
                self._client.download_from_selection(
                    downloadDir=str(folder),
                    seriesInstanceUID=pin.series,
                    quiet=True,
                    show_progress_bar=False,
                    dirTemplate=None,
                    source_bucket_location="aws",
                )
            except Exception as error:  # of the program, of its database, of the disk
                raise _failed(pin, str(error)) from None
        if lines:
            raise _failed(pin, lines[0])


def open_client(pins: Sequence[Pin]) -> Archive:
    """Return the archive, its index cut down to the series of ``pins``: each download searches all of it.

    Raises:
        BenchError: ``idc-index`` is not installed, there is no network, or the archive has a series no more.
    """
    with _log():
        try:
            module: Any = importlib.import_module("idc_index.index")
        except ImportError:
            raise BenchError("idc-index is not installed", remedy=EXTRA) from None
        _check_network(str(urlsplit(module.aws_endpoint_url).hostname))
        try:
            client = module.IDCClient()
        except Exception as error:  # the index or s5cmd is damaged
            raise BenchError(f"idc-index cannot be used ({error})", remedy=f"{EXTRA} once more") from None
    uids = [pin.series for pin in pins]
    client.index = client.index[client.index["SeriesInstanceUID"].isin(uids)]
    absent = sorted(set(uids) - set(client.index["SeriesInstanceUID"]))
    if absent:
        message = f"{len(absent)} series are not in the archive's index {client.get_idc_version()}, first {absent[0]}"
        raise BenchError(message, remedy="install another version of idc-index")
    return Archive(client)


def _check_network(host: str) -> None:
    """Raise a ``BenchError`` where ``host`` cannot be reached; s5cmd would try for more than a minute."""
    if any(os.environ.get(name) for name in _PROXIES):
        return
    try:
        socket.create_connection((host, 443), timeout=CONNECT_S).close()
    except OSError as error:
        raise BenchError(f"{_NO_NETWORK} ({host}: {error.strerror or error})", remedy=_BY_HAND) from None


def _failed(pin: Pin, reason: str) -> BenchError:
    words = " ".join(reason.split())
    first = words.partition(" ERROR ")[2].partition(" ERROR ")[0] or words
    message = f"series {pin.series} of patient {pin.patient} cannot be downloaded ({first})"
    return BenchError(message, remedy="see to the network and run the same command again, it continues")


@contextmanager
def _log() -> Iterator[list[str]]:
    """Yield the errors that ``idc_index`` logs in the block; nothing of its log reaches the terminal.

    It would open a log of all programs on import; a root logger with a handler keeps it from that.
    """
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    root, logger, keep = logging.getLogger(), logging.getLogger("idc_index"), Keep(logging.ERROR)
    silent, propagates = logging.NullHandler(), logger.propagate
    root.addHandler(silent)
    logger.addHandler(keep)
    logger.propagate = False
    try:
        yield lines
    finally:
        logger.propagate = propagates
        logger.removeHandler(keep)
        root.removeHandler(silent)
