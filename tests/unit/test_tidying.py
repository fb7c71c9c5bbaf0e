"""What lies on hosts is removed after a run: of all its attempts, and of runs that were abandoned."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from etcdtui.errors import EtcdTuiError, Refusal, Unreachable
from etcdtui.journal import Journal
from etcdtui.procedures.procedure import Answer, Choice, Ending
from etcdtui.procedures.tidying import tidy
from etcdtui.reach.jobs import Job
from tests.procedures import FakeJobs, job_step, procedure, run
from tests.views import NOW


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal")


def test_every_attempt_is_forgotten(journal: Journal) -> None:
    jobs = FakeJobs(status=1)

    def well_from_now_on() -> None:
        jobs.status = 0

    jobs.on_end = well_from_now_on
    finished, _ = run(procedure(job_step()), journal, Answer(Choice.RETRY), jobs=jobs)
    assert finished.ending is Ending.DONE
    assert jobs.begun == ["test-1-long", "test-1-long-2"] == jobs.forgotten


@dataclass
class Hosts:
    """Where jobs lie. ``trouble`` holds hosts or jobs that cannot be tidied, and why."""

    trouble: dict[str, EtcdTuiError] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def forget(self, host: str, job: Job) -> None:
        self.asked.append((host, job.id))
        for key in (host, job.id):
            if key in self.trouble:
                raise self.trouble[key]


def left(journal: Journal, id_: str, *hosts: str, abandoned: bool = True) -> None:
    record, _ = journal.begin(procedure(job_step(), id_=id_), NOW)
    for number, host in enumerate(hosts, 1):
        facts = {"job": f"{id_}-{number}", "directory": "/var/tmp/jobs", "argv": ["true"]}
        record.write(NOW, "command", "long", host=host, **facts)
    record.close()
    if abandoned:
        journal.abandon(id_, "It was rebuilt.", NOW)


def tidied(journal: Journal, hosts: Hosts) -> list[tuple[str, str]]:
    hosts.asked.clear()
    tidy(journal, "test-9", hosts.forget, lambda: NOW)
    return hosts.asked


def test_abandoned_runs_are_tidied_once_and_interrupted_ones_are_left(journal: Journal) -> None:
    left(journal, "test-1", "m1", "m2")
    left(journal, "test-2", "m3", abandoned=False)
    left(journal, "test-9", "m1", abandoned=False)
    assert tidied(journal, Hosts()) == [("m1", "test-9-1"), ("m1", "test-1-1"), ("m2", "test-1-2")]
    assert tidied(journal, Hosts()) == [("m1", "test-9-1")]


def test_a_host_that_is_silent_is_asked_once_and_again_the_next_time(journal: Journal) -> None:
    left(journal, "test-1", "m1", "m1", "m2")
    left(journal, "test-9", abandoned=False)
    hosts = Hosts({"m1": Unreachable("m1 is gone.")})
    assert tidied(journal, hosts) == [("m1", "test-1-1"), ("m2", "test-1-3")]
    hosts.trouble.clear()
    assert len(tidied(journal, hosts)) == 3
    assert tidied(journal, hosts) == []


def test_a_job_that_still_runs_keeps_its_record(journal: Journal) -> None:
    left(journal, "test-1", "m1", "m1")
    left(journal, "test-9", abandoned=False)
    both = [("m1", "test-1-1"), ("m1", "test-1-2")]
    assert tidied(journal, Hosts({"test-1-1": Refusal("It still runs.")})) == both
    assert tidied(journal, Hosts()) == both
    assert tidied(journal, Hosts()) == []


def test_a_record_that_names_no_proper_job_harms_nothing(journal: Journal) -> None:
    record, _ = journal.begin(procedure(job_step(), id_="test-9"), NOW)
    for facts in ({"job": "../x", "directory": "/a"}, {"job": "x", "directory": "/"}, {"job": "x"}):
        record.write(NOW, "command", "long", host="m1", argv=["true"], **facts)
    record.close()
    assert tidied(journal, Hosts()) == []
