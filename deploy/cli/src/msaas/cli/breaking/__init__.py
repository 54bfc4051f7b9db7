"""What a change to the contracts would break, and for whom."""

from msaas.cli.breaking.compare import Break, compare
from msaas.cli.breaking.operations import compare_operations
from msaas.cli.breaking.shapes import Direction, Shape, compare_shapes

__all__ = ["Break", "Direction", "Shape", "compare", "compare_operations", "compare_shapes"]
