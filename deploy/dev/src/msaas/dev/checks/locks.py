"""Compares the lock files with what the units require, without a registry."""

from collections.abc import Iterator

from msaas.dev.checks.tree import Tree
from msaas.dev.lock import LOCKS, fingerprint, recorded_fingerprint


def find_problems(tree: Tree) -> Iterator[str]:
    for lock in LOCKS:
        if lock.path not in tree.files:
            yield f"{lock.path}: missing; `./msaas lock` writes it"
            continue
        if recorded_fingerprint(tree.root, lock) != fingerprint(tree.root, lock):
            yield f"{lock.path}: made from other dependencies; `./msaas lock` writes it again"
        if "--hash=sha256:" not in tree.text(lock.path):
            yield f"{lock.path}: has no hashes"
