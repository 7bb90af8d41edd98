from __future__ import annotations

from benchmarks.latency import Course, Run, measure, table
from tests.support.emulated_deployment import EmulatedDeployment


def test_every_run_of_the_latency_benchmark_is_found_out_denied_and_refused(
    deployment: EmulatedDeployment,
) -> None:
    course = Course(
        stack=deployment.stack,
        log=deployment.log,
        findings=deployment.findings,
        enforcements=deployment.enforcements,
    )
    runs = [measure(course) for _ in range(2)]
    assert all(min(run.finding, run.deny, run.refused) >= 0 for run in runs)
    assert "2 runs" in table(runs)


def test_the_table_shows_percentiles_of_each_part() -> None:
    runs = [Run(finding=number, deny=2 * number, refused=3 * number, let_in=1) for number in range(101)]
    figures = [line.split()[-3:] for line in table(runs).splitlines()[2:]]
    assert figures == [["50", "95", "100"], ["100", "190", "200"], ["150", "285", "300"]]
