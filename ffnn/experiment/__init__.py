"""Experiments: a question, an expected finding, and conditions that run over seeds and are compared by statistics.

`file` reads what is asked, `series` has it run, `comparison` and `claims` judge it, `findings` and `tables` tell.
"""
