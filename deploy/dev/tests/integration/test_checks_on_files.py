"""Each check that reads files finds a planted violation and passes a tree without one."""

from collections.abc import Callable

import pytest

from msaas.dev.checks import Tree, leaks, metrics, modules

MakeRepository = Callable[[dict[str, str]], Tree]


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("a.py", '"""Long."""\n' * 401, "401 lines, at most 400"),
        ("src/tests/test_a.py", '"""Long."""\n' * 501, "501 lines, at most 500"),
        ("a.tsx", "\n" * 401, "401 lines, at most 400"),
        ("a.py", "x = 1\n", "does not open with a sentence"),
        ("a.py", '"""Title"""\n', "does not open with a sentence"),
    ],
)
def test_a_long_or_undocumented_module_is_reported(
    make_repository: MakeRepository, name: str, text: str, complaint: str
) -> None:
    (problem,) = modules.find_problems(make_repository({name: text}))
    assert problem.startswith(name)
    assert complaint in problem


def test_a_library_over_its_budget_is_reported_with_its_long_module(
    make_repository: MakeRepository,
) -> None:
    folder = "libs/messaging/src/msaas/messaging"
    docstring = '"""Says it."""\n'
    long, *others = (f"{folder}/{name}.py" for name in "abcd")
    tree = make_repository(
        {long: docstring + "\n" * 250} | dict.fromkeys(others, docstring + "\n" * 219)
    )
    in_module, in_all = modules.find_problems(tree)
    assert in_module.startswith(f"{long}: 251 lines, at most 250")
    assert in_all.startswith("libs/messaging/src/: 911 lines in all, at most 900")


def test_a_module_of_the_allowed_length_with_a_docstring_passes(
    make_repository: MakeRepository,
) -> None:
    tree = make_repository({"a.py": '"""Says it."""\n' + "\n" * 399, "tests/test_a.ts": "\n" * 400})
    assert not list(modules.find_problems(tree))


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("see https://py", "pi.org/simple"), "registry"),
        (("https://registry.npm", "js.org/x"), "registry"),
        (("http://deb.deb", "ian.org"), "registry"),
        (("log in ", "/ro", "ot/x"), "one machine"),
        (("path=", "/ho", "me/ann/x"), "one machine"),
        (("-----BEGIN RSA PRI", "VATE KEY-----"), "private key"),
    ],
)
def test_forbidden_files_are_found(
    make_repository: MakeRepository, words: tuple[str, ...], complaint: str
) -> None:
    (problem,) = leaks.find_problems(make_repository({"a.txt": "first\n" + "".join(words)}))
    assert problem.startswith("a.txt:2: ")
    assert complaint in problem


def test_a_lock_file_that_names_its_sources_is_refused(make_repository: MakeRepository) -> None:
    assert list(leaks.find_problems(make_repository({"uv.lock": ""})))


def test_ordinary_text_and_urls_are_no_leak(make_repository: MakeRepository) -> None:
    text = "PyPI, GET https://example.com/home/x, `api/work/1`, ~/root/x"
    assert not list(leaks.find_problems(make_repository({"a.md": text})))


def test_files_that_git_ignores_are_not_checked(make_repository: MakeRepository) -> None:
    tree = make_repository({".gitignore": "uv.lock\n", "uv.lock": "", "kept": ""})
    assert tree.files == (".gitignore", "kept")


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ('metrics.gauge("queue_depth", "x")', "none of the families"),
        ('metrics.counter("msaas_messages", "x")', "does not end in _total"),
        ('Counter("billing_reports", "x")', "does not end in _total"),
        ('metrics.histogram("msaas_wait_ms", "x")', "not in base units"),
        ('metrics.gauge("msaas_jobs", "x", labels=("user_id",))', "an unbounded label: user_id"),
        ('metrics.gauge("msaas_jobs", "x", ["service"])', "which the registry stamps"),
        ('GaugeMetricFamily("depth", "x")', "none of the families"),
    ],
)
def test_a_metric_against_the_naming_rules_is_found(
    make_repository: MakeRepository, code: str, complaint: str
) -> None:
    (problem,) = metrics.find_problems(make_repository({"libs/a/src/msaas/a/x.py": f"{code}\n"}))
    assert problem.startswith("libs/a/src/msaas/a/x.py:1: ")
    assert complaint in problem


def test_well_named_metrics_and_other_calls_pass(make_repository: MakeRepository) -> None:
    code = """
metrics.counter("msaas_messages_total", "x", labels=("topic", "outcome"))
metrics.histogram("http_server_request_duration_seconds", "x", ("route",))
metrics.gauge(name, "x")
Counter(words)
handlers[0]("depth")
"""
    assert not list(metrics.find_problems(make_repository({"libs/a/src/msaas/a/x.py": code})))
