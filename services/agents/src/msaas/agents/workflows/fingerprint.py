"""Names a graph by its shape and the schemas that its nodes rely on."""

import json
from hashlib import sha256
from typing import Any

from msaas.agents.workflows.schemas import FINDINGS_SCHEMA, PLAN_SCHEMA, VALUES_SCHEMA

VERSION = 1
"""Raised when what a node does to the state changes while the shape of the graph stays."""


def fingerprint_of(graph: Any) -> str:
    """Return a name that changes with the graph: a run is continued by its own graph alone."""
    shape = [
        VERSION,
        sorted(graph.nodes),
        sorted(graph.edges),
        sorted((node, sorted(branches)) for node, branches in graph.branches.items()),
        sorted(graph.channels),
        [PLAN_SCHEMA, FINDINGS_SCHEMA, VALUES_SCHEMA],
    ]
    return sha256(json.dumps(shape, sort_keys=True).encode()).hexdigest()[:16]
