"""The files that a check reads: what git tracks or would track, listed once."""

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath


@dataclass(frozen=True)
class Tree:
    root: Path

    def git(self, *words: str) -> str:
        """Run git, also where the folder belongs to another user."""
        command = ["git", "-c", f"safe.directory={self.root}", "-C", str(self.root), *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def has_commit(self, ref: str) -> bool:
        """Return whether a commit is in this clone, which may be a shallow one."""
        command = ["git", "-c", f"safe.directory={self.root}", "-C", str(self.root)]
        probe = [*command, "rev-parse", "--quiet", "--verify", f"{ref}^{{commit}}"]
        return not subprocess.run(probe, capture_output=True, check=False).returncode

    @cached_property
    def files(self) -> tuple[str, ...]:
        listed = self.git("ls-files", "-z", "--cached", "--others", "--exclude-standard")
        return tuple(sorted(name for name in set(listed.split("\0")) if self.is_file(name)))

    def is_file(self, name: str) -> bool:
        return bool(name) and (self.root / name).is_file()

    @cached_property
    def folders(self) -> frozenset[str]:
        return frozenset(
            str(parent) for name in self.files for parent in PurePosixPath(name).parents
        )

    def select(self, *endings: str) -> Iterable[str]:
        return (name for name in self.files if name.endswith(endings))

    def text(self, name: str) -> str:
        """Return the text of a file; bytes that are no text are replaced."""
        return (self.root / name).read_bytes().decode(errors="replace")
