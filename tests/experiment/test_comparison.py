"""Comparisons from made-up records: what is counted, what is said, and what stands in the files and on the terminal."""

import csv
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ffnn.comparison.by_settings import compare_settings
from ffnn.experiment.comparison import Comparison, compare
from ffnn.experiment.file import Compare, Experiment, Variation
from ffnn.experiment.findings import caveats, certainty_in_words, finding_in_brief, finding_in_words, notes
from ffnn.experiment.present import leave_files, present_comparison, present_summary
from ffnn.experiment.tables import write_comparison, write_runs
from ffnn.lab.config import make_config
from ffnn.report.make import make_report
from ffnn.tracking import RunRecord

CLASSES = [str(digit) for digit in range(10)]


def made(seed: int, test: float | None, val: float | None = None, epochs: int = 4, **summary: Any) -> RunRecord:
    """A run whose accuracies are as given; with none it diverged in its first epoch."""
    val = test if val is None else val
    history = [] if val is None else [{"epoch": e, "train/loss": 1 / e, "val/accuracy": val} for e in range(1, 5)]
    known = {} if test is None else {"test/accuracy": test, "best/val/accuracy": val}
    status = {"diverged": test is None, "status": "diverged" if test is None else "finished"}
    counts = {"train": 1000, "val": 1000, "test": 10000}
    return RunRecord(
        Path(f"runs/g/run-{test}-s{seed}"),
        {"seed": seed, "epochs": epochs, "learning_rate": 0.001},
        history[:epochs],
        {**status, **known, **summary},
        {"data": {"classes": CLASSES, "counts": counts}},
    )


def runs(*accuracies: float | None) -> list[RunRecord]:
    return [made(seed, accuracy) for seed, accuracy in enumerate(accuracies)]


def experiment(names: Sequence[str], claims: Sequence[str] = (), against: str = "best") -> Experiment:
    compare_by = Compare(against=against, margin=0.003, claims=list(claims))
    return Experiment(
        question="Who?", expected="[a] wins.", base={}, conditions={name: {} for name in names}, compare=compare_by
    )


def compared(
    records: Mapping[str, Sequence[RunRecord]], claims: Sequence[str] = (), against: str = "best"
) -> Comparison:
    return compare(experiment(list(records), claims, against), records)


FIVE = {
    "a": runs(0.900, 0.902, 0.899, 0.901, 0.903),
    "b": runs(0.880, 0.881, 0.880, 0.880, 0.884),
    "c": runs(0.900, 0.903, 0.899, 0.900, 0.903),
    "d": runs(0.950, 0.870, 0.900, 0.840, 0.930),
}


def test_each_condition_gets_the_verdict_of_its_pairs() -> None:
    comparison = compared(FIVE, against="a")
    assert {row.name: row.verdict for row in comparison.groups} == {
        "a": "reference",
        "b": "worse",
        "c": "equal",
        "d": "undecided",
    }
    (b,) = (row for row in comparison.groups if row.name == "b")
    assert b.pairs is not None
    assert b.pairs.mean.mean == pytest.approx(-0.02)
    assert b.mean.mean == pytest.approx(0.881)
    assert {row.verdict for row in compared(FIVE, against="b").groups if row.name in "ac"} == {"better"}


def test_runs_compared_by_their_settings_are_told_the_same_as_conditions() -> None:
    records = {
        name: [replace(run, config={**run.config, "optimizer": name}) for run in members]
        for name, members in FIVE.items()
    }
    every = [run for members in records.values() for run in members]
    by_settings = compare_settings(every, ["optimizer"], "test/accuracy", against="a").groups
    told = [
        {group.name: f"{group.mean} {group.difference} {group.p} {group.verdict}" for group in groups}
        for groups in (by_settings, compared(records, against="a").groups)
    ]
    assert told[0] == told[1]


def test_p_values_are_corrected_for_the_number_of_conditions() -> None:
    pairs = {row.name: row for row in compared(FIVE, against="a").groups}
    assert pairs["b"].pairs is not None
    assert pairs["b"].p == pytest.approx(3 * pairs["b"].pairs.p)


def test_the_best_is_chosen_on_validation_and_not_on_test() -> None:
    records = {
        "lucky": [made(seed, test=0.95, val=0.80) for seed in range(3)],
        "good": [made(seed, test=0.90, val=0.85) for seed in range(3)],
    }
    assert compared(records).reference == "good"


def test_a_smaller_loss_is_better() -> None:
    records = {
        name: [made(s, 0.9, **{"test/loss": loss + 0.001 * s * (name == "b")}) for s in range(5)]
        for name, loss in {"a": 0.3, "b": 0.2}.items()
    }
    of_loss = experiment(["a", "b"], against="a").model_copy(update={"metric": "test/loss"})
    assert compare(of_loss, records).groups[1].verdict == "better"


def test_diverged_runs_count_as_guessing_and_are_said() -> None:
    comparison = compared({"a": runs(0.9, 0.91, 0.9), "b": runs(0.95, None, None)}, against="a")
    assert comparison.groups[1].diverged == 2
    assert comparison.groups[1].mean.mean == pytest.approx((0.95 + 0.1 + 0.1) / 3)
    assert any("Diverged: b 2 of 3" in line for line in caveats(comparison))


def test_a_condition_of_diverged_runs_only_is_the_worst_and_not_absent() -> None:
    comparison = compared({"a": runs(0.9, 0.91, 0.9, 0.89), "b": runs(None, None, None, None)})
    assert comparison.reference == "a"
    assert comparison.groups[1].verdict == "worse"


def test_epochs_that_a_diverged_run_did_not_reach_count_as_guessing() -> None:
    diverged = made(0, 0.5, epochs=8, diverged=True)
    mean = compared({"a": [diverged]}).mean("a", "curve/val/accuracy")
    assert mean.mean == pytest.approx((4 * 0.5 + 4 * 0.1) / 8)


def test_missing_runs_are_said_and_the_other_seeds_compared() -> None:
    comparison = compared({"a": runs(0.9, 0.91, 0.9), "b": [made(2, 0.8), made(0, 0.81)]}, against="a")
    pairs = comparison.groups[1].pairs
    assert pairs is not None
    assert pairs.differences == pytest.approx([-0.1, -0.09])
    assert any("not made: b 1" in line for line in caveats(comparison))
    none_at_all = compared({"a": runs(0.9, 0.91), "b": []}, claims=["a > b"])
    assert none_at_all.verdict == "undecided"
    assert none_at_all.missing(none_at_all.groups[1]) == 2
    assert finding_in_words(none_at_all).endswith("test acc. %; without runs to compare: b")
    assert finding_in_brief(none_at_all).count(":") == 1


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        (["a > b", "a ~ c"], "confirmed (every p "),
        (["a > b", "b >= a"], "contradicted (p < 0.001, 5 seeds): b >= a"),
        (["a > b", "a > d"], "undecided (5 seeds): of 2 claims 1 confirmed, 1 open"),
        ([], "undecided: the file makes no claims"),
    ],
)
def test_the_finding_is_told_with_its_certainty(claims: list[str], words: str) -> None:
    comparison = compared(FIVE, claims, "a")
    assert certainty_in_words(comparison).startswith(words)
    assert certainty_in_words(comparison).startswith(comparison.verdict)


def test_being_equal_to_the_reference_needs_stronger_evidence_among_many() -> None:
    """b scatters by 0.00142 around a: t = 0.003 / (0.00142 / sqrt(5)) = 4.7, and P = 0.0046 with four degrees.

    Twice that is below 0.05, and thirteen times twice is not.
    """
    pair = {"a": runs(0.9, 0.9, 0.9, 0.9, 0.9), "b": runs(0.9018, 0.8982, 0.9009, 0.8991, 0.9)}
    others = {f"c{number}": runs(0.7 + number / 100, 0.9, 0.8, 0.95, 0.85) for number in range(12)}
    assert compared(pair, against="a").groups[1].verdict == "equal"
    assert compared({**pair, **others}, against="a").groups[1].verdict == "undecided"


def test_what_was_found_names_everybody_with_the_difference() -> None:
    text = finding_in_words(compared(FIVE, against="a"))
    assert text == (
        "a has 90.10 ± 0.20 test acc. %; equal to it within 0.3 points: c (+0.00); no difference shown: d (-0.30); "
        "worse: b (-2.00)"
    )


@pytest.mark.parametrize("seeds", [1, 2, 3, 5])
def test_few_seeds_say_how_wide_their_intervals_are_and_how_many_more_to_run(seeds: int) -> None:
    """t(0.975, n - 1)/sqrt(n) of any table: 12.706/sqrt(2) = 8.98, 4.303/sqrt(3) = 2.48, 2.776/sqrt(5) = 1.24."""
    comparison = compared({name: of[:seeds] for name, of in FIVE.items()}, ["a > b"], "a")
    said = " ".join(caveats(comparison))
    expected = {
        1: ["nothing can be confirmed", "SEEDS=5"],
        # d minus a is 0.050 and -0.032: half of 0.082, times 12.706.
        2: ["With 2 seeds", "reaches 9.0 standard", "up to ±52.10", "3 seeds more (SEEDS=5)", "7 times narrower"],
        3: ["With 3 seeds", "reaches 2.5 standard", "2 seeds more (SEEDS=5)", "2 times narrower"],
        5: [],
    }[seeds]
    assert [words for words in expected if words not in said] == []
    assert bool(said) == bool(expected)
    if seeds == 1:
        assert comparison.verdict == "undecided"
        assert {row.verdict for row in comparison.groups} == {"reference", "undecided"}


def test_more_seeds_are_said_to_settle_what_they_would_settle() -> None:
    """Differences 0.02 and 0.03 scatter by 0.00707: with five seeds 1.24 * 0.00707 = 0.009 is below 0.025 - 0.003."""
    comparison = compared({"a": runs(0.9, 0.9), "b": runs(0.88, 0.87)}, ["a > b", "a ~ b within 0.025"], "a")
    assert "would settle 1 of the 2 open claims" in " ".join(caveats(comparison))


def test_intervals_of_rounding_and_shared_runs_are_told_in_footnotes_and_only_where_they_are(tmp_path: Path) -> None:
    assert notes(compared(FIVE, ["a > b"], "a")) == []
    records = {"a": runs(0.9, 0.9, 0.9), "b": runs(0.88, 0.89, 0.87)}
    records["c"] = records["b"]
    comparison = compared(records, ["a > b", "a > 0.85"], "b")
    rounding, shared = notes(comparison)
    assert rounding.endswith("So here: a, c minus b, the claim a > 0.85.")
    assert shared == "The same settings are run once: c has those of b."
    table, numbers = write_comparison(comparison, tmp_path)
    with table.open(newline="") as file:
        marked = {row["condition"]: row["of rounding"] for row in csv.DictReader(file)}
    assert marked == {"a": "test/accuracy", "b": "", "c": "difference"}
    told = json.loads(numbers.read_text())
    assert told["notes"] == [rounding, shared]
    assert [one["of rounding"] for one in told["claims"]] == [False, True]


def test_a_mean_over_epochs_is_rounded_less_than_one_of_them() -> None:
    """Four independent roundings to 1/1000: their mean has the standard deviation 1/1000 / sqrt(12 * 4)."""
    comparison = compared({"a": runs(0.9, 0.9), "b": runs(0.8, 0.8)})
    assert comparison.mean("a", "best/val/accuracy").std == pytest.approx(0.001 / math.sqrt(12))
    assert comparison.mean("a", "curve/val/accuracy").std == pytest.approx(0.001 / math.sqrt(48))


def test_a_gap_is_told_with_what_it_is() -> None:
    assert [line.partition(":")[0] for line in notes(compared(FIVE, ["a < b on gap/accuracy within 0.1"], "a"))] == [
        "gap/accuracy"
    ]


def test_an_expectation_for_other_data_is_said_to_be_that() -> None:
    on_digits = {"a": [replace(run, config={**run.config, "dataset": "digits"}) for run in FIVE["a"]]}
    made_for = {"base": {"dataset": "fashion_mnist"}, "conditions": {"a": {}}}
    asked = experiment(["a"], ["a > 0.5"]).model_copy(update=made_for)
    assert caveats(compare(asked, on_digits)) == [
        "What is expected was written for fashion_mnist; these runs are on digits."
    ]
    for fitting in ({"base": {"dataset": "digits"}}, {**made_for, "datasets": {"digits": Variation()}}):
        assert caveats(compare(asked.model_copy(update=fitting), on_digits)) == []


def test_a_series_that_was_stopped_counts_what_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    comparison = compare(experiment(["a", "b"]), {"a": runs(0.9, 0.91), "b": runs(0.8)}, seeds=3)
    assert [comparison.missing(row) for row in comparison.groups] == [1, 2]
    present_summary("2 experiments", {"one": comparison, "two": "not begun"})
    printed = " ".join(capsys.readouterr().out.split())
    assert "(3 of 6 runs)" in printed
    assert "not begun" in printed


def test_files_hold_what_was_computed_and_no_nan(tmp_path: Path) -> None:
    records = {**FIVE, "e": runs(None)}
    comparison = compared(records, ["a > b"], "a")
    write_runs(records, tmp_path / "runs.csv")
    table, numbers = write_comparison(comparison, tmp_path)
    with (tmp_path / "runs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 21
    assert [float(row["test/accuracy"]) for row in rows if row["condition"] == "b"] == [0.88, 0.881, 0.88, 0.88, 0.884]
    with table.open(newline="") as file:
        conditions = {row["condition"]: row for row in csv.DictReader(file)}
    assert float(conditions["b"]["difference"]) == pytest.approx(-0.02)
    assert conditions["e"]["diverged"] == "1"
    assert "nan" not in table.read_text()
    told = json.loads(numbers.read_text(), parse_constant=lambda name: pytest.fail(f"{name} in the file"))
    assert told["verdict"] == "confirmed"
    assert told["claims"][0]["claim"] == "a > b"
    assert told["reference"] == "a"


def test_the_terminal_shows_table_verdict_and_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = make_config({"runs_dir": str(tmp_path), "group": "g"})
    (tmp_path / "g").mkdir()
    comparison = compared({**FIVE, "e": runs(None, 0.3)}, ["a > b"], "a")
    present_comparison(comparison, "g")
    leave_files(comparison, config, {**FIVE, "e": runs(None, 0.3)}, make_report)
    printed = capsys.readouterr().out
    for expected in (
        "90.10 ± 0.20", "-2.00 ± 0.", "e (1 diverged, 3 missing)", "Who?", "[a] wins.", "confirmed", "reference",
        str(tmp_path / "g" / "runs.csv"), "comparison.csv", "comparison.json", "report.pdf",
    ):  # fmt: skip
        assert expected in printed
    assert "90.10 ± 0.20" in (tmp_path / "g" / "report" / "report.html").read_text()


@pytest.mark.parametrize(
    ("width", "seeds", "headings"),
    [
        ("100", 5, {"val acc. %", "effect"}),
        ("72", 5, {"val acc. %"}),
        ("64", 5, set()),
        ("100", 2, {"val acc. %"}),  # two seeds have no effect size
    ],
)
def test_names_stay_whole_on_a_narrow_terminal(
    width: str, seeds: int, headings: set[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    monkeypatch.setenv("FORCE_COLOR", "1")
    records = {f"{name}-at-a-rate": of[:seeds] for name, of in FIVE.items()}
    present_comparison(compared(records, ["b-at-a-rate > d-at-a-rate"], "a-at-a-rate"), "g")
    shown = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    heading, _, *rows = shown.partition("\n\n")[0].splitlines()[-6:]
    assert {name for name in ("val acc. %", "effect") if name in heading} == headings
    assert [row.split()[0] for row in rows] == list(records)
    assert all(len(line) <= int(width) for line in rows)


def test_the_last_table_has_a_row_for_each_experiment(capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = {
        "exp1": compared(FIVE, ["a > b"], "a"),
        "exp2": compared(FIVE, ["b > a"], "a"),
        "exp3": compared(FIVE, ["a > d"], "a"),
        "exp4": "not run: the disk is full",
    }
    present_summary("4 experiments", outcomes)
    printed = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for word in ("exp1", "exp2", "exp3", "exp4", "confirmed", "contradicted", "undecided", "not run: the disk"):
        assert word in printed
