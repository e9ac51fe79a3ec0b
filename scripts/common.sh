# Shared by scripts/serve and scripts/test: makes .venv and installs the locked dependencies. Sourced, not run.
# torch comes first and by itself: pip takes a CPU build where its index or PIP_FIND_LINKS offers one.
TORCH="torch==2.13.0"

install_project() { # LOCK_FILE
  local stamp=.venv/.installed wanted
  wanted="$(cat "$1" pyproject.toml | sha256sum) $TORCH"
  if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
    echo "installation: unchanged (.venv)"
    return
  fi
  local python
  python="$(command -v python3.11 || command -v python3.12 || true)"
  if [ -z "$python" ]; then
    echo "Python 3.11 or 3.12 is needed and neither is on the PATH." >&2
    exit 1
  fi
  echo "installation: making .venv with $($python --version)"
  # A .venv without a working pip is what a kill in the middle of making it leaves.
  .venv/bin/python -m pip --version >/dev/null 2>&1 || "$python" -m venv --clear .venv
  echo "installation: $TORCH"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check "$TORCH"
  echo "installation: the versions of $1"
  # The lock names every dependency, so pip need not resolve any.
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r "$1"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
  echo "$wanted" >"$stamp"
}
