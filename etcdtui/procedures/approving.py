"""Certificate requests: listed, judged, approved after a look. What does not fit is named, and left alone.

Approved is what was shown, and nothing else: one that came after the question is asked about in its turn.
"""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from etcdtui.errors import Cancelled, Conflict, EtcdTuiError, NotFound
from etcdtui.model.quorum import Verdict
from etcdtui.platforms import csrs
from etcdtui.platforms.csrs import Request, State
from etcdtui.procedures.procedure import Action, Check, Context, Gate, GateKind, Objects, Reporter, Step
from etcdtui.procedures.replace_api import patiently
from etcdtui.records import myself
from etcdtui.text import age, clean, counted, listed

LINES, WIDTH = 3, 74  # of a question on a screen of 80 columns, with all of it to be seen
PAUSE = 2.0  # seconds between two looks
AFTER = "enter goes on."  # what the screen adds


@dataclass(slots=True)
class _Round:
    """What was shown last, by name and uid; what was approved so far; whether more is to be asked about."""

    shown: frozenset[tuple[str, str]] = frozenset()
    approved: list[str] = field(default_factory=list)
    more: bool = False


@dataclass(frozen=True, slots=True)
class Until:
    """What is waited for after the approval, ``patience`` seconds; ``ways``: what else than waiting would do.
    Who asks meanwhile is asked about."""

    check: Check
    patience: float
    ways: str


@dataclass(frozen=True, slots=True)
class Approving:
    """Whose requests may be approved. ``awaited`` tells the nodes with the names and addresses that are known
    of each, ``path`` where requests are; ``whom`` calls the nodes in a sentence, ``question`` is what the
    human is asked about those that are shown. All of them raise what the API raises."""

    awaited: Callable[[Objects], Mapping[str, Collection[str]]]
    path: Callable[[Objects], str]
    whom: str
    question: Callable[[Sequence[Request]], str]

    def approvable(self, api: Objects) -> list[Request]:
        """Pending requests that fit in everything, oldest first."""
        pending = self.pending(api)
        if not pending:
            return []
        awaited = self.awaited(api)
        return [r for r in pending if csrs.may_approve(r, awaited).allowed]

    def pending(self, api: Objects) -> list[Request]:
        """All that nobody has decided about, oldest first."""
        requests = csrs.parse_all(api.get_list(self.path(api)))
        return [r for r in requests if r.state is State.PENDING]

    def unapproved(self, api: Objects) -> list[str]:
        """Sentences about pending requests that are not approved here."""
        awaited = self.awaited(api)
        verdicts = [csrs.may_approve(r, awaited) for r in self.pending(api)]
        return [verdict.reason for verdict in verdicts if not verdict.allowed]

    @property
    def waits(self) -> Check:
        """Does a request that may be approved wait?"""

        def check(world: Context) -> Verdict:
            found = self.approvable(world.objects())
            if found:
                return Verdict(True, found[0].sentence(world.now()))
            return Verdict(False, f"No request of {self.whom} waits.")

        return check

    def step(self, key: str, title: str, why: str, until: Until | None = None) -> Step:
        """Approve what may be approved, after a look at each; passed over where nobody waits for that."""
        asked = _Round()
        return Step(
            key=key,
            title=title,
            why=why,
            action=Action.WORK,
            argv=("oc", "adm", "certificate", "approve", "…"),
            gate=Gate(GateKind.CONFIRM, prompt="What is asked for is shown when it is there."),
            ask=partial(self._ask, asked),
            done=partial(self._nothing, until),
            work=partial(self._work, asked, until),
            again=lambda world: Verdict(asked.more, f"{'More' if asked.more else 'Nothing'} is to be shown."),
            cancel="Nothing more is approved.",
        )

    def _nothing(self, until: Until | None, world: Context) -> Verdict:
        waiting = self.approvable(world.objects())
        if waiting:
            return Verdict(False, f"{counted(len(waiting), 'request')} may be approved.")
        if until is not None:
            return until.check(world)
        return Verdict(True, f"No request of {self.whom} waits for approval.{self._others(world)}")

    def _ask(self, asked: _Round, world: Context) -> Gate:
        asked.shown = frozenset()
        try:
            waiting = self.approvable(world.objects())
        except EtcdTuiError as exc:
            return Gate(GateKind.CONFIRM, prompt=f"{exc} Nothing is approved unseen. Look again?")
        if not waiting:
            return Gate()
        shown = self._fitting(waiting)
        asked.shown = frozenset((r.name, r.uid) for r in shown)
        return Gate(GateKind.CONFIRM, prompt=self._question(shown, len(waiting)))

    def _question(self, shown: Sequence[Request], waiting: int) -> str:
        left = waiting - len(shown)
        more = f" {left} more after that." if left else ""
        return f"{'; '.join(r.brief for r in shown)}.{more} {self.question(shown)} Approve?"

    def _fitting(self, waiting: Sequence[Request]) -> Sequence[Request]:
        """As many as are seen with the whole question; one at least."""
        count = 1
        while count < len(waiting):
            said = f"{self._question(waiting[: count + 1], len(waiting))} {AFTER}"
            if len(textwrap.wrap(said, WIDTH, break_on_hyphens=False)) > LINES:
                break
            count += 1
        return waiting[:count]

    def _work(self, asked: _Round, until: Until | None, world: Context, report: Reporter) -> Verdict:
        api = patiently(report, world.objects)
        for request in patiently(report, lambda: self.approvable(api)):
            if (request.name, request.uid) not in asked.shown:
                continue
            if patiently(report, lambda wanted=request: self._approve(api, wanted, world.now())):  # type: ignore[misc]
                report.say(f"approved: {request.sentence(world.now())}")
                asked.approved.append(clean(request.name))
        asked.shown = frozenset()
        found = self._more(asked, until, world, report)
        if not found.allowed:
            return found
        said = f"Approved: {listed(asked.approved)}." if asked.approved else "Nothing was left to approve."
        return Verdict(True, f"{said}{' ' if found.reason else ''}{found.reason}{self._others(world)}")

    def _more(self, asked: _Round, until: Until | None, world: Context, report: Reporter) -> Verdict:
        """Until somebody asks who has not been shown, or what is waited for is so."""
        end, seen = time.monotonic() + (until.patience if until else 0.0), ""
        while True:
            asked.more = bool(patiently(report, lambda: self.approvable(world.objects())))
            if asked.more or until is None:
                return Verdict(True, "")
            found = patiently(report, lambda: until.check(world))
            if found.allowed:
                return found
            if found.reason != seen:
                seen = found.reason
                report.say(seen)
            if time.monotonic() > end:
                return Verdict(False, f"{seen} Waited for {age(until.patience)}. {until.ways}")
            if report.cancelled.wait(PAUSE):
                raise Cancelled("Stopped while it waited.")

    def _approve(self, api: Objects, shown: Request, now: float) -> bool:
        """Whether we approved it; one that changed since it was shown is shown anew."""
        path = self.path(api)
        try:
            document = api.get(f"{path}/{shown.name}")
            request = csrs.parse(document)
            if request is None or request.uid != shown.uid:
                return False
            if not csrs.may_approve(request, self.awaited(api)).allowed:
                return False
            api.put(csrs.approval_path(path, shown.name), csrs.approval(document, now, str(myself())))
        except (NotFound, Conflict):
            return False
        return True

    def _others(self, world: Context) -> str:
        try:
            left = self.unapproved(world.objects())
        except EtcdTuiError:
            return ""
        return f" Left alone: {' '.join(left[:3])}" if left else ""
