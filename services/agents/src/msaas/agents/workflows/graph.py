"""Builds graphs whose nodes get an OrchestratorContext, and names them."""

import json
from collections.abc import Callable, Sequence
from hashlib import sha256
from itertools import pairwise
from typing import Any, Protocol

from langgraph.graph import StateGraph

from msaas.agents.application.ports import OrchestratorContext
from msaas.agents.workflows.schemas import FINDINGS_SCHEMA, PLAN_SCHEMA, VALUES_SCHEMA


class Context(Protocol):
    """What langgraph gives a node as its runtime."""

    @property
    def context(self) -> OrchestratorContext: ...


VERSION = 1
"""Raised when what a node does to the state changes while the shape of the graph stays."""


def new_graph(state: type, nodes: Sequence[Callable[..., Any]], *paths: Sequence[str]) -> Any:
    """Return a graph of the nodes, named as their functions, with an edge along each path."""
    # Its type wants contexts that are dataclasses; it takes any object as it is.
    make: Any = StateGraph
    graph = make(state, context_schema=OrchestratorContext)
    for node in nodes:
        graph.add_node(node.__name__, node)
    for path in paths:
        for before, after in pairwise(path):
            graph.add_edge(before, after)
    return graph


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
