import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from service import settings
from service.settings import InvalidSetting, Settings, available_cpus, read_settings
from tests import ROOT


def test_defaults_are_the_contract_s(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("NER_")]:
        monkeypatch.delenv(name)
    settings = Settings()
    assert settings.artifacts == Path("artifacts")
    assert settings.max_body_bytes == 2**20
    assert (settings.max_documents, settings.max_document_characters) == (32, 100_000)
    assert settings.threads == available_cpus()


def test_environment_variables_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NER_ARTIFACTS", "/srv/artifacts")
    monkeypatch.setenv("NER_MAX_IN_FLIGHT", "7")
    monkeypatch.setenv("NER_TIMEOUT_SECONDS", "0.5")
    monkeypatch.setenv("NER_THREADS", "3")
    settings = Settings()
    assert settings.artifacts == Path("/srv/artifacts")
    assert (settings.max_in_flight, settings.timeout_seconds, settings.threads) == (7, 0.5, 3)


def test_a_token_may_end_in_a_newline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NER_TOKEN", "0123456789abcdef\n")
    token = Settings().token
    assert token is not None
    assert token.get_secret_value() == "0123456789abcdef"
    monkeypatch.setenv("NER_TOKEN", "0123456789abcde\n")
    with pytest.raises(ValidationError, match="at least 16"):
        Settings()


@pytest.mark.parametrize(("name", "value"), [("NER_THREADS", "0"), ("NER_SLOTS", "many"), ("NER_TIMEOUT_SECONDS", "0")])
def test_a_value_that_makes_no_sense_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=name.removeprefix("NER_").lower()):
        Settings()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_affinity_is_respected() -> None:
    script = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
        "from service.settings import available_cpus; print(available_cpus())"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert answer.stdout.strip() == "1"


@pytest.mark.parametrize(
    ("quota", "cpus"), [("max 100000", 8), ("150000 100000", 2), ("400000 100000", 4), ("1000 100000", 1), ("odd", 8)]
)
def test_the_quota_of_the_cgroup_caps(monkeypatch: pytest.MonkeyPatch, quota: str, cpus: int) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)))
    monkeypatch.setattr(Path, "read_text", lambda path: quota)
    assert available_cpus() == cpus


def test_the_smallest_quota_up_to_the_root_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """systemd sets the quota of a unit below the root that processes see."""
    unit = tmp_path / "cgroup" / "system.slice" / "kidogo.service"
    unit.mkdir(parents=True)
    (tmp_path / "own").write_text("0::/system.slice/kidogo.service\n")
    (unit / "cpu.max").write_text("300000 100000\n")
    (unit.parent / "cpu.max").write_text("max 100000\n")
    monkeypatch.setattr(settings, "_CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(settings, "_CGROUP", tmp_path / "own")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)))
    assert available_cpus() == 3
    (tmp_path / "cgroup" / "cpu.max").write_text("200000 100000\n")
    assert available_cpus() == 2


def test_a_token_that_clients_encode_differently_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for token in ("pässwörd-kísìn-ẹgbẹ́", "with a\ttab inside it"):
        monkeypatch.setenv("NER_TOKEN", token)
        with pytest.raises(InvalidSetting, match=r"NER_TOKEN: .* ASCII only") as caught:
            read_settings()
        assert token not in str(caught.value)


def test_a_second_variant_that_is_not_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NER_AGREEMENT_VARIANT", "int8")
    assert Settings().agreement_variant == "int8"
    monkeypatch.setenv("NER_AGREEMENT_VARIANT", "int9")
    with pytest.raises(ValidationError, match="'int9' is not served here; choose from dense, pruned"):
        Settings()
    monkeypatch.setenv("NER_AGREEMENT_VARIANT", "int8")
    monkeypatch.setenv("NER_VARIANTS", "dense,dynamic")
    with pytest.raises(ValidationError, match="'int8' is not served here; choose from dense, dynamic"):
        Settings()
    monkeypatch.setenv("NER_VARIANTS", "dense,int8")
    assert Settings().agreement_variant == "int8"
