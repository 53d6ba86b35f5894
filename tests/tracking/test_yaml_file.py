"""YAML files: what is written comes back, to us and to a plain YAML reader."""

import io
import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from ffnn.errors import FFNNError
from ffnn.tracking import dump_yaml, load_yaml
from ffnn.tracking.yaml_loader import Loader

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.from_regex(r"[-+.0-9eE_x:]{1,8}")
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)), max_leaves=10
)


CORE = [
    "012",
    "-08",
    "+7",
    "0o17",
    "0x1F",
    "1.5",
    "-.5e-3",
    "7.",
    "1e-4",
    ".inf",
    "-.INF",
    "true",
    "False",
    "null",
    "~",
]
"""Of YAML 1.2, section 10.3.2, with what they mean there."""
MEANT = [12, -8, 7, 15, 31, 1.5, -0.0005, 7.0, 0.0001, math.inf, -math.inf, True, False, None, None]
OLDER = ["1:30", "1_000", "yes", "no", "on", "off", "y", "0b11", "2024-01-31", "2024-13-45", "=", "0o8", "1.e", "++1"]
"""Numbers, switches and days of YAML 1.1, and what is none of any version."""


def test_values_are_those_of_yaml_1_2(tmp_path: Path) -> None:
    path = tmp_path / "values.yaml"
    for text in ("[{}]".format(", ".join([*CORE, *OLDER])), "\n".join(f"- {word}" for word in [*CORE, *OLDER])):
        path.write_text(text)
        read = load_yaml(path)
        assert read == [*MEANT, *OLDER]
        assert [type(value) for value in read] == [type(value) for value in [*MEANT, *OLDER]]


@pytest.mark.parametrize("text", ["!!int 1_000", "!!int 1:30", "!!float 1:30", "!!float 1_0.5", "!!int \u0663"])
def test_a_type_that_is_asked_for_takes_its_own_numbers_only(tmp_path: Path, text: str) -> None:
    path = tmp_path / "values.yaml"
    path.write_text(text, encoding="utf-8")
    assert "put it in quotes if it is text" in refusal(path)


@given(st.dictionaries(st.text(), VALUES))
@example({word: word for word in [*CORE, *OLDER]})
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


def refusal(path: Path) -> str:
    with pytest.raises(FFNNError) as caught:
        load_yaml(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", ":3: a is there twice (lines 1 and 3)"),
        ("x:\n  'a': 1\n  a: 3\n", ":3: a is there twice (lines 2 and 3)"),
        ("- {b: 1, b: 1}", ":1: b is there twice"),
    ],
)
def test_a_key_that_is_there_twice_is_refused_with_both_lines(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "values.yaml"
    path.write_text(text)
    assert expected in refusal(path)


def test_a_merged_mapping_may_be_overridden(tmp_path: Path) -> None:
    path = tmp_path / "values.yaml"
    path.write_text("base: &base {a: 1, b: 2}\nother: &other\n  <<: *base\n  a: 3\nthird: {<<: *other, b: 4}\n")
    assert load_yaml(path)["other"] == {"a": 3, "b": 2}
    assert load_yaml(path)["third"] == {"a": 3, "b": 4}


def test_what_cannot_be_read_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "values.yaml"
    path.write_text("a:\n\tb: 1\n")
    assert "values.yaml:2: expected YAML; received a tab" in refusal(path)
    path.write_bytes(b"name: caf\xe9\n")
    assert "received byte 0xe9 at 9; save it as UTF-8" in refusal(path)
    assert f"there is none of this name; did you mean {path}?" in refusal(tmp_path / "vlaues.yaml")
    assert refusal(tmp_path / "none.yaml").endswith("there is none of this name")
    assert "there is none of this name" in refusal(tmp_path / "folder" / "values.yaml")


@pytest.mark.skipif(not yaml.__with_libyaml__, reason="PyYAML was built without libyaml")
@pytest.mark.parametrize(
    "text",
    [
        "a: &list [1, {b: ~}]\nc: *list\nd: {<<: {e: 1, f: .5}, f: no}\n",
        "{a: 012, 1: 0o17, true: false, .5: -.inf, null: '', x: [], y: {}}",
        "",
        "word",
        "'1'",
        "- |\n  two\n  lines\n- >-\n  folded\n  too\n- 'it''s'\n- \"\\u263a\"\n",
        "!!str 1",
        "# only a remark\n",
    ],
)
def test_both_loaders_read_the_same(text: str) -> None:
    from ffnn.tracking.fast_yaml import FastLoader

    slow, fast = Loader(text).get_single_data(), FastLoader(text).get_single_data()
    assert repr(fast) == repr(slow)


@pytest.mark.skipif(not yaml.__with_libyaml__, reason="PyYAML was built without libyaml")
@pytest.mark.parametrize("text", ["2024-01-31: &a [*a]", "{a: 1, a: 2}", "!!set {a}", "[" * 100_000, "a: 1\n\tb: 2"])
def test_the_fast_loader_leaves_what_it_does_not_know_to_the_other(text: str) -> None:
    """Also 100,000 brackets, for which libyaml's own composer would end the process."""
    from ffnn.tracking.fast_yaml import FastLoader

    with pytest.raises((yaml.YAMLError, ValueError, RecursionError)):
        FastLoader(text).get_single_data()


def test_a_file_may_hold_any_number_of_values_but_not_make_them_of_references(tmp_path: Path) -> None:
    path = tmp_path / "values.yaml"
    path.write_text("a: [{}]\n".format(", ".join(["0"] * 100_001)))
    assert len(load_yaml(path)["a"]) == 100_001
    path.write_text("a: &a [{}]\nb: &b [{}]\nc: [{}]\n".format("0, " * 60, "*a, " * 60, "*b, " * 60))
    assert "references that make more than 100,000 values; write it out" in refusal(path)
    path.write_text("a: &a [*a]\n")
    assert "a value that contains itself" in refusal(path)


@pytest.mark.skipif(not yaml.__with_libyaml__, reason="PyYAML was built without libyaml")
def test_a_sound_file_is_composed_once_and_in_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """10,000 runs and plans of 50,000 values are read so; in Python it takes twenty times as long."""

    def refuse(*_: object) -> None:
        raise AssertionError

    for part in ("compose_node", "construct_object", "get_event"):
        monkeypatch.setattr(Loader, part, refuse)
    path = tmp_path / "values.yaml"
    path.write_text("a: [1, .5, no]\nb: {c: ~, d: 'x'}\n")
    assert load_yaml(path) == {"a": [1, 0.5, "no"], "b": {"c": None, "d": "x"}}
