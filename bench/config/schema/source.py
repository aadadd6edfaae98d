"""What the entries of all kinds of sources in ``datasets.yaml`` have in common."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from bench.config.schema.base import Frozen

FILL_IN = "FILL IN"  # what ``bench init`` writes where only a person knows the text


def _filled_in(value: str) -> str:
    if FILL_IN in value:
        raise ValueError(f"is still to be filled in; write in place of {FILL_IN} what the report is to print")
    return value


Printed = Annotated[str, AfterValidator(_filled_in)]


class Source(Frozen):
    """What all sources have in common; ``restricted`` keeps every image of the source out of reports."""

    title: Printed = ""
    licence: Printed = ""
    citation: Printed = ""
    restricted: bool = False
    collection: str = ""  # "qin-lung-ct" where the published table may be compared
    obtain: str = ""  # how to get the slices, shown when they are not there

    reader: ClassVar[str]  # the class in ``bench.data.sources`` that reads it, after its module and a colon
    simulated: ClassVar[bool] = True  # degraded slices are simulated from these; False: they lie beside them


def _one_group(value: str) -> str:
    try:
        groups = re.compile(value).groups
    except re.error as error:
        raise ValueError(f"is no regular expression ({error})") from None
    if groups != 1:
        raise ValueError(f"has {groups} groups, not one around the patient")
    return value


PatientRule = Annotated[str, AfterValidator(_one_group)]  # one group, the patient in a file's path
Accepted = tuple[
    Literal["no_air", "beyond_range", "padding"], ...
]  # what bench.data.files.plausible refuses else


class FileSource(Source):
    """A source in files below one folder.

    ``pixel_mm`` is needed where the files do not say it. ``accept`` says that values are right although no CT has
    such: they are used as they are.
    """

    path: str
    pixel_mm: Annotated[float, Field(gt=0)] | None = None
    patients: str | None = None  # a patients.csv (columns file,patient); else one subfolder per patient
    patient_from: PatientRule | None = None
    accept: Accepted = ()
