"""Every log call of the source: its event, level and fields, read from the syntax tree."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}


@dataclass(frozen=True)
class Call:
    """One log call; `unclear` says what of it cannot be read from the source."""

    where: str
    level: str
    event: str
    fields: frozenset[str]
    optional: frozenset[str]
    unclear: str = ""


def _is_logger(node: ast.expr) -> bool:
    if isinstance(node, ast.Name):
        return node.id in ("log", "logger")
    if isinstance(node, ast.Attribute):
        return node.attr == "_log"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        made = node.func.attr == "get_logger"
        return made or (node.func.attr == "bind" and _is_logger(node.func.value))
    return False


def _bound(tree: ast.AST) -> frozenset[str]:
    """Names of fields given to `.bind(…)` anywhere inside."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "bind"
            and _is_logger(node.func.value)
        ):
            found |= {keyword.arg for keyword in node.keywords if keyword.arg}
    return frozenset(found)


def calls(path: Path, root: Path) -> Iterator[Call]:
    """The log calls of one file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    bound = _bound(tree)
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if node.func.attr not in LEVELS | {"log"} or not _is_logger(node.func.value):
            continue
        where = f"{path.relative_to(root).as_posix()}:{node.lineno}"
        first = node.args[0] if node.args else None
        unclear = ""
        event = ""
        if node.func.attr == "log":
            unclear = "its level is computed"
        elif isinstance(first, ast.Constant) and isinstance(first.value, str):
            event = first.value
        else:
            unclear = "its event is computed"
        if any(keyword.arg is None for keyword in node.keywords):
            unclear = unclear or "its fields are computed"
        names = frozenset(keyword.arg for keyword in node.keywords if keyword.arg)
        level = "error" if node.func.attr == "exception" else node.func.attr
        yield Call(where, level, event, names - {"exc_info"}, bound, unclear)
