"""The notebooks run from top to bottom, claims included, and are stored as their authors wrote them: without output."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parent.parent / "experiments/notebooks").glob("*.ipynb"))
EXECUTE = "from nbclient.cli import main; main()"


def test_there_are_notebooks() -> None:
    assert {path.stem for path in NOTEBOOKS} >= {"first_network", "sweep_analysis", "cpu_speed"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_without_output_and_as_it_would_be_saved(path: Path) -> None:
    import nbformat

    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert notebook.nbformat == 4
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [(cell.id, cell.outputs, cell.execution_count) for cell in code] == [(cell.id, [], None) for cell in code]
    # Names, not random letters: a cell's history can be followed.
    assert all(cell.id.replace("-", "").isalpha() for cell in notebook.cells)
    assert any("assert" in cell.source for cell in code)
    text = path.read_text()
    assert text == json.dumps(json.loads(text), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_its_claims_hold(path: Path, tmp_path: Path, repository: Path) -> None:
    environ = {**os.environ, "PYTHONPATH": str(repository), "IPYTHONDIR": str(tmp_path), "MPLBACKEND": "agg"}
    environ |= {"JUPYTER_CONFIG_DIR": str(tmp_path), "JUPYTER_RUNTIME_DIR": str(tmp_path), "TMPDIR": str(tmp_path)}
    output = tmp_path / "executed"
    done = subprocess.run(
        [sys.executable, "-c", EXECUTE, str(path), "--output", str(output), "--timeout", "120"],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    cells = json.loads(output.with_suffix(".ipynb").read_text())["cells"]
    shown = [output for cell in cells for output in cell.get("outputs", [])]
    assert shown
    assert [output for output in shown if output.get("name") == "stderr"] == []
