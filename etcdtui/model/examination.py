"""Why is this member bad? Its layers, the cause, how sure that is, and what to do, in one sentence. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from etcdtui.model.causes import TREATMENTS, Advice, Case, Cause, Diagnosis, Sure
from etcdtui.model.diagnosis import diagnose
from etcdtui.model.evidence import Evidence
from etcdtui.model.health import judge
from etcdtui.model.layers import Layer, Outcome, layers_of
from etcdtui.model.probe import Probe
from etcdtui.model.view import ClusterView

__all__ = ["Advice", "Case", "Cause", "Examination", "Layer", "Outcome", "Sure", "examine"]


@dataclass(frozen=True, slots=True)
class Examination:
    """``sentence`` holds it all: what is wrong, how sure that is, what to do, and the documents' case.

    Until it is ``complete`` it is what has been seen so far.
    """

    name: str
    layers: tuple[Layer, ...]
    cause: Cause
    sure: Sure
    sentence: str
    advice: Advice
    case: Case = Case.NONE
    because: tuple[str, ...] = ()
    complete: bool = True

    @property
    def ails(self) -> bool:
        """Something is wrong with it, or could not be told."""
        return self.cause is not Cause.NOTHING


def examine(view: ClusterView, member_id: int, probe: Probe) -> Examination:
    """Judge one member by what is known of it always, and by what was asked just now."""
    health = judge(view)
    row = health.member(member_id)
    if row is None:
        name = f"{member_id:x}"
        gone = Diagnosis(Cause.GONE, f"{name} is not in the member list (removed?)", sure=Sure.CERTAIN)
        return _examination(name, (), gone, probe)
    evidence = Evidence(view, health, row, probe)
    found = diagnose(evidence)
    if not probe.complete and found.sure is Sure.CERTAIN and found.cause is not Cause.UNSTARTED:
        found = replace(found, sure=Sure.LIKELY)  # something is still awaited that may disagree
    return _examination(row.member.label, layers_of(evidence), found, probe)


def _examination(name: str, layers: tuple[Layer, ...], found: Diagnosis, probe: Probe) -> Examination:
    usual = TREATMENTS[found.cause]
    advice, step = found.advice or usual.advice, found.step or usual.step
    case = usual.case if advice is Advice.REPLACE else Case.NONE
    if case is Case.MACHINE and probe.machine is not None and probe.machine.bare_metal:
        case = Case.BARE_METAL
    told = f"{found.what} ({found.sure.value}{_rest(found)})"
    chapter = f" The documents call this case: {case.value}." if case is not Case.NONE else ""
    sentence = f"{told[0].upper()}{told[1:]}. {advice.value.capitalize()}: {step}.{chapter}"
    if found.what.startswith(name):  # a name is written as it is
        sentence = told + sentence[len(told) :]
    return Examination(
        name, layers, found.cause, found.sure, sentence, advice, case, found.because, probe.complete
    )


def _rest(found: Diagnosis) -> str:
    return f": {found.because[0]}" if found.because else ""
