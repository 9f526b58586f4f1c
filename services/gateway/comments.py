"""The contract's documentation at run time: descriptors lose their comments, the generated stubs keep them."""

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.descriptor import FileDescriptor


def read_comments(file: FileDescriptor) -> dict[str, str]:
    """Full name of each message, enum, field and enum value in the file -> its comment."""
    module = file.name.removesuffix(".proto").replace("/", ".") + "_pb2"
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return {}
    stub = Path(spec.origin).with_suffix(".pyi")
    if not stub.is_file():  # google.rpc has none
        return {}
    names = _names(ast.parse(stub.read_text(encoding="utf-8")).body)
    return {f"{file.package}.{name}": " ".join(comment.split()) for name, comment in names}


def _names(body: list[ast.stmt], scope: str = "") -> Iterator[tuple[str, str]]:
    """What is documented in a module or class: classes, properties, and assignments followed by a string."""
    for statement, following in zip(body, [*body[1:], None], strict=True):
        if isinstance(statement, ast.ClassDef | ast.FunctionDef):
            comment = ast.get_docstring(statement)
            if comment:
                yield scope + statement.name, comment
        if isinstance(statement, ast.ClassDef):
            yield from _names(statement.body, f"{scope}{statement.name}.")
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            match following:
                case ast.Expr(value=ast.Constant(value=str(comment))):
                    yield scope + statement.target.id, comment
