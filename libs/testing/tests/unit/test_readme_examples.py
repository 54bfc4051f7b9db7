"""The Python examples in the READMEs of the libraries parse, and what they import exists."""

import ast
import re
from pathlib import Path

import pytest

LIBS = Path(__file__).parents[3]
UNITS = ("cache", "embedded", "kernel", "messaging", "postgres", "streams", "testing")


@pytest.mark.parametrize("unit", UNITS)
def test_examples_parse_and_import(unit: str) -> None:
    text = (LIBS / unit / "README.md").read_text("utf-8")
    examples = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert examples
    for example in examples:
        imports: list[ast.stmt] = [
            node
            for node in ast.parse(example).body
            if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        exec(compile(ast.Module(imports, []), unit, "exec"), {})  # noqa: S102 - our own README
