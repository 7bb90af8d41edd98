"""Reports case runs as JUnit XML, which GitLab, Jenkins and GitHub's reporters read.

One `testsuite` per rule, one `testcase` per case with its file. Invariant: text of rules and cases is
made printable first, for XML 1.0 cannot hold control characters and a server would refuse the report.
Format: https://github.com/testmoapp/junitxml
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from junitparser import Attr, Error, Failure, JUnitXml, TestCase, TestSuite

from sessionwarden.authoring.case_differences import differences
from sessionwarden.authoring.suite_runs import RuleResult
from sessionwarden.authoring.words import line

COVERAGE_CASE = "has cases of every needed kind"


class CaseElement(TestCase):  # type: ignore[misc]
    """A test case that says where it is written."""

    file = Attr("file")


def junit_report(results: Iterable[RuleResult], names: Mapping[str, str], *, strict: bool) -> bytes:
    """The bytes of a report. With `strict`, a rule that lacks a kind of case has a failed case for it.

    `names` are those of the rules by id.
    """
    report = JUnitXml("sessionwarden rules test")
    for result in results:
        suite = TestSuite(line(result.cases.rule.title))
        for element in _elements(result, names, strict=strict):
            suite.add_testcase(element)
        report.add_testsuite(suite)
    report.update_statistics()
    data: bytes = report.tostring()
    return data


def _elements(result: RuleResult, names: Mapping[str, str], *, strict: bool) -> Iterator[CaseElement]:
    title = result.cases.rule.title
    for timed in result.runs:
        run = timed.run
        yield _element(
            f"{run.case.name} ({run.case.kind})",
            rule=title,
            file=timed.file.file,
            seconds=timed.seconds,
            failures=[f"{one.sign} {one.what} {one.key}: {one.why}" for one in differences(run, names)],
            errors=[f"the rule raised {error!r}" for error in run.errors],
        )
    if strict:
        lacking = [f"no {kind} case" for kind in result.cases.lacking]
        yield _element(COVERAGE_CASE, rule=title, file=str(result.cases.source.file), failures=lacking)


def _element(
    name: str,
    *,
    rule: str,
    file: str,
    seconds: float = 0.0,
    failures: Iterable[str] = (),
    errors: Iterable[str] = (),
) -> CaseElement:
    """One case; of `failures` and `errors` the first is the headline and all are told."""
    element = CaseElement(line(name), classname=line(rule), time=round(seconds, 3))
    element.file = line(file)
    # one result a case: servers count elements, and a case with two differences is one that failed
    for kind, texts in ((Error, list(map(line, errors))), (Failure, list(map(line, failures)))):
        if texts:
            result = kind(texts[0])
            result.text = "\n".join(texts)
            element.result = [result]
    return element
