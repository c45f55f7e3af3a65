"""Our style as a test: sizes, mirrored tests, and words that belong in one place."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FUNCTION_LIMIT = 70
MODULE_LIMIT = 500
STRATEGY_LIMIT = 200

BROKER_WORDS = re.compile(
    r"\b(?:H0(?:ST|NX|UN|UP|GS)[A-Z0-9]+|HDFS[A-Z0-9]+|ODNO|ORGN_ODNO|CANO|ACNT_PRDT_CD"
    r"|ORD_DVSN|rt_cd|msg_cd|EGW\d+|OPSP\d+|OPSQ\d+|(?:TTT|VTT|FHK|CTC|JTT)[A-Z]{1,3}\d+[A-Z]?)\b"
)
LEFTOVERS = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b")


def sources(*folders: str) -> list[Path]:
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return sorted(path for path in found if "__pycache__" not in path.parts)


LAUNCHERS = sorted(ROOT.glob("*.py"))
PRODUCT = [*sources("daemon", "strategies"), *LAUNCHERS]
EVERYTHING = [*PRODUCT, *sources("tests", "bench", "deploy")]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", EVERYTHING, ids=name)
def test_modules_and_functions_are_short(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    limit = STRATEGY_LIMIT if path.parent.name == "strategies" and path in PRODUCT else MODULE_LIMIT
    if path in PRODUCT:
        assert lines <= limit, f"{lines} lines"
    for function in functions(path):
        length = (function.end_lineno or function.lineno) - function.lineno + 1
        assert length <= FUNCTION_LIMIT, f"{function.name}: {length} lines"


def test_every_module_has_its_test() -> None:
    missing = set()
    for path in sources("daemon", "strategies"):
        if path.stem.startswith("__") or not path.read_text(encoding="utf-8").strip():
            continue
        package = ROOT / "daemon"
        inside = path.relative_to(package if path.is_relative_to(package) else ROOT)
        if not (ROOT / "tests" / inside.parent / f"test_{path.name}").is_file():
            missing.add(name(path))
    assert missing == set()


@pytest.mark.parametrize("path", PRODUCT, ids=name)
def test_permission_is_given_in_one_place(path: Path) -> None:
    if name(path) != "daemon/core/risk.py":
        # Taking one apart in a `match` is no giving.
        assert not re.search(r"(?<!case )\bApproved\(", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", PRODUCT, ids=name)
def test_the_broker_is_spoken_to_in_one_place(path: Path) -> None:
    if not name(path).startswith(("daemon/kis/", "daemon/sim/")):
        assert BROKER_WORDS.findall(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", EVERYTHING, ids=name)
def test_nothing_is_left_for_later(path: Path) -> None:
    assert LEFTOVERS.findall(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", sources("daemon", "strategies"), ids=name)
def test_modules_say_what_they_are_for(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if path.name != "__init__.py":
        assert ast.get_docstring(ast.parse(text)), "no module docstring"
    else:
        assert text == "", "packages are empty: a name has one home"
