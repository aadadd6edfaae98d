"""JUnit XML and the Markdown table of ``bench verify``, read by other programs' rules."""

from __future__ import annotations

from xml.etree import ElementTree

from bench.records.golden import Checked, Difference, junit, summary

SCORE = Difference("training", "unet:noisy:s1", "psnr.slice_max", "30 +- 0.1", "29", -10.0)
FACT = Difference("data", "unet:noisy:s1", "split", '"a<b>&c"', '"\x00d"')
CELLS = [
    Checked("input:noisy:s0", (), {"psnr.slice_max": 0.25, "rmse.hu": -0.5}, seconds=0.5),
    Checked("unet:noisy:s1", (FACT, SCORE), {"psnr.slice_max": -10.0}, seconds=2.0),
    Checked("unet:sparse:s1", held=False),
]


def test_junit_has_a_case_for_each_cell_that_failed_passed_or_was_skipped() -> None:
    root = ElementTree.fromstring(junit("tiny", CELLS).encode())
    (suite,) = root
    assert (root.tag, suite.tag) == ("testsuites", "testsuite")
    counts = {"tests": "3", "failures": "1", "skipped": "1", "errors": "0"}
    assert root.attrib == counts
    assert suite.attrib == {"name": "bench verify tiny", "time": "2.500", **counts}
    assert [
        (case.get("classname"), case.get("name"), case.get("time")) for case in suite.findall("testcase")
    ] == [
        ("bench.tiny", "input:noisy:s0", "0.500"),
        ("bench.tiny", "unet:noisy:s1", "2.000"),
        ("bench.tiny", "unet:sparse:s1", "0.000"),
    ]
    assert [[child.tag for child in case] for case in suite] == [["system-out"], ["failure"], ["skipped"]]
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert failure.get("type") == "data"  # the first cause
    assert (failure.get("message") or "").startswith("2 not reproduced; likely data: ")
    assert failure.text == (
        'unet:noisy:s1: split: golden "a<b>&c", found "?d"\n'
        "unet:noisy:s1: psnr.slice_max: golden 30 +- 0.1, found 29 (-10 bands)"
    )
    assert suite.findtext("testcase/system-out") == "farthest: rmse.hu -0.5 bands"


def test_summary_has_a_row_for_each_cell_and_names_what_is_red() -> None:
    lines = summary("tiny", CELLS, "2 values are not reproduced; likely data").splitlines()
    assert lines[:3] == ["### bench verify: tiny", "", "2 values are not reproduced; likely data"]
    rows = [[part.strip() for part in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    assert rows[0][:2] == ["cell", "reproduced"]
    assert rows[2:] == [
        ["input:noisy:s0", "yes", "", "rmse.hu -0.5"],
        ["unet:noisy:s1", "**no**: data", "2", "psnr.slice_max -10"],
        ["unet:sparse:s1", "not in the golden file", "", ""],
    ]
    assert lines[-1] == "- training: unet:noisy:s1: psnr.slice_max: golden 30 +- 0.1, found 29 (-10 bands)"


def test_a_summary_of_many_differences_ends() -> None:
    many = [Checked(f"unet:c{at}:s1", (Difference("run", f"unet:c{at}:s1", "status", "finished", "failed"),))
            for at in range(60)]  # fmt: skip
    assert summary("tiny", many, "red").splitlines()[-1] == "- and 10 more"
