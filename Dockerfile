# Images that serve the variants. docs/deploying.md has the commands, image sizes and start-up times.
#   full (default)      all variants
#   slim                only variants that run on ONNX Runtime: no torch, transformers or bitsandbytes
# Build arguments:
#   ARTIFACTS           folder: copy artifacts/; sample: compress the bundled model; none: to be mounted at
#                       /app/artifacts; auto (default): folder if artifacts/ contains any, otherwise sample
#   PYTHON_IMAGE        another base image, or the default one pinned by its digest
#   PIP_INDEX_URL, PIP_EXTRA_INDEX_URL, PIP_FIND_LINKS, PIP_TRUSTED_HOST, TORCH_INDEX_URL
#                       other package indexes, used only in stages that are not part of the images
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS base
ENV LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1

FROM base AS install
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_FIND_LINKS
ARG PIP_TRUSTED_HOST
ARG TORCH_INDEX_URL=https://download.pytorch.org/whl/cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
# The environment has no pip of its own; the base image's pip installs into it.
RUN python -m venv --without-pip /opt/kidogo

FROM install AS slim-packages
COPY requirements-slim.lock ./
RUN python -m pip --python /opt/kidogo/bin/python install --no-deps -r requirements-slim.lock

FROM slim-packages AS full-packages
COPY requirements.lock ./
RUN python -m pip --python /opt/kidogo/bin/python install --no-deps \
      ${TORCH_INDEX_URL:+--extra-index-url "$TORCH_INDEX_URL"} torch==2.13.0+cpu \
 && python -m pip --python /opt/kidogo/bin/python install --no-deps -r requirements.lock \
 # Remove what only GPUs, compilers and the packages' own tests need, and the architectures that are not in
 # build_models/architectures.py: transformers scans their folders at every start.
 && cd /opt/kidogo/lib/python3*/site-packages \
 && rm -rf bitsandbytes/libbitsandbytes_cuda* bitsandbytes/libbitsandbytes_rocm* bitsandbytes/libbitsandbytes_xpu* \
      torch/include torch/lib/*.a sympy/*/tests networkx/*/tests \
 && find transformers/models -mindepth 1 -maxdepth 1 -type d ! -name auto ! -name bert ! -name camembert \
      ! -name deberta_v2 ! -name distilbert ! -name electra ! -name encoder_decoder ! -name modernbert ! -name roberta \
      ! -name xlm_roberta ! -name __pycache__ -exec rm -rf {} +

FROM install AS artifacts
ARG ARTIFACTS=auto
COPY pyproject.toml README.md LICENSE requirements-dev.lock ./
COPY service service
COPY build_models build_models
# The pattern also matches if artifacts/ does not exist.
COPY artifact[s] artifacts
RUN set -eu; \
    mode="$ARTIFACTS"; \
    if [ "$mode" = auto ]; then if ls artifacts/*/manifest.json >/dev/null 2>&1; then mode=folder; else mode=sample; fi; fi; \
    case "$mode" in \
      folder) ls artifacts/*/manifest.json >/dev/null || { echo "ARTIFACTS=folder, but artifacts/ contains no artefacts" >&2; exit 1; } ;; \
      none) rm -rf artifacts; mkdir artifacts ;; \
      sample) \
        rm -rf artifacts; \
        python -m pip --python /opt/kidogo/bin/python install --no-deps \
          ${TORCH_INDEX_URL:+--extra-index-url "$TORCH_INDEX_URL"} torch==2.13.0+cpu; \
        python -m pip --python /opt/kidogo/bin/python install --no-deps -r requirements-dev.lock; \
        /opt/kidogo/bin/python -m build_models --out artifacts; \
        rm -rf artifacts/.work ;; \
      *) echo "ARTIFACTS must be auto, folder, sample or none, not $ARTIFACTS" >&2; exit 1 ;; \
    esac

FROM base AS runtime
RUN useradd --system --uid 10001 --home-dir /tmp --shell /usr/sbin/nologin kidogo
# The service writes only to /tmp, so the root file system can be read-only.
ENV PATH=/opt/kidogo/bin:$PATH HOME=/tmp BENTOML_HOME=/tmp/bentoml BENTOML_DO_NOT_TRACK=True \
    HF_HUB_OFFLINE=1 NER_ARTIFACTS=/app/artifacts
WORKDIR /app
COPY service service
RUN python -m compileall -q service
EXPOSE 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:3000/readyz', timeout=4)"]
USER 10001:10001
CMD ["bentoml", "serve", "service:NerService", "--host", "0.0.0.0", "--port", "3000"]

FROM runtime AS slim
COPY --from=slim-packages /opt/kidogo /opt/kidogo
COPY --from=artifacts /build/artifacts artifacts

FROM runtime AS full
COPY --from=full-packages /opt/kidogo /opt/kidogo
COPY --from=artifacts /build/artifacts artifacts
