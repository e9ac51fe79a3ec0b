# Shared by scripts/serve and scripts/test: creates .venv and installs the locked dependencies. Source it, don't run it.
# torch is installed first, on its own, so that pip picks a CPU build where its index or PIP_FIND_LINKS has one.
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
    echo "Python 3.11 or 3.12 is required, and neither is on the PATH." >&2
    exit 1
  fi
  echo "installation: making .venv with $($python --version)"
  # If creating .venv was interrupted, it has no working pip: create it again.
  .venv/bin/python -m pip --version >/dev/null 2>&1 || "$python" -m venv --clear .venv
  echo "installation: $TORCH"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check "$TORCH"
  echo "installation: the versions of $1"
  # The lock is complete, so pip has nothing to resolve.
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r "$1"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
  echo "$wanted" >"$stamp"
}
