"""Certificate requests: listed, judged, approved after a look. What does not fit is named, and left alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from etcdtui.errors import Conflict, EtcdTuiError, NotFound
from etcdtui.model.quorum import Verdict
from etcdtui.platforms import csrs
from etcdtui.platforms.csrs import Request, State
from etcdtui.procedures.procedure import Action, Check, Context, Gate, GateKind, Objects, Reporter, Step
from etcdtui.procedures.replace_api import patiently
from etcdtui.records import myself
from etcdtui.text import clean, counted, listed

SHOWN = 8  # requests that are told in a sentence


@dataclass(frozen=True, slots=True)
class Approving:
    """Whose requests may be approved. ``awaited`` tells the nodes with the names and addresses that are known
    of each, ``path`` where requests are; ``whom`` calls the nodes in a sentence, ``question`` is what the
    human is asked about them. All of them raise what the API raises."""

    awaited: Callable[[Objects], Mapping[str, Collection[str]]]
    path: Callable[[Objects], str]
    whom: str
    question: str

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

    def step(self, key: str, title: str, why: str) -> Step:
        """Approve what may be approved, after a look; passed over where nobody waits for that."""
        return Step(
            key=key,
            title=title,
            why=why,
            action=Action.WORK,
            argv=("oc", "adm", "certificate", "approve", "…"),
            gate=Gate(GateKind.CONFIRM, prompt="What is asked for is shown when it is there."),
            ask=self._ask,
            done=self._nothing,
            work=self._work,
            cancel="Nothing more is approved.",
        )

    def _nothing(self, world: Context) -> Verdict:
        waiting = self.approvable(world.objects())
        if waiting:
            return Verdict(False, f"{counted(len(waiting), 'request')} may be approved.")
        return Verdict(True, f"No request of {self.whom} waits for approval.{self._others(world)}")

    def _ask(self, world: Context) -> Gate:
        try:
            waiting = self.approvable(world.objects())
        except EtcdTuiError as exc:
            return Gate(GateKind.CONFIRM, prompt=f"{exc} Try to approve them?")
        if not waiting:
            return Gate()
        shown = " ".join(request.sentence(world.now()) for request in waiting[:SHOWN])
        more = f" And {len(waiting) - SHOWN} more of them." if len(waiting) > SHOWN else ""
        return Gate(GateKind.CONFIRM, prompt=f"{shown}{more} {self.question} Approve?")

    def _work(self, world: Context, report: Reporter) -> Verdict:
        api = patiently(report, world.objects)
        done = []
        for request in patiently(report, lambda: self.approvable(api)):
            if patiently(report, lambda name=request.name: self._approve(api, name, world.now())):  # type: ignore[misc]
                report.say(f"approved: {request.sentence(world.now())}")
                done.append(clean(request.name))
        said = f"Approved: {listed(done)}." if done else "Nothing was left to approve."
        return Verdict(True, f"{said}{self._others(world)}")

    def _approve(self, api: Objects, name: str, now: float) -> bool:
        """Whether we approved it; one that changed since it was looked at waits for the next try."""
        path = self.path(api)
        try:
            document = api.get(f"{path}/{name}")
            request = csrs.parse(document)
            if request is None or not csrs.may_approve(request, self.awaited(api)).allowed:
                return False
            api.put(csrs.approval_path(path, name), csrs.approval(document, now, str(myself())))
        except (NotFound, Conflict):
            return False
        return True

    def _others(self, world: Context) -> str:
        try:
            left = self.unapproved(world.objects())
        except EtcdTuiError:
            return ""
        return f" Left alone: {' '.join(left[:3])}" if left else ""
