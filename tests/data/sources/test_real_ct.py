"""Real slices beside the checkout, where they are: counts from their own README, DICOM against npz."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.config import schema
from bench.ct.units import hu_to_mu
from bench.data.files.dicom import read_hu
from bench.data.sources.catalogue import Catalogue
from bench.data.sources.open import open_source
from bench.errors import BenchError

REAL = Path(__file__).parents[3] / ".." / "shared" / "real-ct"
pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason="the real slices are not beside this checkout")


def catalogue(kind: str, path: str) -> Catalogue:
    source = schema.FolderSource(kind=kind, path=path)  # type: ignore[arg-type]
    return open_source("real", source, base=REAL, index_cache=None).catalogue()


def test_309_slices_of_14_patients_and_one_scan_is_one_patient() -> None:
    found = catalogue("npz", "slices")
    assert (len(found.refs), len(found.patients), found.refused) == (309, 14, ())
    philips = {ref.file for ref in found.refs if ref.patient == "Lung_Dx-A0001"}
    assert philips == {"lung-dx-a0001-sharp.npz", "lung-dx-a0001-soft.npz"}
    spacing = [ref.pixel_mm for ref in found.refs]
    assert (round(min(spacing), 2), round(max(spacing), 2)) == (0.54, 1.37)


def test_crops_cannot_be_projected() -> None:
    with pytest.raises(
        BenchError, match=r"sts-001\.npz: 202 x 198 pixels.*crops cannot be projected \(and 33 more"
    ):
        catalogue("npz", "crops")


def test_the_coronal_reformat_is_refused_and_seven_slices_stay() -> None:
    found = catalogue("dicom", "dicom")
    assert [file for file, _ in found.refused] == ["ny-sbu-a056642-ge-coronal-reformat.dcm"]
    assert len(found.refs) == 7
    assert {ref.file.split("-ge-")[0] for ref in found.refs} >= {"cmb-crc-msb-01068", "rider-pilot-0117"}


def test_dicom_pixels_equal_the_archives() -> None:
    """Six of the seven slices are in the archives too, found by patient and position.

    The archives set padding to -1024, as the reader does; the Toshiba slice has padding, -2048, in no tag.
    """
    source = schema.FolderSource(kind="npz", path="slices")
    archives = open_source("real", source, base=REAL, index_cache=None)
    compared = set()
    for ref in catalogue("dicom", "dicom").refs:
        hu = read_hu(REAL / "dicom" / ref.file)
        for other in archives.catalogue().refs:
            if other.patient == ref.patient and abs((other.z_mm or 0) - (ref.z_mm or 0)) < 0.06:
                with np.load(REAL / "slices" / other.file, allow_pickle=False) as arrays:
                    np.testing.assert_array_equal(np.where(hu == -2048, -1024, hu), arrays["hu"][other.index])
                np.testing.assert_array_equal(hu_to_mu(hu), archives.object(other, 512)[1])
                assert other.pixel_mm == pytest.approx(ref.pixel_mm, rel=1e-6)
                compared.add(ref.file)
    assert len(compared) == 6
