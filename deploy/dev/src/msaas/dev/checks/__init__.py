"""The checks behind `./msaas check`, one small module for each kind of rule."""

from msaas.dev.checks.run import CHECKS
from msaas.dev.checks.tree import Tree

__all__ = ["CHECKS", "Tree"]
