"""The verifier that users run, loaded from its file."""

import importlib.util
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[4] / "deploy" / "verify" / "verify_citations.py"


def load_verifier() -> Any:
    spec = importlib.util.spec_from_file_location("verify_citations", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
