"""The manifests against the schemas of Kubernetes, and against what the service and its image are."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from service.settings import Settings
from service.variants import VARIANTS
from tests import ROOT

KUBERNETES = ROOT / "deploy" / "kubernetes"
VERSION = kubernetes_validate.latest_version()
CUSTOM = {"ScaledObject", "HTTPRoute"}
"""Kinds of other projects, which Kubernetes' schemas do not hold."""

Object = dict[str, Any]


def objects(text: str) -> Iterator[Object]:
    for document in yaml.safe_load_all(text):
        if document["kind"] != "Kustomization":
            yield document


def files() -> list[Path]:
    return [path for path in sorted(KUBERNETES.rglob("*.yaml")) if path.name != "kustomization.yaml"]


def one(kind: str, folder: str = "base") -> Object:
    found = [
        document
        for path in (KUBERNETES / folder).glob("*.yaml")
        for document in objects(path.read_text())
        if document["kind"] == kind
    ]
    assert len(found) == 1
    return found[0]


def container() -> Object:
    (found,) = one("Deployment")["spec"]["template"]["spec"]["containers"]
    result: Object = found
    return result


@pytest.mark.parametrize("path", files(), ids=lambda path: path.relative_to(KUBERNETES).as_posix())
def test_the_schemas_accept_every_object(path: Path) -> None:
    for document in objects(path.read_text()):
        if document["kind"] not in CUSTOM:
            kubernetes_validate.validate(document, VERSION, strict=True)


def test_the_schemas_refuse_a_wrong_field() -> None:
    deployment = one("Deployment")
    deployment["spec"]["replica"] = 2
    with pytest.raises(kubernetes_validate.ValidationError, match="replica"):
        kubernetes_validate.validate(deployment, VERSION, strict=True)


@pytest.mark.parametrize("overlay", ["base", "keda", "variants"])
def test_kustomize_renders_valid_objects(overlay: str) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    rendered = subprocess.run(
        ["kubectl", "kustomize", str(KUBERNETES / overlay)], capture_output=True, text=True, check=True, timeout=60
    )
    documents = list(objects(rendered.stdout))
    for document in documents:
        if document["kind"] not in CUSTOM:
            kubernetes_validate.validate(document, VERSION, strict=True)
    names = {(document["kind"], document["metadata"]["name"]) for document in documents}
    assert len(names) == len(documents)
    deployments = {name: document for document in documents if (name := document["metadata"]["name"]) and
                   document["kind"] == "Deployment"}  # fmt: skip
    for document in documents:
        if document["kind"] == "HorizontalPodAutoscaler":
            assert document["spec"]["scaleTargetRef"]["name"] in deployments
    assert ("HorizontalPodAutoscaler" in {kind for kind, _ in names}) == (overlay != "keda")
    if overlay == "variants":
        assert set(deployments) == {f"kidogo-{variant}" for variant in VARIANTS}
        for name, deployment in deployments.items():
            pod = deployment["spec"]["template"]
            assert pod["metadata"]["labels"]["kidogo/variant"] == name.removeprefix("kidogo-")
            (served,) = (
                variable["value"]
                for variable in pod["spec"]["containers"][0]["env"]
                if variable["name"] == "NER_VARIANTS"
            )
            assert served == name.removeprefix("kidogo-")


def test_every_variable_is_a_setting() -> None:
    names = {variable["name"] for variable in container()["env"]} | {"NER_VARIANTS"}
    assert {name.removeprefix("NER_").lower() for name in names} <= set(Settings.model_fields)


def test_the_pod_is_confined() -> None:
    pod = one("Deployment")["spec"]["template"]["spec"]
    user = pod["securityContext"]
    assert user["runAsNonRoot"]
    assert f"USER {user['runAsUser']}:{user['runAsGroup']}" in (ROOT / "Dockerfile").read_text()
    assert user["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    confined = container()["securityContext"]
    assert confined["readOnlyRootFilesystem"]
    assert confined["allowPrivilegeEscalation"] is False
    assert confined["capabilities"] == {"drop": ["ALL"]}
    assert [mount["mountPath"] for mount in container()["volumeMounts"]] == ["/tmp"]
    assert set(container()["resources"]) == {"requests", "limits"}
    assert one("NetworkPolicy")["spec"]["egress"] == []


def test_the_probes_ask_the_service_s_own_paths() -> None:
    paths = {probe: container()[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "readiness", "liveness")}
    assert paths == {"startup": "/readyz", "readiness": "/readyz", "liveness": "/livez"}


def test_a_pod_has_time_to_answer_what_it_accepted() -> None:
    pod = one("Deployment")["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > Settings().timeout_seconds + 5
    assert one("Deployment")["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_the_scaled_object_asks_for_a_metric_that_exists() -> None:
    scaled = one("ScaledObject", "keda")
    assert scaled["apiVersion"] == "keda.sh/v1alpha1"
    assert scaled["spec"]["scaleTargetRef"] == {"name": "kidogo"}
    (trigger,) = scaled["spec"]["triggers"]
    assert set(trigger["metadata"]) == {"serverAddress", "query", "threshold"}
    assert trigger["metadata"]["query"] == "sum(kidogo_in_flight)"


def test_the_route_reaches_every_variant_and_splits_the_rest() -> None:
    route = one("HTTPRoute", "variants")
    assert route["apiVersion"] == "gateway.networking.k8s.io/v1"
    *named, split, _rest = route["spec"]["rules"]
    for rule, variant in zip(named, VARIANTS, strict=True):
        (match,) = rule["matches"]
        assert match == {
            "path": {"type": "Exact", "value": "/ner"},
            "queryParams": [{"name": "variant", "value": variant}],
        }
        assert rule["backendRefs"] == [{"name": f"kidogo-{variant}", "port": 80}]
    assert sum(backend["weight"] for backend in split["backendRefs"]) == 100
    (mirror,) = split["filters"]
    backends = [*split["backendRefs"], mirror["requestMirror"]["backendRef"]]
    assert {backend["name"] for backend in backends} <= {f"kidogo-{variant}" for variant in VARIANTS}
