"""Putting back what was set aside: whole or not at all under its name, also from another filesystem."""

from __future__ import annotations

import posixpath

from etcdtui.model.quorum import Verdict
from etcdtui.procedures.procedure import Action, Check, Context, Measure, Step
from etcdtui.procedures.restore_decided import Master

ASK = 20.0  # seconds for one question to a host

# Arguments: where it belongs, then where it may lie, the likelier first.
# Never over anything. A hard link tells whether one rename is enough: mv itself would copy into the final
# name, and device numbers do not tell bind mounts apart. What was copied stays, under a name of its own.
_PUT_BACK = r"""
umask 077
to=$1 part=${1%/*}/.${1##*/}.etcdtui-part; shift
if [ -e "$to" ]; then
  [ -e "$part" ] || exit 0
  echo "$to is there, and $part too, which was never whole: look which of them is the right one" >&2
  exit 1
fi
rm -rf -- "$part" || exit 1
for from; do
  [ -e "$from" ] || continue
  here=${from%/*}/.etcdtui-one-filesystem-$$ there=${to%/*}/.etcdtui-one-filesystem-$$
  : >"$here" || exit 1
  if ln -- "$here" "$there" 2>/dev/null; then one=yes; else one=; fi
  rm -f -- "$here" "$there"
  if [ -n "$one" ]; then
    echo "moving $from to $to"
    mv -n -T -- "$from" "$to" && [ ! -e "$from" ]; exit
  fi
  echo "copying $from to $to"
  cp -a --reflink=auto -- "$from" "$part" && sync && mv -n -T -- "$part" "$to" || exit 1
  if [ -e "$part" ]; then echo "$to came meanwhile: nothing is written over it" >&2; exit 1; fi
  [ -e "$from.put-back" ] || mv -n -T -- "$from" "$from.put-back"
  exit 0
done
echo "nothing to be put back to $to: none of $* is there" >&2
exit 1
"""
_THERE = """
if [ -e "$2" ]; then echo part; elif [ -e "$1" ]; then echo whole; else echo none; fi
"""
_SAID = {
    "whole": "is there",
    "part": "is not whole yet: the copy of it was begun and not ended",
    "none": "is not there",
}


def part_of(target: str) -> str:
    """Its name while it is not whole: beside it, and hidden, for the kubelet reads what is not."""
    folder, name = posixpath.split(target)
    return f"{folder}/.{name}.etcdtui-part"


def put_back(
    key: str,
    title: str,
    why: str,
    master: Master,
    target: str,
    candidates: tuple[str, ...],
    before: tuple[Check, ...],
    *,
    large: bool = False,
) -> Step:
    """``target`` is put back from the first of ``candidates`` that is there. ``large``: it may take minutes,
    and outlives our connection."""
    whole, part = there(master, target), part_of(target)
    return Step(
        key=key,
        title=title,
        why=f"{why} It belongs to {target}; it lies in {' or '.join(candidates)}.",
        action=Action.JOB if large else Action.COMMAND,
        host=master.host,
        argv=(*master.layout.sudo, "sh", "-c", _PUT_BACK, "etcdtui-put-back", target, *candidates),
        prechecks=before,
        done=whole,
        verify=whole,
        patience=10.0 if large else 30.0,
        measure=Measure(f"{part}/snap", "db") if large else None,
        cancel="What was put back stays so; the rest can be put back later.",
        directory=master.layout.at(master.layout.jobs),
        skippable=False,
    )


def there(master: Master, path: str) -> Check:
    """It is there, and whole."""

    def check(world: Context) -> Verdict:
        argv = (*master.layout.sudo, "sh", "-c", _THERE, "etcdtui-there", path, part_of(path))
        done = world.runner(master.host).run(argv, timeout=ASK)
        word = done.out().strip()
        said = _SAID.get(word if done.ok else "")
        if said is None:
            return Verdict(False, f"Whether {path} is there on {master.host} could not be looked at (sudo?).")
        return Verdict(word == "whole", f"{path} {said} on {master.host}.")

    return check
