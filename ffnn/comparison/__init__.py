"""Comparison in the terminal: any runs, grouped by any setting, with intervals, tests and verdicts.

The statistics are those of experiments; here runs need not have been planned together.
"""
