"""Comparison: groups of runs judged by statistics, be they an experiment's conditions or runs grouped by settings.

`measures` reads numbers from runs, `groups` compares them, `rows` has the cells that terminal, page and files share.
"""
