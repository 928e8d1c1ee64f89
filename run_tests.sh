#!/usr/bin/env bash
# The test suite in two processes; arguments go to pytest (e.g. -m slow, -k resume, -n 0).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./environment.sh
set_up "[test]"
"$PYTHON" -m ruff format --check --quiet .
"$PYTHON" -m ruff check --quiet .
exec "$PYTHON" -m pytest -n 2 --dist worksteal "$@"
