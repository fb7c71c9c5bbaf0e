"""All endpoints' latencies on one scale, in one widget."""

from __future__ import annotations

from bisect import bisect_left
from typing import ClassVar

from textual.binding import Binding, BindingType

from etcdtui.model.health import ClusterHealth, MemberHealth, is_slow
from etcdtui.model.latency import LatencySeries
from etcdtui.model.member_state import SLOW_READ
from etcdtui.model.rules.performance import COMMIT_ADVICE, COMMIT_ALERT, FSYNC_ADVICE, FSYNC_ALERT
from etcdtui.model.view import ClusterView, Way
from etcdtui.text import clean, milliseconds
from etcdtui.ui.looks import Line, Paragraph, Role, Span, fit, muted, width_of, wrap
from etcdtui.ui.messages import LatencyChosen
from etcdtui.ui.parts.lines import Lines
from etcdtui.ui.words import short_names

# One fixed scale for all members and all times: the picture never jumps, and the same bar means the same
# time everywhere. The last step is etcd's own limit for "took too long".
STEPS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, SLOW_READ)
BARS = "▁▂▃▄▅▆▇█"
GAP = "×"
SCALE = "▁ ≤1 ms  ▄ ≤10  █ >100  × failed"
NUMBER = 6
BY_ETCDCTL = "by etcdctl"
NO_LATENCY = "etcdctl connects anew for each question: its time is no latency."


class LatencyPane(Lines):
    """How long a linearizable read of each member takes."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "explain", "Details", show=True)]

    def __init__(self) -> None:
        super().__init__(id="latency", classes="pane")
        self.border_title = "2 Latency (linearizable read, ms)"
        self.border_subtitle = SCALE
        self._last: tuple[ClusterView, ClusterHealth] | None = None
        self._rendered: dict[int, list[Line]] = {}  # of the last, by width: asked for twice a picture

    def show(self, view: ClusterView, health: ClusterHealth) -> None:
        self._last, self._rendered = (view, health), {}
        width = self.scrollable_content_region.width
        if width and self.display:
            self.set_paragraphs([Paragraph(line) for line in self._made_for(health, width)])

    def wanted(self, width: int) -> int:
        """Lines it would take at this width."""
        if self._last is None:
            return 1
        return sum(len(wrap(line, width)) for line in self._made_for(self._last[1], width))

    def _made_for(self, health: ClusterHealth, width: int) -> list[Line]:
        if width not in self._rendered:
            self._rendered[width] = render(health, width)
        return self._rendered[width]

    def width_changed(self) -> None:
        super().width_changed()
        if self._last:
            self.show(*self._last)

    def action_explain(self) -> None:
        self.post_message(LatencyChosen())


def spark(series: LatencySeries, width: int) -> Line:
    """The last ``width`` samples as bars; a read that failed is a sign of its own."""
    spans: list[Span] = [(" " * max(0, width - len(series.samples)), Role.PLAIN)]
    for sample in series.samples[-width:] if width > 0 else ():
        sign, role = (
            (GAP, Role.BAD) if sample is None else (BARS[bisect_left(STEPS, sample)], _bar_role(sample))
        )
        if spans[-1][1] is role:
            spans[-1] = (spans[-1][0] + sign, role)
        else:
            spans.append((sign, role))
    return tuple(span for span in spans if span[0])


def _bar_role(sample: float) -> Role:
    return Role.WARN if sample > SLOW_READ else Role.ADVICE


def render(health: ClusterHealth, width: int) -> list[Line]:
    """Header, a row for each member, and the disks below."""
    rows = [row for row in health.members if row.endpoint is not None]
    if not rows:
        return [muted("No member has been asked yet.")]
    short = short_names([clean(row.member.label, 200) for row in rows])
    titles = ["last", "p50", "p99"] + (["alone"] if width >= 48 else [])
    numbers = len(titles) * (NUMBER + 1)
    name = min(max(len(n) for n in short.values()), max(8, width - numbers - 10))
    bars = max(0, width - name - numbers - 2)
    head = " " * (name + 1 + bars + 1) + "".join(" " + fit(t, NUMBER, right=True) for t in titles)
    lines = [muted(head)]
    for row in rows:
        assert row.endpoint is not None
        series, alone = row.endpoint.linearizable, row.endpoint.serializable
        values = [series.last, series.percentile(0.5), series.percentile(0.99), alone.last]
        label = short[clean(row.member.label, 200)]
        # Without samples, why there are none is said in their place.
        plot = muted(fit(BY_ETCDCTL, bars)) if row.endpoint.way is Way.ETCDCTL and not series.samples else ()
        lines.append(
            (
                (fit(label, name) + " ", Role.WARN if is_slow(alone) else Role.PLAIN),
                *(plot or spark(series, bars)),
                (" ", Role.PLAIN),
                *(_number(value, first=n == 0) for n, value in enumerate(values[: len(titles)])),
            )
        )
    if any(row.endpoint and row.endpoint.way is Way.ETCDCTL for row in rows):
        lines.append(muted(NO_LATENCY))
    return [*lines, *_disks(rows, width)]


def _number(value: float | None, *, first: bool) -> Span:
    role = Role.STRONG if first else Role.PLAIN
    if value is not None and value > SLOW_READ:
        role = Role.WARN
    return " " + fit(milliseconds(value), NUMBER, right=True), role if value is not None else Role.MUTED


def _disks(rows: list[MemberHealth], width: int) -> list[Line]:
    """fsync p99  4.1 · 3.9 · 812 ms   commit  7.0 · 6.1 · 40 ms; in the order of the rows."""
    metrics = [row.endpoint.metrics.value if row.endpoint and row.current else None for row in rows]
    if not any(metrics):
        return []
    fsync = _series([m.fsync_p99 if m else None for m in metrics], "fsync p99  ", FSYNC_ADVICE, FSYNC_ALERT)
    commit = _series(
        [m.commit_p99 if m else None for m in metrics], "commit p99  ", COMMIT_ADVICE, COMMIT_ALERT
    )
    if width_of(fsync) + width_of(commit) + 3 <= width:
        return [(*fsync, ("   ", Role.PLAIN), *commit)]
    return [fsync, commit]


def _series(values: list[float | None], title: str, advice: float, alert: float) -> Line:
    spans: list[Span] = [(title, Role.MUTED)]
    for n, value in enumerate(values):
        role = Role.PLAIN if value is not None else Role.MUTED
        if value is not None and value > advice:
            role = Role.BAD if value > alert else Role.WARN
        spans += [(" · " if n else "", Role.MUTED), (milliseconds(value), role)]
    return (*spans, (" ms", Role.MUTED))
