"""An examination as paragraphs: the sentence first, then its layers, then what they rest on."""

from __future__ import annotations

from etcdtui.model.examination import Advice, Cause, Examination, Layer, Outcome
from etcdtui.text import clean
from etcdtui.ui.looks import Line, Paragraph, Role, fit
from etcdtui.ui.titled import heading

NAMES = 12  # cells of a layer's sign and name
_SIGNS = {
    Outcome.OK: ("✓", Role.GOOD),
    Outcome.BAD: ("✗", Role.BAD),
    Outcome.UNKNOWN: ("?", Role.WARN),
    Outcome.NOT_ASKED: ("·", Role.MUTED),
}
_ROLES = {
    Advice.WAIT: Role.WARN,
    Advice.RESTART: Role.BAD,
    Advice.REPAIR: Role.BAD,
    Advice.REPLACE: Role.BAD,
    Advice.LEAVE: Role.WARN,
}


def examined(seen: Examination) -> list[Paragraph]:
    """All of it."""
    return [*verdict(seen), Paragraph(()), *_layers(seen.layers), *_evidence(seen)]


def verdict(seen: Examination) -> list[Paragraph]:
    """The sentence; while something is awaited it is said to be only what was seen so far."""
    sign, role = ("●", Role.GOOD) if seen.cause is Cause.NOTHING else ("✗", _ROLES[seen.advice])
    so_far: Line = () if seen.complete else (("So far: ", Role.WARN),)
    out = [Paragraph(((f"{sign} ", role), *so_far, (clean(seen.sentence, 2000), Role.STRONG)), 2)]
    if seen.complete and seen.advice is Advice.REPLACE:
        keys: Line = (("x", Role.KEY), (" on its row marks it, ", Role.MUTED), ("X", Role.KEY))
        out.append(Paragraph((("  ", Role.PLAIN), *keys, (" opens the guide.", Role.MUTED)), 2))
    return out


def _layers(layers: tuple[Layer, ...]) -> list[Paragraph]:
    out = []
    for layer in layers:
        sign, role = _SIGNS[layer.outcome]
        words = Role.PLAIN if layer.outcome in (Outcome.OK, Outcome.BAD) else Role.MUTED
        line: Line = (
            (f"{sign} ", role),
            (fit(layer.name, NAMES - 2), Role.MUTED),
            (clean(layer.sentence, 600), words),
        )
        out.append(Paragraph(line, NAMES))
    return out


def _evidence(seen: Examination) -> list[Paragraph]:
    """What is bad first; of what is good only what there is to know."""
    out: list[Paragraph] = []
    if seen.because:
        out += heading("Why it is believed")
        out += [Paragraph((("  ", Role.PLAIN), (clean(why, 1000), Role.PLAIN)), 4) for why in seen.because]
    told = sorted((la for la in seen.layers if la.evidence), key=lambda la: la.outcome is not Outcome.BAD)
    if told:
        out += heading("Evidence")
    for layer in told:
        for number, line in enumerate(layer.evidence):
            name = fit(f"  {layer.name}" if number == 0 else "", NAMES)
            out.append(Paragraph(((name, Role.MUTED), (clean(line, 1000), Role.PLAIN)), NAMES))
    return out
