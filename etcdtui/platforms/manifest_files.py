"""Reading the manifests beside backups on a host: a script (POSIX sh) and what it prints."""

from __future__ import annotations

from collections.abc import Sequence

from etcdtui.model.placing import LARGEST
from etcdtui.platforms.layout import Layout

AT_ONCE = 20  # manifests in one exec

# Arguments: how many bytes of each file, files. Lines of theirs begin with "|". A link is not followed: it is
# read as root, in a folder that may belong to another user.
_READ = r"""
LC_ALL=C; export LC_ALL
most=$1; shift
for file; do
  if [ -f "$file" ] && [ ! -L "$file" ]; then
    printf 'file\n'
    { head -c "$most" "$file"; echo; } | sed 's/^/|/'
  else
    printf 'gone\n'
  fi
done
printf 'end\n'
"""


def manifests_script(layout: Layout, paths: Sequence[str]) -> tuple[str, ...]:
    """Prints these files, at most ``AT_ONCE``."""
    return (*layout.sudo, "sh", "-c", _READ, "etcdtui-manifests", str(LARGEST + 1), *paths)


def parse_manifests(output: bytes) -> list[bytes | None]:
    """Each file's bytes in the order asked for, None for one that is gone; fewer when it was cut off."""
    found: list[bytes | None] = []
    lines: list[bytes] | None = None
    for line in output.split(b"\n"):
        if line.startswith(b"|"):
            if lines is not None:
                lines.append(line[1:])
            continue
        if lines is not None:
            found.append(b"\n".join(lines))
            lines = None
        if line == b"file":
            lines = []
        elif line == b"gone":
            found.append(None)
    return found
