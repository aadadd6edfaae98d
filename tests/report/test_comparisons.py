"""Networks of a row against each other: by hand, against scipy, and by every resample there is."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy import stats

from bench.metrics import PSNR
from bench.report import comparisons, statistics, table, verdicts
from bench.report.board import scoreboard
from bench.report.comparisons import MARGINS, Placed
from bench.report.power import smallest_difference
from bench.report.render import latex, markdown

MARGIN = MARGINS[PSNR]


def test_two_one_sided_tests_agree_with_scipy_and_with_the_90_percent_interval() -> None:
    sample = np.random.default_rng(1).normal(0.02, 0.05, (200, 8))
    found = statistics.equivalence_test(sample, MARGIN)
    above = stats.ttest_1samp(sample, -MARGIN, axis=1, alternative="greater").pvalue
    below = stats.ttest_1samp(sample, MARGIN, axis=1, alternative="less").pvalue
    assert found == pytest.approx(np.maximum(above, below))
    low, high = stats.t.interval(0.9, 7, sample.mean(axis=1), stats.sem(sample, axis=1))
    inside = (low >= -MARGIN) & (high <= MARGIN)
    assert 0 < inside.sum() < 200
    assert (inside == (found <= 0.05)).all()


def test_equal_scores_are_the_same_and_an_unvarying_difference_is_no_sample() -> None:
    found = statistics.equivalence_test(np.array([[0.0] * 4, [0.01] * 4]), MARGIN)
    assert found[0] == 0 and np.isnan(found[1])


def test_holm_counts_the_pairs_of_all_rows_once() -> None:
    raw = np.full((2, 3, 3), np.nan)
    for row, first, second, p in ((0, 0, 1, 0.001), (0, 0, 2, 0.02), (0, 1, 2, 0.5), (1, 0, 1, 0.01)):
        raw[row, first, second] = raw[row, second, first] = p
    found = comparisons.corrected(raw)
    # six pairs, two of them without a test: 0.001 * 6, 0.01 * 5, 0.02 * 4, 0.5 * 3
    assert found[0, 0, 1] == found[0, 1, 0] == pytest.approx(0.006)
    assert found[1, 0, 1] == pytest.approx(0.05)
    assert found[0, 0, 2] == pytest.approx(0.08) and found[0, 1, 2] == 1
    assert np.isnan(found[1, 0, 2]) and np.isnan(np.diagonal(found, axis1=1, axis2=2)).all()


def test_a_claimed_winner_is_apart_from_every_other_network() -> None:
    p = np.full((2, 3, 3), 0.2)
    told = comparisons.apart(p, np.array([1, 1]), np.array([True, False]))
    assert told[0].tolist() == [[False, True, False], [True, False, True], [False, True, False]]
    assert not told[1].any()


def test_a_letter_for_each_group_that_is_not_told_apart() -> None:
    def letters(count: int, *pairs: tuple[int, int]) -> list[str]:
        apart = np.zeros((count, count), bool)
        for first, second in pairs:
            apart[first, second] = apart[second, first] = True
        return comparisons.letters(apart)

    assert letters(3) == ["a", "a", "a"]
    assert letters(3, (0, 2)) == ["a", "ab", "b"]
    assert letters(3, (0, 1), (0, 2)) == ["a", "b", "b"]
    assert letters(4, (0, 2), (0, 3), (1, 3)) == ["a", "ab", "bc", "c"]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_networks_share_a_letter_exactly_where_they_are_not_told_apart(share: float) -> None:
    rng = np.random.default_rng(int(10 * share))
    for count in (2, 5, 12):
        upper = np.triu(rng.random((count, count)) < share, 1)
        apart = upper | upper.T
        found = [set(text) for text in comparisons.letters(apart)]
        for first, second in product(range(count), repeat=2):
            if first != second:
                assert bool(found[first] & found[second]) != apart[first, second]


def test_firsts_are_those_of_every_resample() -> None:
    scores = np.array([[30.0, 31, 32, 33], [30.3, 31.2, 31.9, 32.7], [29.9, 31.5, 31.7, 33.05]])
    means = np.stack([scores[:, list(drawn)].mean(axis=1) for drawn in product(range(4), repeat=4)])
    first = np.isclose(means, means.max(axis=1, keepdims=True), atol=1e-9)
    exact = (first / first.sum(axis=1, keepdims=True)).mean(axis=0)
    found = comparisons.firsts(scores)
    assert min(exact) > 0.1 and found.sum() == pytest.approx(1)
    assert found == pytest.approx(exact, abs=3 * 0.5 / np.sqrt(comparisons.DRAWS))


def test_networks_that_are_first_together_share() -> None:
    scores = np.array([[1.0, 2, 3], [1, 2, 3], [0, 1, 2]])
    assert comparisons.firsts(scores).tolist() == [0.5, 0.5, 0.0]


def test_a_difference_beyond_what_could_be_seen_is_never_open() -> None:
    """The smallest difference is for the first of Holm's steps, so there is no row in which it would puzzle."""
    rng, seen = np.random.default_rng(5), 0
    for scores in rng.normal(rng.uniform(0, 0.6, (100, 3, 1)), 0.1, (100, 3, 6)):
        order = scores.mean(axis=1).argsort()[::-1]
        row = Placed(("a", "b", "c"), scores[order], tested=True, claimed=False)
        for one in comparisons.standings([row], "abc", PSNR)[0].against:
            assert one.smallest == pytest.approx(smallest_difference(6, one.sd or 0, 0.05 / 3))
            assert one.difference is not None and one.smallest is not None
            seen += one.difference > one.smallest
            assert one.outcome == "better" or one.difference <= one.smallest
    assert seen > 30


FOUR = [(f"p{i}", "a") for i in range(4)]
GAPS = {
    "best": [0.0, 0.0, 0.0, 0.0],
    "twin": [0.01, 0.012, 0.008, 0.011],  # within 0.05 dB: t = (0.05 - 0.01025) / 0.00085 = 46
    "near": [0.3, -0.2, 0.25, -0.1],
    "far": [1.0, 1.1, 0.9, 1.05],  # t = 1.0125 / 0.0427 = 24, p = 0.00016; by six pairs 0.001
}


def filled(bench: Any, scores: Any, gaps: dict[str, list[float]]) -> Any:
    bench.conditions, bench.models = {"sv60": "60 views"}, {model: model for model in gaps}
    for model, gap in gaps.items():
        bench.add(model, "sv60", scores([30 + i - gap[i] for i in range(4)], slices=FOUR))
    return bench.save()


def test_the_three_outcomes_in_a_table(bench: Any, scores: Any) -> None:
    run = filled(bench, scores, GAPS)
    plan = run.read_plan()
    board = scoreboard(plan, run.read_all(plan))
    claim = board.claims[PSNR]["sv60"]
    assert claim.ranked == ("best", "twin", "near", "far")
    # the twin is behind by 0.010 +- 0.0017: p = 0.0012, and four pairs are left: told apart, within the margin
    raw = stats.ttest_1samp(GAPS["twin"], 0).pvalue
    assert claim.against[0].p == pytest.approx(raw * 4) and claim.against[0].p < 0.05
    assert [one.outcome for one in claim.against] == ["better", "open", "better"]
    assert [claim.outcome(model) for model in ("best", "near")] == [None, "open"]
    assert not claim.weights.claimed
    ties = next(grid for grid in table.build(plan, run.read_all(plan)).grids if grid.name == "ties")
    assert [entry.detail for entry in ties.rows[0][2:6]] == ["", "within the margin", "", ""]
    assert dict(claim.letters) == {"best": "a", "twin": "b", "near": "ab", "far": "c"}
    assert verdicts.sentence(board) == (
        "best leads in 1 of 1 row by PSNR; in 1 row the lead may be chance, with 4 patients."
    )


def test_marks_of_each_format(bench: Any, scores: Any) -> None:
    gaps = {"best": [0.0] * 4, "twin": [0.01, -0.012, 0.008, 0.004], "near": GAPS["near"]}
    run = filled(bench, scores, gaps)
    plan = run.read_plan()
    made = table.build(plan, run.read_all(plan))
    text = markdown.render(made)
    line = next(line for line in text.splitlines() if line.startswith("| 60 views"))
    cells = [cell.strip().split(" / ")[0] for cell in line.split("|")[3:6]]
    assert cells == ["**31.50**", "**31.50**", "31.44?"]  # equal as printed: both bold
    assert "Behind a number: ? cannot be told from the best." in text
    ties = next(grid for grid in made.grids if grid.name == "ties")
    parts = [entry.parts for entry in ties.rows[0][2:5]]
    assert [(part[0].text, part[0].best, part[0].tied) for part in parts] == [
        ("best", True, ""), ("+0.00", True, ""), ("-0.06", False, "open"),
    ]  # fmt: skip
    assert [part[1].text for part in parts] == ["a", "a", "a"]
    assert "31.44?" in latex.render(made)


def test_a_claim_and_the_same_are_marked(bench: Any, scores: Any) -> None:
    bench.conditions, bench.models = (
        {"sv60": "60 views", "ldct": "Low dose"},
        {"best": "best", "other": "other"},
    )
    for condition, behind in (("sv60", GAPS["far"]), ("ldct", [0.016, -0.008, 0.022, 0.008])):
        bench.add("best", condition, scores([30 + i for i in range(4)], slices=FOUR))
        bench.add("other", condition, scores([30 + i - behind[i] for i in range(4)], slices=FOUR))
    run = bench.save()
    plan = run.read_plan()
    results = run.read_all(plan)
    made, board = table.build(plan, results), scoreboard(plan, results)
    assert [board.claims[PSNR][c].outcome("other") for c in ("sv60", "ldct")] == ["better", "same"]
    text = markdown.render(made)
    assert "| **31.50**\\*" in text and "31.49= / " in text
    assert r"\textbf{31.50}\textsuperscript{*}" in latex.render(made)
    assert verdicts.sentence(board) == (
        "best leads in 2 of 2 rows by PSNR and is significantly better than every other network in 1; "
        "in 1 row the first are the same within 0.05 dB."
    )


def test_too_few_patients_are_open_and_say_so(bench: Any, scores: Any) -> None:
    bench.conditions, bench.models = {"sv60": "60 views"}, {"best": "best", "far": "far"}
    for model in bench.models:
        values = [30 + i - GAPS[model][i] for i in range(3)]
        bench.add(model, "sv60", scores(values, slices=FOUR[:3]))
    run = bench.save()
    plan = run.read_plan()
    board = scoreboard(plan, run.read_all(plan))
    claim = board.claims[PSNR]["sv60"]
    assert [(one.outcome, one.p, one.smallest) for one in claim.against] == [("open", None, None)]
    assert not claim.letters and not claim.first
    ties = next(grid for grid in table.build(plan, run.read_all(plan)).grids if grid.name == "ties")
    assert ties.rows[0][-1].parts[0].text == "3 patients, fewer than four"
    assert verdicts.sentence(board).endswith("in 1 row the lead may be chance, with 3 patients.")


def test_the_sentence_counts_every_row_and_says_what_hinders(bench: Any, scores: Any) -> None:
    bench.conditions, bench.models = {name: name for name in "abcd"}, {"x": "X", "y": "Y"}
    for condition, far in (("a", 1.0), ("b", 1.0), ("c", -1.0)):
        bench.add("x", condition, scores([30.0 + i for i in range(4)], slices=FOUR))
        bench.add("y", condition, scores([30.0 + i - far * GAPS["far"][i] for i in range(4)], slices=FOUR))
    bench.add("x", "d", status="failed")
    run = bench.save()
    plan = run.read_plan()
    assert verdicts.sentence(scoreboard(plan, run.read_all(plan))) == (
        "X leads in 2 of 4 rows by PSNR and is significantly better than every other network in 2; "
        "Y leads in 1 and is significantly better than every other network in 1; 1 row has no winner."
    )
    bench.leaky = "cut by hand"
    run = bench.save()
    plan = run.read_plan()
    assert verdicts.sentence(scoreboard(plan, run.read_all(plan))) == (
        "X leads in 2 of 4 rows by PSNR; Y leads in 1; in 3 rows the lead may be chance, with a leaky split; 1 row has "
        "no winner."
    )


def test_nothing_finished_is_one_sentence(bench: Any) -> None:
    bench.add("unet", "sv60", status=None)
    run = bench.save()
    plan = run.read_plan()
    assert verdicts.sentence(scoreboard(plan, run.read_all(plan))) == (
        "No two networks have finished on one condition yet."
    )


def test_seeds_have_a_spread_of_their_own(bench: Any, scores: Any) -> None:
    bench.conditions, bench.seeds, bench.models = {"sv60": "60 views"}, [1, 2, 3], {"best": "best"}
    for seed, shift in ((1, 0.0), (2, 0.3), (3, 0.6)):
        bench.add("best", "sv60", scores([30 + i + shift for i in range(4)], slices=FOUR), seed=seed)
    run = bench.save()
    plan = run.read_plan()
    spread = next(g for g in table.build(plan, run.read_all(plan)).grids if g.name == "spread")
    assert [part.text for part in spread.rows[1][-1].parts] == ["0.30", ".0000"]
    assert spread.rows[1][-1].detail == "3 seeds"
    assert "± 1.29" in spread.rows[1][2].parts[0].text  # of 0, 1, 2, 3
