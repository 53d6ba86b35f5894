"""What a symptom is, and how a run is examined for all of them.

Each symptom looks at the course of a run and says what it saw and what helps, or nothing. One may explain others, which
are then told as its consequences and not as faults of their own.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from ffnn.diagnosis.course import Course
from ffnn.registry import Registry

SYMPTOMS: Registry["Symptom"] = Registry("symptom")
"""All that the doctor looks for; what is registered first is told first."""


@dataclass(frozen=True)
class Finding:
    """A symptom that a run has.

    Attributes
    ----------
    symptom : str
        Its name in the registry.
    headline : str
        What it is, in a few words, with the figure that tells most.
    evidence : str
        What was seen, in numbers, and what is usual.
    remedy : str
        What to try.
    consequences : tuple of str
        Headlines of what probably follows from it.
    """

    symptom: str
    headline: str
    evidence: str
    remedy: str
    consequences: tuple[str, ...] = ()


class Symptom(ABC):
    """One thing that can be wrong with a run.

    Attributes
    ----------
    explains : tuple of str
        Symptoms that are consequences of this one where both are found.
    """

    explains: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def look(self, course: Course) -> tuple[str, str, str] | None:
        """Headline, evidence and remedy; None where the symptom is absent or cannot be judged."""


def diagnose(course: Course) -> list[Finding]:
    """Everything that is wrong with a run, causes only; each with what follows from it.

    Examples
    --------
    >>> diagnose(Course({"loss": "cross_entropy"}, []))
    []
    """
    symptoms = {name: SYMPTOMS[name]() for name in SYMPTOMS}
    found = [(one, Finding(name, *seen)) for name, one in symptoms.items() if (seen := one.look(course))]
    return [
        replace(finding, consequences=_following(symptom, [one for _, one in found]))
        for symptom, finding in found
        if not any(finding.symptom in other.explains for other, _ in found)
    ]


def _following(symptom: Symptom, findings: Sequence[Finding]) -> tuple[str, ...]:
    return tuple(finding.headline for finding in findings if finding.symptom in symptom.explains)
