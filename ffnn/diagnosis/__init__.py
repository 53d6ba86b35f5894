"""Diagnosis: what is wrong with a run, in words, with evidence and remedy.

It reads what a run has recorded and nothing else, so that a run can be examined years later or while it goes on.
"""

# Symptoms register where they are written; causes come before what they cause.
from ffnn.diagnosis import steps, answers, layers, overfitting  # noqa: F401, I001
from ffnn.diagnosis.course import Course
from ffnn.diagnosis.symptom import SYMPTOMS, Finding, Symptom, diagnose

__all__ = ["SYMPTOMS", "Course", "Finding", "Symptom", "diagnose"]
