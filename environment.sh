# Sourced by run_all.sh and run_tests.sh: leaves a Python in $PYTHON that has the
# package and its dependencies. Uses the active virtual environment, else .venv, which
# it creates with the first Python >= 3.11 it finds.
# Usage: . ./environment.sh EXTRAS   (EXTRAS: "" or e.g. "[test]")

find_python() {
  local candidate
  for candidate in "${SSL_TF_PYTHON:-}" python3 python3.13 python3.12 python3.11 python; do
    if [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1 &&
      "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
        2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  echo "no Python 3.11, 3.12 or 3.13 found; install one or set SSL_TF_PYTHON." >&2
  return 2
}

set_up() {
  local here extras wanted stamp base
  here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
  extras="$1"
  if [ -n "${VIRTUAL_ENV:-}" ]; then
    PYTHON="$VIRTUAL_ENV/bin/python"
  else
    PYTHON="$here/.venv/bin/python"
    if [ ! -x "$PYTHON" ]; then
      base="$(find_python)" || return 2
      echo "creating .venv with $("$base" --version)" >&2
      "$base" -m venv "$here/.venv" || return 2
    fi
  fi
  wanted="$(cat "$here/setup.cfg" "$here/pyproject.toml" | cksum | tr ' ' -)$extras"
  stamp="$("$PYTHON" -c 'import sys; print(sys.prefix)')/.ssl_tf_installed"
  if [ ! -f "$stamp" ] || ! grep -qxF "$here $wanted" "$stamp"; then
    echo "installing ssl_tf$extras and its dependencies (once)" >&2
    "$PYTHON" -m pip install --quiet --disable-pip-version-check -e "$here$extras" ||
      return 2
    echo "$here $wanted" >>"$stamp"
  fi
}
