"""Which tests start processes or a browser, or train; which share a worker; and which run first.

``scripts/test --quick`` skips the kinds named here.
"""

from collections.abc import Iterable

from tests import ROOT

KINDS = {
    "browser": ["browser"],
    "process": [
        "build_models/commands/test_command_line.py::test_help_is_there_as_it_is_documented",
        "build_models/data/test_sample.py::test_the_command_line_prints_a_pack_that_cannot_be_used_as_one_line",
        "build_models/workspace/test_workspace.py::test_a_killed_build_leaves_no_lock",
        "deploy/test_images.py",
        "deploy/test_kubernetes.py::test_kustomize_renders_valid_objects",
        "deploy/test_observability.py::test_prometheus_takes_configuration_and_rules",
        "deploy/test_observability.py::test_an_alert_is_raised_by_what_it_is_about",
        "e2e",
        "hub",
        "loadtests/test_compare.py",
        "loadtests/test_failing_runs.py",
        "loadtests/test_locust.py",
        "loadtests/test_matrix.py",
        "loadtests/test_soak.py",
        "scripts",
        "service/admission/test_limits.py::test_a_signal_without_a_handler_does_what_it_does_by_default_once_nothing_is_in_flight",
        "service/artifacts/test_manifest.py::test_a_disk_that_is_really_full_leaves_the_old_artifact",
        "service/http/test_client.py",
        "service/http/test_snippets.py",
        "service/telemetry/test_tracing.py::test_without_the_variables_nothing_is_recorded",
        "service/telemetry/test_tracing.py::test_the_exporter_is_the_one_that_the_environment_names",
        "service/telemetry/test_tracing.py::test_an_exporter_that_is_not_there_is_named",
        "service/test_settings.py::test_affinity_is_respected",
        "test_boundaries.py::test_importing_the_service_s_ground_floor_is_light",
    ],
    "training": [
        "build_models/bases/test_base.py",
        "build_models/bases/test_pretrain.py",
        "build_models/bundled/test_default_build.py",
        "build_models/experiments/test_frontier.py",
        "build_models/experiments/test_grid.py",
        "build_models/experiments/test_techniques.py",
        "build_models/recipes/pocket/test_pocket.py",
        "build_models/workspace/test_kill.py",
        "hub",
    ],
}
"""Prefixes of test ids below tests/. Tests that use a trained model are found by their fixtures."""

TRAINED = {"base", "built", "built_folder"}
"""Fixtures that train."""

GROUPS = [
    # These kill builds and grids. Their processes are forked from one that has imported the build.
    ["build_models/experiments", "build_models/bases/test_pretrain.py", "build_models/workspace/test_kill.py"],
    ["browser"],
    ["loadtests"],
    # The tests that share a server.
    [
        "e2e/test_serve.py",
        "e2e/test_accuracy.py",
        "e2e/test_schema.py",
        "e2e/test_prometheus.py",
        "e2e/test_annotate.py",
    ],
]
"""Tests that share expensive fixtures. The others are distributed file by file."""

FIRST = ["build_models/experiments", "browser", "e2e", "build_models/workspace", "loadtests"]
"""The longest files start first, so that the workers finish together."""

for _places in [*KINDS.values(), *GROUPS, FIRST]:
    for _place in _places:
        if not (ROOT / "tests" / _place.partition("::")[0]).exists():
            raise FileNotFoundError(f"tests/kinds.py names {_place}, which does not exist")


def _begins(nodeid: str, places: Iterable[str]) -> bool:
    name = nodeid.removeprefix("tests/")
    return any(name.startswith((f"{place}/", f"{place}::", f"{place}[")) or name == place for place in places)


def kinds_of(nodeid: str, fixtures: Iterable[str]) -> set[str]:
    kinds = {kind for kind, places in KINDS.items() if _begins(nodeid, places)}
    return kinds | {"training"} if TRAINED & set(fixtures) else kinds


def group_of(nodeid: str) -> str:
    """The tests that one worker runs: those of an entry of GROUPS, or of a file."""
    return next((group[0] for group in GROUPS if _begins(nodeid, group)), nodeid.partition("::")[0])


def place_in_order(nodeid: str) -> tuple[int, str]:
    first = next((number for number, place in enumerate(FIRST) if _begins(nodeid, [place])), len(FIRST))
    return first, group_of(nodeid)
