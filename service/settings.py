"""The service's settings, read from environment variables such as ``NER_ARTIFACTS`` and ``NER_MAX_IN_FLIGHT``."""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service.variants import KNOWN_VARIANTS, VARIANTS

MOST_SLOTS = 64

_CGROUPS, _CGROUP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


NATIVE_ENVIRONMENT = {
    "TOKENIZERS_PARALLELISM": "false",
    # Out of memory, Rust libraries such as Pydantic's parser abort the process; printing a backtrace, they deadlock.
    "RUST_BACKTRACE": "0",
}
"""Environment variables for the native libraries of processes that run models."""


class InvalidSetting(ValueError):
    """An environment variable has a value that its setting does not take."""


LogFormat = Literal["json", "text"]


def available_cpus() -> int:
    """The number of CPUs in this process's affinity mask, limited by the cgroup's quota; at least 1."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for folder in _cgroups():
        with contextlib.suppress(OSError, ValueError):
            quota, period = (folder / "cpu.max").read_text().split()
            if quota != "max":
                cpus = min(cpus, -(-int(quota) // int(period)))
    return max(1, cpus)


def _cgroups() -> Iterator[Path]:
    """The folder of this process's cgroup (v2) and those above it. A container sees its own as the root."""
    own = ""
    with contextlib.suppress(OSError):
        lines = _CGROUP.read_text().splitlines()
        own = next((line.removeprefix("0::").strip("/") for line in lines if line.startswith("0::")), "")
    folder = _CGROUPS / own
    yield folder
    for above in folder.parents:
        if above.is_relative_to(_CGROUPS):
            yield above


class Settings(BaseSettings):
    """Settings, read once when the service starts."""

    # Validation errors must not show the token.
    model_config = SettingsConfigDict(env_prefix="NER_", hide_input_in_errors=True)

    artifacts: Path = Field(Path("artifacts"), description="Output folder of the build")
    variants: Annotated[tuple[str, ...], NoDecode] = Field(
        tuple(VARIANTS), description="Variants to load, separated by commas; the first is the default"
    )
    threads: int = Field(default_factory=available_cpus, ge=1, description="Threads per inference")
    slots: int = Field(
        default_factory=lambda: min(available_cpus(), MOST_SLOTS),
        ge=1,
        le=MOST_SLOTS,
        description="Concurrent inferences",
    )
    max_in_flight: int = Field(64, ge=1, description="Maximum requests in flight; others get 429")
    max_wait_seconds: float = Field(2.0, gt=0, description="Maximum predicted queueing time; others get 429")
    timeout_seconds: float = Field(60.0, gt=0, description="Timeout of a request, after which it gets 504")
    body_timeout_seconds: float = Field(10.0, gt=0, description="Timeout of reading a request body (504)")
    max_body_bytes: int = Field(1024 * 1024, ge=1, description="Maximum size of a request body (413)")
    max_accuracy_body_bytes: int = Field(8 * 1024 * 1024, ge=1, description="Maximum body size of /accuracy (413)")
    accuracy_timeout_seconds: float = Field(1800.0, gt=0, description="Timeout of an accuracy check (504)")
    agreement_share: float = Field(0.0, ge=0, le=1, description="Share of requests repeated with a second variant")
    agreement_variant: str | None = Field(None, description="That variant; default: any other that is ready")
    max_documents: int = Field(32, ge=1, description="Maximum documents per request (413)")
    max_document_characters: int = Field(100_000, ge=1, description="Maximum length of a document (413)")
    reload_seconds: float = Field(0.0, ge=0, description="Interval of checking for new artefacts; 0: only on SIGHUP")
    token: SecretStr | None = Field(None, min_length=16, description="Bearer token; probes and the UI do not need it")
    metrics_need_token: bool = Field(True, description="Whether /metrics needs the token, too")
    log_format: LogFormat = Field("json", description="json, or text with name=value")

    @field_validator("agreement_variant")
    @classmethod
    def _is_served(cls, value: str | None, info: ValidationInfo) -> str | None:
        # Missing if NER_VARIANTS is invalid.
        served = info.data.get("variants")
        if value is not None and served is not None and value not in served:
            raise ValueError(
                f"{value!r} is not served here; choose from {', '.join(served)}, or add it to NER_VARIANTS"
            )
        return value

    @field_validator("token", mode="before")
    @classmethod
    def _without_line_end(cls, value: object) -> object:
        # A file or secret written with echo ends in a newline, which no header can hold.
        return value.strip() if isinstance(value, str) else value

    @field_validator("token")
    @classmethod
    def _is_sendable(cls, value: SecretStr | None) -> SecretStr | None:
        # Clients disagree about the encoding of other characters in headers.
        if value is not None and not re.fullmatch(r"[ -~]*", value.get_secret_value()):
            raise ValueError("may have printable characters of ASCII only")
        return value

    @field_validator("variants", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        names = tuple(name.strip() for name in value.split(",")) if isinstance(value, str) else value
        unknown = [name for name in names if name not in KNOWN_VARIANTS] if isinstance(names, tuple) else []
        if unknown:
            raise ValueError(f"unknown: {', '.join(map(repr, unknown))}; choose from {', '.join(KNOWN_VARIANTS)}")
        return names


def read_settings() -> Settings:
    """The settings. Raises ``InvalidSetting``, which names the environment variable."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise InvalidSetting(f"NER_{'_'.join(map(str, first['loc'])).upper()}: {first['msg']}") from None
