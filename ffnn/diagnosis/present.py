"""What the doctor says: a paragraph for each run that has something, and one line for all that have nothing."""

import shlex
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.text import Text

from ffnn.console import Console
from ffnn.diagnosis.course import Course
from ffnn.diagnosis.symptom import SYMPTOMS, Finding, diagnose
from ffnn.tracking import RunRecord

WIDEST = 100
"""Letters of a line that is read with ease; also where there is no terminal that says how many it has."""


def last_line(run: RunRecord) -> str:
    """What is wrong with a run that has just ended, in one line; empty where nothing is."""
    findings = diagnose(Course.of(run))
    if not findings:
        return ""
    headlines = "; ".join(finding.headline for finding in findings)
    return f"doctor: {headlines}; ffnn doctor {shlex.quote(str(run.path))} tells more"


def present_findings(findings: Mapping[Path, Sequence[Finding]], epochs: Mapping[Path, int]) -> None:
    """Print what each run has, with evidence and remedy; findings and recorded epochs are by the run's path."""
    console = Console(highlight=False)
    for path, those in findings.items():
        for finding in those:
            _present(console, path, finding)
    healthy = [path for path, those in findings.items() if not those]
    if len(findings) == 1:
        for path in healthy:
            search = f"{len(list(SYMPTOMS))} symptoms looked for in {epochs[path]} epochs"
            few = "" if epochs[path] > 3 else "; in so few epochs many cannot show"
            words = (f"{path}: ", ("nothing wrong found", "green"), f" ({search}{few})")
            console.print(Text.assemble(*words), soft_wrap=True)
    else:
        sick = len(findings) - len(healthy)
        console.print(f"{len(findings)} runs: {len(healthy)} with nothing wrong, {sick} with findings")


def _present(console: Console, path: Path, finding: Finding) -> None:
    console.print(Text.assemble(f"{path}: ", (finding.headline, "bold red")), soft_wrap=True)
    _paragraph(console, finding.evidence)
    _paragraph(console, f"Try: {finding.remedy}")
    if finding.consequences:
        _paragraph(console, f"Probably follows from it: {'; '.join(finding.consequences)}.")
    console.print()


def _paragraph(console: Console, text: str) -> None:
    """Indented lines without spaces at their ends, as `Padding` would leave them."""
    width = min(console.width, WIDEST) if console.is_terminal else WIDEST
    console.print(textwrap.fill(text, width, initial_indent="  ", subsequent_indent="  "), soft_wrap=True)
