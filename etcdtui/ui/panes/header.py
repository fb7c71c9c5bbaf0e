"""The top of the screen: which cluster, how it is, how fresh that is; and the banner for the worst."""

from __future__ import annotations

from etcdtui.model.findings import Finding, Severity
from etcdtui.model.health import Level, MemberState
from etcdtui.model.second_way import off_by
from etcdtui.model.view import FRESH_API
from etcdtui.text import age, clean
from etcdtui.ui.looks import Line, Role, Span, spread, wrap
from etcdtui.ui.parts.bar import Bar
from etcdtui.ui.picture import Picture
from etcdtui.ui.words import LEVEL, aged

NOW = 2.5  # seconds; younger than that is called "now", so that the header does not flicker
PATIENCE = 6.0  # seconds after the start before "nothing answered" is called trouble


class HeaderBar(Bar):
    """Name, versions, badges; verdict, arithmetic, age."""

    def show(self, picture: Picture) -> None:
        self.set_builder(lambda width: header(picture, width))


class Banner(Bar):
    """Stays as long as the trouble: what is known and what to do."""

    def show(self, picture: Picture) -> None:
        self.set_builder(lambda width: banner(picture, width))


def header(picture: Picture, width: int) -> list[Line]:
    """Both on one line, or one below the other; wrapped rather than cut."""
    lines = spread(identity(picture), verdict(picture), width - 1)
    return [part for line in lines for part in wrap(line, width, 1)]


def identity(picture: Picture) -> Line:
    """prod · OpenShift 4.16.3 · etcd 3.5.14, and the badges."""
    view = picture.view
    spans: list[Span] = [(f" {clean(view.name, 40)} ", Role.BADGE)]
    if picture.read_only or view.read_only:
        spans += [(" ", Role.PLAIN), (" READ-ONLY ", Role.NOTICE)]
    if picture.held is not None:
        spans += [(" ", Role.PLAIN), (f" PAUSED {age(picture.held)} ", Role.NOTICE)]
    api = view.api.value
    if api is not None and api.version:
        old = aged(view.api, view.now, FRESH_API)
        spans.append((f" · OpenShift {clean(api.version, 20)}", Role.MUTED if old else Role.PLAIN))
    versions = sorted({clean(r.status.version, 20) for r in picture.health.members if r.current and r.status})
    if versions:
        spans.append(
            (f" · etcd {' and '.join(versions[:3])}", Role.PLAIN if len(versions) == 1 else Role.WARN)
        )
    return tuple(spans)


def verdict(picture: Picture) -> Line:
    """● HEALTHY  3/3 voters · can lose 1 · as of now."""
    health = picture.health
    sign, role = LEVEL[health.level]
    known = health.quorum.voters > 0
    spans: list[Span] = [(f" {sign} {health.level.word}", role)]
    if health.source == "operator":
        spans.append((" (the operator says)", Role.MUTED))
    if known and health.level is not Level.UNKNOWN:
        spans.append((f"  {health.quorum.healthy}/{health.quorum.voters} voters", Role.PLAIN))
        spans.append((" · ", Role.MUTED))
        if health.level is Level.NO_QUORUM:
            spans.append((f"{health.quorum.needed} needed", Role.BAD))
        else:
            lose = health.quorum.tolerance
            spans.append((f"can lose {lose}", Role.PLAIN if lose else Role.WARN))
    spans.append((" · ", Role.MUTED))
    spans.append(_freshness(picture))
    return (*spans, *second_way(picture))


def second_way(picture: Picture) -> Line:
    """What the operator says, beside a verdict that rests on etcd itself."""
    view, health = picture.view, picture.health
    word = view.api.value.word if view.api.value else None
    if word is None or health.source == "operator":
        return ()
    old = aged(view.api, view.now, FRESH_API)
    count = f"{word.available}/{word.members}"
    if old:
        return ((f" · operator {old}: {count}", Role.MUTED),)
    if health.level is Level.UNKNOWN:
        return ((f" · operator says {count}", Role.PLAIN),)
    if off_by(word, health):
        return (" · ", Role.MUTED), (f"▲ operator says {count}", Role.WARN)
    return ((" · operator agrees", Role.MUTED),)


def _freshness(picture: Picture) -> Span:
    seconds = picture.health.age
    if seconds is None:
        waited = picture.view.now - picture.view.started if picture.view.started else 0.0
        return f"asking for {age(waited)}", Role.MUTED
    seconds += picture.held or 0.0
    if seconds < NOW:
        return "as of now", Role.MUTED
    return f"as of {age(seconds)} ago", Role.MUTED if seconds < 10 else Role.WARN


def trouble(picture: Picture) -> bool:
    """Is there something that must not be overlooked?"""
    worst = picture.findings[0] if picture.findings else None
    if worst is None or worst.severity is not Severity.CRITICAL:
        return False
    view, health = picture.view, picture.health
    if health.level is Level.UNKNOWN:
        waited = view.now - view.started if view.started else PATIENCE
        return health.age is not None or waited >= PATIENCE
    return health.level is Level.NO_QUORUM or any(row.state is MemberState.ALARM for row in health.members)


def beside_the_banner(picture: Picture) -> tuple[Finding, ...]:
    """The findings without the one that the banner tells, and without "cannot tell" while we still ask."""
    if trouble(picture):
        return picture.findings[1:]
    if picture.health.level is Level.UNKNOWN:
        return tuple(f for f in picture.findings if f.severity is not Severity.CRITICAL)
    return picture.findings


def banner(picture: Picture, width: int) -> list[Line]:
    """The first critical finding as a whole; how many more there are."""
    if not trouble(picture):
        return []
    worst = picture.findings[0]
    critical = sum(1 for f in picture.findings if f.severity is Severity.CRITICAL)
    more = f"  (+{critical - 1} more)" if critical > 1 else ""
    head: Line = ((" ✗ ", Role.BAD), (clean(worst.sentence), Role.BAD), (more, Role.PLAIN))
    lines = wrap(head, width - 1, 3)
    if worst.evidence:
        lines += wrap((("   ", Role.PLAIN), (clean(worst.evidence), Role.PLAIN)), width - 1, 3)[:3]
    if worst.next_step:
        lines += wrap((("   → ", Role.KEY), (clean(worst.next_step), Role.PLAIN)), width - 1, 5)
    return lines
