"""What a symptom is, and how a run is examined for all of them.

Each symptom looks at the course of a run and says what it saw and what helps, or nothing. One may explain others, which
are then told as its consequences and not as faults of their own.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from ffnn.diagnosis.course import Course
from ffnn.diagnosis.remedies import in_words
from ffnn.registry import Registry

SYMPTOMS: Registry["Symptom"] = Registry("symptom")
"""All that the doctor looks for; what is registered first is told first."""

Sight = tuple[str, str, Sequence[str]]
"""What a symptom shows of itself: headline, evidence, and remedies as `in_words` takes them."""


@dataclass(frozen=True)
class Finding:
    """A symptom that a run has, by its name in the registry.

    The headline says in a few words what it is, with the figure that tells most; the evidence what was seen, in
    numbers, and what is usual; the remedy what to try. Consequences are headlines of what probably follows from it.
    """

    symptom: str
    headline: str
    evidence: str
    remedy: str
    consequences: tuple[str, ...] = ()


class Symptom(ABC):
    """One thing that can be wrong with a run.

    It `explains` symptoms that are its consequences where both are found. Settings of `too_large` and `too_small` are
    the cause where their value is unusually large or small: they are told first.
    """

    explains: ClassVar[tuple[str, ...]] = ()
    too_large: ClassVar[tuple[str, ...]] = ()
    too_small: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def look(self, course: Course) -> Sight | None:
        """What is to be seen of it; None where it is absent or cannot be judged."""


def diagnose(course: Course) -> list[Finding]:
    """Everything that is wrong with a run, causes only; each with what follows from it.

    Examples
    --------
    >>> diagnose(Course({"loss": "cross_entropy"}, []))
    []
    """
    findings = []
    for name in SYMPTOMS:
        symptom = SYMPTOMS[name]()
        if sight := symptom.look(course):
            headline, evidence, remedies = sight
            remedy = in_words(remedies, course, symptom.too_large, symptom.too_small)
            findings.append(Finding(name, headline, evidence, remedy))
    return sorted_out(findings)


def sorted_out(findings: Sequence[Finding]) -> list[Finding]:
    """Causes only, each with all that follows from it, be it by way of other findings: none is lost."""
    by_name = {finding.symptom: finding for finding in findings}
    explained = {name for finding in findings for name in SYMPTOMS[finding.symptom]().explains}
    return [
        replace(finding, consequences=tuple(by_name[name].headline for name in _following(finding.symptom, by_name)))
        for finding in findings
        if finding.symptom not in explained
    ]


def _following(symptom: str, symptoms: Collection[str]) -> list[str]:
    """What a symptom explains, and what that explains, in the order in which symptoms are told."""
    reached, ahead = set[str](), [symptom]
    while ahead:
        new = {name for name in SYMPTOMS[ahead.pop()]().explains if name in symptoms} - reached
        reached |= new
        ahead += new
    return [name for name in symptoms if name in reached]
