"""What a change to the contracts would break, and for whom."""

from msaas.dev.breaking.compare import BreakingChange, compare_contracts
from msaas.dev.breaking.operations import compare_operations
from msaas.dev.breaking.schemas import DataFlow, SchemaNode, compare_schemas

__all__ = [
    "BreakingChange",
    "DataFlow",
    "SchemaNode",
    "compare_contracts",
    "compare_operations",
    "compare_schemas",
]
