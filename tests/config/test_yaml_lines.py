"""Oracle: the resolution tables of YAML 1.2.2 section 10.3, by hand, and planted faults with known lines."""

from __future__ import annotations

import pytest
import yaml

from bench.config.yaml_lines import parse, read
from bench.errors import BenchErrors


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("7e4", 7e4),
        ("-2E+3", -2000.0),
        (".5", 0.5),
        ("12.", 12.0),
        ("0012", 12),
        ("0o17", 15),
        ("0xfF", 255),
        ("-7", -7),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("no", "no"),
        ("on", "on"),
        ("Yes", "Yes"),
        ("1_000", "1_000"),
        ("12:30:00", "12:30:00"),
        ("2015-01-01", "2015-01-01"),
        ("'1e-4'", "1e-4"),
        ('"true"', "true"),
        ("R0004", "R0004"),
    ],
)
def test_plain_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    found = parse(f"key: {text}\n").value["key"]
    assert found == value
    assert type(found) is type(value)


def test_the_default_loader_would_have_read_these_otherwise() -> None:
    text = "a: 1e-4\nb: no\nc: 1\nc: 2\n"
    assert yaml.safe_load(text) == {"a": "1e-4", "b": False, "c": 2}
    assert parse("a: 1e-4\nb: no\n").value == {"a": 1e-4, "b": "no"}


def test_lines_and_texts_of_every_path() -> None:
    document = parse("a:\n  0001: [x,\n    7e4]\n\n  b: 'q'\n1e5: 2\n")
    assert document.value == {"a": {"0001": ["x", 70000.0], "b": "q"}, "1e5": 2}
    assert document.lines == {
        (): 1,
        ("a",): 1,
        ("a", "0001"): 2,
        ("a", "0001", 0): 2,
        ("a", "0001", 1): 3,
        ("a", "b"): 5,
        ("1e5",): 6,
    }
    assert document.texts[("a", "0001", 1)] == "7e4"
    assert document.line(("a", "b", "missing", "deeper")) == 5


def test_aliases_are_read_and_keep_the_line_of_their_own_key() -> None:
    document = parse("a: &x {k: 1}\nb: *x\n")
    assert document.value == {"a": {"k": 1}, "b": {"k": 1}}
    assert document.lines[("b",)] == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", ["f:3: a: repeated key, first on line 1; remove one of them"]),
        ("a: {k: 1,\n  k: 2}\nb: 1\nb: 2\n", ["f:2: a.k: repeated key, first on line 1; remove one of them",
                                          "f:4: b: repeated key, first on line 3; remove one of them"]),
        ("a:\n\tb: 1\n", ["f:2: a tab cannot indent YAML; use spaces"]),
        ("a: 1\n<<: {b: 2}\n", ["f:2: <<: merge keys are not read here; write the keys out"]),
        ("a: 1\nb: !!python/object:os.system x\n",
         ["f:2: not YAML: tags (words that begin with !) are not read here"]),
        ("a: &x [*x]\n", ["f:1: a.0: an alias stands inside its own anchor"]),
        ("a: *nobody\n", ["f:1: not YAML: found undefined alias 'nobody'"]),
        ("? [1, 2]\n: 3\n", ["f:1: a key must be one word, not a list or a mapping"]),
        ("a: .inf\nb: -.INF\nc: .nan\nd: 1e999\n",
         [f"f:{n}: {k}: {t} is not a finite number"
          for n, k, t in ((1, "a", ".inf"), (2, "b", "-.INF"), (3, "c", ".nan"), (4, "d", "1e999"))]),
        ("", ["f:1: the file holds no keys"]),
        ("# nothing\n", ["f:1: the file holds no keys"]),
        ("a: 1\nb: \x07\n", ["f:2: the character #x0007 cannot stand in YAML"]),
    ],
)  # fmt: skip
def test_planted_faults(text: str, expected: list[str]) -> None:
    with pytest.raises(BenchErrors) as caught:
        parse(text, "f")
    assert str(caught.value).splitlines() == expected


@pytest.mark.parametrize(("text", "line"), [("a: [1,\n2\nb: 3\n", 3), ("a: 'x\n", 2), ("a: 1\n b: 2\n", 2)])
def test_broken_syntax_is_one_line_with_its_place(text: str, line: int) -> None:
    with pytest.raises(BenchErrors) as caught:
        parse(text, "f")
    (message,) = str(caught.value).splitlines()
    assert message.startswith(f"f:{line}: not YAML: ")


def test_aliases_cannot_grow_without_bound() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(BenchErrors, match="grows without bound"):
        parse("\n".join(lines), "f")


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(BenchErrors, match="nested too deeply"):
        parse("[" * 5000 + "]" * 5000, "f")


def test_files_that_cannot_be_read(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(BenchErrors, match="no such file"):
        read(tmp_path / "none.yaml")
    with pytest.raises(BenchErrors, match="cannot be read"):
        read(tmp_path)
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"a: 1\nb: \xe9\n")
    with pytest.raises(BenchErrors, match=r"latin\.yaml:2: not UTF-8 text"):
        read(latin)
    marked = tmp_path / "marked.yaml"
    marked.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read(marked).value == {"a": 1}
