"""Case runs in, JUnit XML out, as GitLab, Jenkins and GitHub's reporters read it.

One `testsuite` per rule, one `testcase` per case with its file. Invariant: text of rules and cases is
made printable first, for XML 1.0 cannot hold control characters and a server would refuse the report.
Format: https://github.com/testmoapp/junitxml
"""

from __future__ import annotations

from collections.abc import Iterable

from junitparser import Attr, Error, Failure, JUnitXml, TestCase, TestSuite

from sessionwarden.authoring.words import line

COVERAGE_CASE = "has cases of every needed kind"


class CaseElement(TestCase):  # type: ignore[misc]
    """A test case that says where it is written."""

    file = Attr("file")


def junit_xml(suites: Iterable[TestSuite]) -> bytes:
    """The bytes of a report, with its counts."""
    report = JUnitXml("sessionwarden rules test")
    for suite in suites:
        report.add_testsuite(suite)
    report.update_statistics()
    data: bytes = report.tostring()
    return data


def suite_element(name: str, cases: Iterable[CaseElement]) -> TestSuite:
    """One rule's cases."""
    suite = TestSuite(line(name))
    for case in cases:
        suite.add_testcase(case)
    return suite


def case_element(
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
