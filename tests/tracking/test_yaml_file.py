"""YAML files: what is written comes back, to us and to a plain YAML reader."""

import io
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from ffnn.errors import FFNNError
from ffnn.tracking import dump_yaml, load_yaml

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.from_regex(r"[-+.0-9eE_x:]{1,8}")
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)), max_leaves=10
)


@given(st.dictionaries(st.text(), VALUES))
@example({"a": 1e-5, "b": 1e22, "c": -0.0, "d": 5e-324, "e": float("inf"), "f": "1e-5", "g": "1e5", "h": "-.5E+3"})
@example({"a": "\x85", "b": "x\u2028y", "c": "\ufeff", "d": "größe", "e": "two\nlines \n"})
def test_round_trip_through_us_and_through_a_plain_reader(tmp_path_factory: Any, values: dict[str, Any]) -> None:
    file = io.StringIO()
    dump_yaml(values, file)
    path = tmp_path_factory.getbasetemp() / "values.yaml"
    path.write_text(file.getvalue(), encoding="utf-8")
    for read in (yaml.safe_load(file.getvalue()), load_yaml(path)):
        assert read == values
        assert repr(read) == repr(values)


@pytest.mark.parametrize("text", ["1e-4", "1E-4", "1e5", "+1e5", "-2.5e-3", ".5e3", "1.e4", "1.0e-05"])
def test_floats_as_people_write_them(tmp_path: Path, text: str) -> None:
    path = tmp_path / "values.yaml"
    path.write_text(f"learning_rate: {text}\n")
    value = load_yaml(path)["learning_rate"]
    assert type(value) is float
    assert value == float(text)


@pytest.mark.parametrize("text", ["1e", "e5", "1e5x", "0x1g", "version1e5"])
def test_words_stay_words(tmp_path: Path, text: str) -> None:
    path = tmp_path / "values.yaml"
    path.write_text(f"name: {text}\n")
    assert load_yaml(path) == {"name": text}


def test_a_list_used_twice_is_written_twice() -> None:
    layers = [1, 2]
    file = io.StringIO()
    dump_yaml({"a": layers, "b": layers}, file)
    assert "&" not in file.getvalue()


def test_objects_are_never_built(tmp_path: Path) -> None:
    path = tmp_path / "values.yaml"
    path.write_text("a: !!python/object/apply:os.getcwd []\n")
    with pytest.raises(FFNNError, match=r"values.yaml:1: expected YAML"):
        load_yaml(path)


def test_errors_name_the_line_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "values.yaml"
    path.write_text("a: 1\nb: [1, 2\nc: 3\n")
    with pytest.raises(FFNNError) as caught:
        load_yaml(path)
    assert "values.yaml:3: expected YAML" in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(FFNNError, match="expected a readable YAML file"):
        load_yaml(tmp_path / "missing.yaml")
