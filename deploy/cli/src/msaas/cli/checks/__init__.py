"""The checks behind `./msaas check`, one small module for each kind of rule."""

from msaas.cli.checks.run import CHECKS
from msaas.cli.checks.tree import Tree

__all__ = ["CHECKS", "Tree"]
