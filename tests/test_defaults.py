"""Oracle for the files that come with this program: published facts, kept here as a table of their own."""

from __future__ import annotations

from pathlib import Path

from bench import config

ROOT = Path(__file__).resolve().parent.parent


def load() -> config.Config:
    return config.load(ROOT / "datasets.yaml", ROOT / "experiments.yaml")


def test_the_packaged_profiles_networks_and_conditions() -> None:
    found = load()
    assert set(found.experiments.profiles) == {"smoke", "overnight", "paper", "paper-files"}
    experiment = found.experiments.experiments["default"]
    assert (experiment.models, len(experiment.conditions)) == (["unet", "dncnn", "ddnet"], 6)
    labels = [found.experiments.models[name].label for name in experiment.models]
    assert labels == ["UNet", "DnCNN", "DD-Net"]
    for model in found.experiments.models.values():
        assert set(model.recipes) == {"study", "original"}
        for recipe in model.recipes.values():
            assert recipe.source
    paper = found.experiments.profiles["paper"]
    assert (paper.source, paper.split, paper.recipe, paper.size) == ("qin-lung-ct", "clean-354", "study", 512)
    assert (paper.budget, paper.training) == (None, {})
    source = found.datasets.sources["qin-lung-ct"]
    assert "idc-index" in source.obtain
    assert "\n" not in source.obtain.strip()


# Facts about the series of QIN LUNG CT (doi 10.7937/K9/TCIA.2015.NPGZYZBZ) in the NCI Imaging Data Commons:
# patient, slices, manufacturer, scanner. S: Siemens, G: GE, T: Toshiba.
SERIES = """
QIN-LSC-0003 130 S Sensation40|QIN-LSC-0009 150 S Sensation16|QIN-LSC-0014 109 S Sensation40
QIN-LSC-0028 112 S Sensation16|QIN-LSC-0049 110 S Sensation40|QIN-LSC-0055 125 S Sensation40
QIN-LSC-0064 103 S Sensation64|QIN-LSC-0088 104 S Sensation16|QIN-LUNG-01-0007 118 S Sensation64
QIN-LUNG-01-0013 113 S Sensation16|R0004 68 G LightSpeed16|R0013 67 S Sensation16|R0017 70 S Sensation16
R0018 63 S VolumeZoom|R0019 63 S Sensation16|R0022 80 S Sensation16|R0033 67 S VolumeZoom
R0052 92 S Sensation64|R0056 62 S Sensation40|R0064 63 S VolumeZoom|R0065 69 S Sensation40
R0077 81 S Sensation16|R0079 62 S Sensation16|R0080 80 S Sensation64|R0086 73 S Sensation16
R0098 88 S Sensation16|R0100 75 S Sensation16|R0102 75 T Aquilion|R0108 66 S Sensation40
R0117 78 S Sensation64|R0126 71 S Sensation40|R0127 68 S VolumeZoom|R0144 93 G DiscoveryLS
R0146 87 S VolumeZoom|R0150 77 S Sensation16|R0166 75 S Sensation16|R0180 68 S Sensation16
R0182 69 S VolumeZoom|R0191 76 S Sensation64|R0204 92 S Sensation64|R0223 170 G LightSpeedVCT
R0238 67 S VolumeZoom|R0259 58 S Sensation16|R0263 62 S Sensation16|R0267 69 S Sensation16
R0273 62 S Sensation16|R0274 74 S Sensation40
"""
PATIENTS = {
    words[0]: (int(words[1]), words[2], words[3])
    for words in (entry.split() for entry in SERIES.strip().replace("\n", "|").split("|"))
}
COHORTS = ("QIN-LSC", "QIN-LUNG", "R")


def cohort(patient: str) -> str:
    return next(name for name in COHORTS if patient.startswith(name))


def test_clean_354_has_354_and_3600_slices_and_no_patient_twice() -> None:
    split = load().datasets.splits["clean-354"]
    assert isinstance(split.test, tuple)
    assert isinstance(split.validation, tuple)
    assert len(PATIENTS) == 47
    assert sum(count for count, _, _ in PATIENTS.values()) == 3954
    tested = sum(PATIENTS[patient][0] for patient in split.test)
    validated = sum(PATIENTS[patient][0] for patient in split.validation)
    assert (len(set(split.test)), tested) == (5, 354)
    assert not set(split.test) & set(split.validation)
    trained = sum(PATIENTS[p][0] for p in PATIENTS if p not in (*split.test, *split.validation))
    assert trained + validated == 3600
    assert 0.05 <= validated / 3600 <= 0.08
    assert {cohort(patient) for patient in split.validation} == {"QIN-LSC", "QIN-LUNG", "R"}


def test_clean_354_follows_its_stated_rule() -> None:
    split = load().datasets.splits["clean-354"]

    def rank(group: tuple[str, ...]) -> tuple[object, ...]:
        kinds = [{PATIENTS[p][column] for p in group} for column in (1, 2)]
        return (-len({cohort(p) for p in group}), *(-len(kind) for kind in kinds), group)

    assert min(_groups(sorted(PATIENTS), 5, 354), key=rank) == split.test
    tested = split.test if isinstance(split.test, tuple) else ()
    left = [patient for patient in sorted(PATIENTS) if patient not in tested]
    fewest = [
        min((p for p in left if cohort(p) == name), key=lambda p: (PATIENTS[p][0], p)) for name in COHORTS
    ]
    assert split.validation == tuple(fewest)


def _groups(names: list[str], size: int, total: int) -> list[tuple[str, ...]]:
    """Return all groups of ``size`` patients with ``total`` slices."""
    if size == 1:
        return [(name,) for name in names if PATIENTS[name][0] == total]
    found = []
    for place, name in enumerate(names):
        rest = total - PATIENTS[name][0]
        if rest >= 58 * (size - 1):
            found += [(name, *group) for group in _groups(names[place + 1 :], size - 1, rest)]
    return found
