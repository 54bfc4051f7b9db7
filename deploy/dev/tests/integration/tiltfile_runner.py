"""Executes a Tiltfile with recorded builtins and prints the calls as JSON; read_json is real."""
# pyright: basic, reportMissingImports=false
# It runs in an environment of its own, which has the interpreter.

import json
import sys
from pathlib import Path
from typing import Any

import starlark

BUILTINS = (
    *("allow_k8s_contexts", "docker_build", "docker_compose", "k8s_resource", "k8s_yaml"),
    *("kustomize", "local_resource"),
)
CONFIG = "config = struct(define_bool = _define_bool, parse = _parse)"


def run(path: Path, options: dict[str, bool]) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = []
    library = [starlark.LibraryExtension.StructType, starlark.LibraryExtension.Json]
    known, module = starlark.Globals.extended_by(library), starlark.Module()

    def record(name: str) -> Any:
        def call(*arguments: object, **named: object) -> str:
            calls.append({"call": name, "arguments": list(arguments), "named": named})
            return f"<{name}>"

        return call

    for name in BUILTINS:
        module.add_callable(name, record(name))
    module.add_callable("_define_bool", record("define_bool"))
    module.add_callable("_parse", lambda: options)
    module.add_callable("read_json", lambda name: json.loads((path.parent / name).read_text()))
    module["TRIGGER_MODE_MANUAL"] = 1
    dialect = starlark.Dialect.extended()
    dialect.enable_top_level_stmt = True
    for name, text in (("prelude", CONFIG), (path.name, path.read_text())):
        starlark.eval(module, starlark.parse(name, text, dialect), known)
    return calls


if __name__ == "__main__":
    print(json.dumps(run(Path(sys.argv[1]), json.loads(sys.argv[2]))))
