"""The words of the pages of a restore: the look, the advice, a backup, a host, the plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from etcdtui.errors import EtcdTuiError
from etcdtui.model.health import judge
from etcdtui.model.raised import skipped
from etcdtui.model.restore_advice import LAST_RESORT, Kind
from etcdtui.model.survivors import Survivor
from etcdtui.procedures.procedure import Procedure
from etcdtui.procedures.restore_offer import BackupOffer, HostOffer, Offer
from etcdtui.procedures.restore_survivors import Seen
from etcdtui.procedures.restore_text import Sort, Told, decided_of, total, typed
from etcdtui.text import age, clean, counted, grouped, listed
from etcdtui.ui.backup_words import verdict
from etcdtui.ui.looks import Line, Paragraph, Role, Span, fit, muted, plain, wrap
from etcdtui.ui.titled import TITLES, heading
from etcdtui.ui.words import LEVEL

MOST = 8  # backups that the advice names; the next page has all
KEYS = {Kind.REPLACE: "X", Kind.START: "s", Kind.QUORUM: "Q"}  # of the ways that etcdtui can open
PLACES = "backups"
ROLES = {
    Sort.WARNING: Role.BAD,
    Sort.HEADING: Role.STRONG,
    Sort.SENTENCE: Role.PLAIN,
    Sort.STEP: Role.STRONG,
    Sort.COMMAND: Role.KEY,
    Sort.GATE: Role.WARN,
    Sort.REFUSED: Role.BAD,
}


def trail(number: int, question: str, since: float | None) -> Line:
    """Which page this is, and how old that is on which it rests (seconds; None: it is being read)."""
    spans: list[Span] = [("Restore  ", Role.STRONG), (f"{number} of 4 ", Role.MUTED), (question, Role.STRONG)]
    if since is not None:
        spans.append((f"  as of {'now' if since < 1 else f'{age(since)} ago'}", Role.MUTED))
    return tuple(spans)


def trouble(error: EtcdTuiError, width: int) -> list[Line]:
    """What is wrong, and what to do."""
    lines = wrap((("✗ ", Role.BAD), (clean(error.message, 1000), Role.BAD)), width, 2)
    if error.hint:
        lines += wrap((("→ ", Role.KEY), (clean(error.hint, 1000), Role.PLAIN)), width, 2)
    return lines


# -- the first page


def looking(hosts: Iterable[str], seen: Mapping[str, Seen], seconds: float) -> list[Paragraph]:
    """How far the look is with every host."""
    out = [
        Paragraph(plain("Every host is asked at the same time, and every place for its backups.")),
        Paragraph(
            muted(
                f"Nothing is stopped, copied or changed. It takes a minute at most, {age(seconds)} so far; "
                "everything else goes on, esc leaves."
            )
        ),
        Paragraph(()),
    ]
    out.append(_seen(PLACES, seen.get("")))
    out += [_seen(clean(host, 100), seen.get(host)) for host in hosts]
    return out


def _seen(name: str, seen: Seen | None) -> Paragraph:
    if seen is None:
        sign, role, said = "○ ", Role.MUTED, "waits"
    else:
        sign, role = "◌ ", Role.ADVICE
        if seen.trouble:
            sign, role = "✗ ", Role.WARN
        elif seen.over:
            sign, role = "✓ ", Role.GOOD
        said = clean(seen.sentence, 600).removeprefix(f"{name} ")  # it stands before it
    words = fit(name, TITLES - 2) if len(name) < TITLES - 2 else f"{name}  "
    return Paragraph(((sign, role), (words, Role.STRONG), (said, Role.PLAIN)), TITLES)


def foremost(offer: Offer, width: int) -> list[Line]:
    """What must be seen before anything else."""
    if offer.begun:
        words = f"{clean(offer.begun, 400)} :resume goes on with it, :putback puts everything back."
        return wrap((("▲ ", Role.BAD), (words, Role.STRONG)), width, 2)
    lines: list[Line] = []
    if offer.advice.first:
        lines = wrap((("▲ ", Role.BAD), (clean(offer.advice.first, 1000), Role.STRONG)), width, 2)
    if not offer.advice.needed:
        lines += wrap((("▲ ", Role.WARN), (LAST_RESORT, Role.STRONG)), width, 2)
    return lines


def advice(offer: Offer) -> list[Paragraph]:
    """What is true, what else would do, whose data is the newest, the backups beside it."""
    told = offer.advice
    out = [*heading("What is true")[1:], *_truth(offer), *heading("Instead of a restore"), *_instead(offer)]
    note = "the newest first; what going on with it would lose"
    out += heading("Whose data is the newest", note if told.newest else "")
    out += [
        Paragraph((_sign(one), (clean(said, 1000), Role.PLAIN)), 2)
        for one, said in zip(told.ranked, told.survivors, strict=True)
    ]
    out += [*heading("The backups beside it"), *_beside(offer)]
    return out


def _truth(offer: Offer) -> list[Paragraph]:
    sign, role = LEVEL[judge(offer.looked.view).level]
    first, *others = offer.advice.truth
    out = [Paragraph(((f"{sign} ", role), (clean(first, 1000), Role.PLAIN)), 2)]
    return out + [Paragraph((("· ", Role.MUTED), (clean(line, 1000), Role.PLAIN)), 2) for line in others]


def _instead(offer: Offer) -> list[Paragraph]:
    out, told = [], set()
    shown_above = not offer.begun and not offer.advice.needed
    for way in offer.advice.ways:
        if way.sentence == LAST_RESORT and shown_above:
            continue
        key = KEYS.get(way.kind, "") if way.kind is not None and way.kind not in told else ""
        if way.kind is not None:
            told.add(way.kind)
        sign: Span = (f"{key} ", Role.KEY) if key else ("· ", Role.MUTED)
        out.append(Paragraph((sign, (clean(way.sentence, 1000), Role.PLAIN)), 2))
    return out


def _sign(survivor: Survivor) -> Span:
    if survivor.running:
        return "● ", Role.GOOD
    return ("○ ", Role.ADVICE) if survivor.usable else ("✗ ", Role.WARN)


def _beside(offer: Offer) -> list[Paragraph]:
    if not offer.advice.gaps:
        return [
            Paragraph((("· ", Role.MUTED), (clean(line), Role.PLAIN)), 2) for line in offer.advice.backups
        ]
    out = []
    for one, said in zip(offer.backups[:MOST], offer.advice.backups, strict=False):
        sign: Span = ("✗ ", Role.MUTED) if one.refusal else ("✓ ", Role.GOOD)
        no = " It cannot be restored as it is." if one.refusal and one.gap and one.gap.comparable else ""
        words = (clean(said, 1000), Role.MUTED if one.refusal else Role.PLAIN), (no, Role.MUTED)
        out.append(Paragraph((sign, *words), 2))
    more = len(offer.backups) - MOST
    if more > 0:
        out.append(Paragraph(muted(f"  {counted(more, 'older one')} more: enter shows all of them.")))
    return out


# -- the second page


def use_of(one: BackupOffer) -> Span:
    """May it be restored?"""
    if one.refusal is not None:
        words, role = verdict(one.backup, bool(one.gap and not one.gap.comparable))
        return (words, role) if not words.startswith("✓") else ("✗ not at hand", Role.WARN)
    if one.proposed:
        return "✓ proposed", Role.GOOD
    return ("▲ by typing", Role.WARN) if one.accept else ("✓ proven", Role.GOOD)


def behind(one: BackupOffer) -> Span:
    """How many revisions, or how long, it is behind the newest data."""
    gap = one.gap
    if gap is None or not gap.comparable:
        return "–", Role.MUTED
    if gap.revisions is not None and gap.revisions <= 0:
        return "nothing", Role.GOOD
    if gap.revisions is not None and not skipped(gap.revisions):
        return f"{grouped(gap.revisions)} revisions", Role.PLAIN
    return (age(gap.seconds), Role.PLAIN) if gap.seconds and gap.seconds > 0 else ("?", Role.MUTED)


def about_backup(one: BackupOffer, width: int) -> list[Line]:
    """Why it cannot be restored, or what that would lose and what has to be typed for it."""
    if one.refusal is not None:
        return trouble(one.refusal, width)
    said = one.gap.sentence if one.gap else "How far it is behind is not known: no data of etcd was found."
    lines = wrap((("✓ " if one.proposed else "· ", Role.GOOD), (clean(said, 600), Role.PLAIN)), width, 2)
    if one.accept:
        asked = listed([f"“{ack.phrase}”" for ack in one.accept])
        lines += wrap(
            (("▲ ", Role.WARN), (f"To be typed on the way: {clean(asked, 600)}", Role.PLAIN)), width, 2
        )
    return lines


# -- the third page


def host_paragraphs(one: HostOffer) -> tuple[Paragraph, ...]:
    """A host, and what speaks for it or forbids it."""
    name: Span = (clean(one.name, 100), Role.STRONG)
    if one.refusal:
        return (
            Paragraph((("✗ ", Role.BAD), name, ("  cannot take it", Role.BAD)), 2),
            Paragraph((("  ", Role.PLAIN), (clean(one.refusal, 1000), Role.PLAIN)), 2),
        )
    sign: Span = ("● ", Role.GOOD) if one.proposed else ("○ ", Role.MUTED)
    word: Span = ("  proposed", Role.GOOD) if one.proposed else ("", Role.PLAIN)
    reasons = [Paragraph((("  ", Role.PLAIN), (clean(r, 1000), Role.PLAIN)), 2) for r in one.reasons]
    return (Paragraph((sign, name, word), 2), _data(one.survivor), *reasons)


def _data(survivor: Survivor | None) -> Paragraph:
    told = survivor.position if survivor else None
    if survivor is None or told is None:
        return Paragraph((("  Nothing is known of its data.", Role.MUTED),), 2)
    state = "its member answers" if survivor.running else "its member does not answer; read from its disk"
    return Paragraph(((f"  Its data is at revision {grouped(told.revision)}: {state}.", Role.MUTED),), 2)


# -- the fourth page


def summary(made: Procedure, width: int) -> list[Line]:
    """What is lost, how long it takes, what has to be typed."""
    decided = decided_of(made)
    lines = wrap((("▲ ", Role.BAD), (clean(decided.lost, 600), Role.STRONG)), width, 2)
    phrases = counted(len(typed(made)), "phrase")
    words = f"{len(made.steps)} steps, usually about {age(total(made))}; {phrases} to be typed on the way."
    return lines + wrap((("· ", Role.MUTED), (words, Role.PLAIN)), width, 2)


def text(lines: Sequence[Told]) -> list[Paragraph]:
    """Lines of the dry run as paragraphs; their words are the same as on the command line."""
    return [Paragraph(((line.line, ROLES[line.sort]),), _hanging(line)) for line in lines]


def _hanging(line: Told) -> int:
    if line.sort is Sort.STEP:
        return 5
    return line.indent + (2 if line.sort is Sort.COMMAND else 0)


def copied(lines: Iterable[Told]) -> str:
    return "\n".join(line.line for line in lines)
