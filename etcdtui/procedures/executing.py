"""Does what a step says, on the record: a command, a job that outlives us, or work of etcdtui's own."""

from __future__ import annotations

from etcdtui.errors import EtcdTuiError, Unreachable
from etcdtui.procedures.checking import Scene
from etcdtui.procedures.desk import Desk
from etcdtui.procedures.following import Ended, Follower, Jobs, Lost, job_of
from etcdtui.procedures.history import Past
from etcdtui.procedures.procedure import Step, StepChanged, StepState
from etcdtui.procedures.turns import stuck
from etcdtui.procedures.working import Worker
from etcdtui.records import JournalError


class Executor:
    """For one run. Where a step did not succeed the human is asked: then a Turn is raised."""

    def __init__(self, procedure_id: str, desk: Desk, jobs: Jobs, scene: Scene) -> None:
        self._procedure_id, self._desk, self._jobs, self._scene = procedure_id, desk, jobs, scene

    def command(self, step: Step) -> Ended:
        """A short command, to its end."""
        desk, runner = self._desk, self._scene.runner(step.host)
        desk.begin()
        desk.change(step, StepState.RUNNING)
        desk.note("command", step, host=step.host, argv=list(step.argv))
        try:
            done = desk.during(
                step,
                lambda: runner.run(step.argv, timeout=step.timeout),
                f"the end of the command on {step.host}",
                cut=False,
            )
        except EtcdTuiError as exc:
            known = "" if not isinstance(exc, Unreachable) else " Whether the command ran there is not known."
            stuck(desk, step, f"{step.title}: {exc}{known}")
            raise AssertionError("a stuck step takes a turn") from exc
        desk.output(step, done.out(), stderr=False)
        desk.output(step, done.err(), stderr=True)
        desk.note("ended", step, status=done.status, stdout=done.out(), stderr=done.err())
        return Ended(done.status, done.out() + done.err())

    def work(self, step: Step) -> str:
        """A piece of work of etcdtui's own; what it found."""
        desk = self._desk
        desk.begin()
        desk.change(step, StepState.RUNNING)
        desk.note("work", step)
        try:
            verdict = Worker(desk, self._scene, step).run()
        except EtcdTuiError as exc:
            stuck(desk, step, f"{step.title}: {exc}")
            raise AssertionError("a stuck step takes a turn") from exc
        if not verdict.allowed:
            stuck(desk, step, verdict.reason)
        return verdict.reason

    def job(self, step: Step, past: Past) -> Ended:
        """A command that outlives us, from its start."""
        follower = self._follower(step, past)
        self._desk.change(step, StepState.RUNNING)
        try:
            follower.start()
            return follower.to_the_end()
        except JournalError:
            raise
        except (Lost, EtcdTuiError) as exc:
            stuck(self._desk, step, f"{step.title}: {exc}")
            raise AssertionError("a stuck step takes a turn") from exc

    def pick_up(self, step: Step, past: Past) -> Ended | None:
        """Go on with the job of an interrupted run; None when it never began."""
        desk, follower = self._desk, self._follower(step, past)
        desk.change(step, StepState.RUNNING, f"Looking for the command on {step.host}.")
        try:
            state = follower.found()
            if state.state == "absent" and not past.confirmed:
                return None
            if not past.confirmed:
                desk.note("started", step)
            desk.tell(
                StepChanged(step.key, StepState.RUNNING, f"Its command on {step.host} was found again.")
            )
            if past.cancelling:
                return follower.cancel_again()
            return follower.to_the_end(state)
        except JournalError:
            raise
        except (Lost, EtcdTuiError) as exc:
            stuck(desk, step, f"{step.title}: {exc}")
            raise AssertionError("a stuck step takes a turn") from exc

    def began(self, step: Step, past: Past) -> bool:
        """Whether its job is on its host by now."""
        try:
            return self._follower(step, past).found().state != "absent"
        except (Lost, EtcdTuiError):
            return False

    def _follower(self, step: Step, past: Past) -> Follower:
        job = job_of(self._procedure_id, step, past.attempt)
        runner = self._scene.runner(step.host)
        return Follower(self._desk, self._jobs, runner, step, job, self._scene)
