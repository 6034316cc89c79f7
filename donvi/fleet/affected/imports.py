"""Which modules a Python file can import, read from its text. Pure.

What stands below ``if TYPE_CHECKING:`` isn't imported when the program runs. A file that imports by a name that it
makes up at run time can import everything of its own package, so that counts.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

DYNAMIC = frozenset({"__import__", "exec_module", "import_module", "run_module", "run_path", "spec_from_file_location"})


class Imports(msgspec.Struct, frozen=True):
    """What a file imports.

    :param names: absolute names; a name may be a module, or something in one.
    :param package: the package of which anything may be imported, by a name made at run time.
    :param silent: there is nothing but a docstring, so it reads no file either.
    """

    names: tuple[str, ...] = ()
    package: str = ""
    silent: bool = False


def imports(source: bytes, module: str, *, is_package: bool) -> Imports:
    """Read the imports of a file.

    :param module: dotted name of the module, for relative imports; :param is_package: it is an ``__init__.py``.
    :raises SyntaxError: it isn't Python.
    """
    package = module if is_package else module.rpartition(".")[0]
    names: set[str] = set()
    dynamic = False
    tree = ast.parse(source)
    for node in _executed(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = _base(node, package)
            names |= {base, *(f"{base}.{alias.name}" for alias in node.names if alias.name != "*")}
        elif isinstance(node, (ast.Name, ast.Attribute)):
            dynamic |= (node.id if isinstance(node, ast.Name) else node.attr) in DYNAMIC
    silent = all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in tree.body)
    return Imports(tuple(sorted(names)), package if dynamic else "", silent)


def _base(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    kept = parts[: len(parts) - node.level + 1]
    return ".".join([*kept, *([node.module] if node.module else [])])


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that are there when the program runs."""
    todo = [tree]
    while todo:
        node = todo.pop()
        yield node
        if isinstance(node, ast.If) and _type_checking(node.test):
            todo += node.orelse
        else:
            todo += ast.iter_child_nodes(node)


def _type_checking(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )
