"""Restructured code finds the same numbers: a fixed set of runs against what `bits.py` recorded earlier.

To the bit on a machine like the one that recorded them, and close to them on any other, whose last digits differ.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from robustness import bits

APART = 1e-3
"""Relative distance of losses on another machine; the README's table has 1e-5 for three epochs without averages."""


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_a_fixed_set_of_runs_finds_what_it_found(engine: str, tmp_path: Path) -> None:
    recorded = json.loads(bits.RECORDED.read_text())
    expected, alike = recorded["runs"][engine], recorded["machine"] == bits.machine()
    runs = {name: bits.summary_of(record) for name, record in bits.runs_on(engine, tmp_path)}
    assert list(runs) == list(expected)
    for name, run in runs.items():
        if alike:
            assert run == expected[name], name
        else:  # a run with patience may end at another epoch
            both = min(len(run["losses"]), len(expected[name]["losses"]))
            assert both >= 4, name
            np.testing.assert_allclose(run["losses"][:both], expected[name]["losses"][:both], APART, err_msg=name)
