#!/usr/bin/env bash
# Every number of RESULTS.md, paper by paper. Safe to interrupt and to repeat.
#   bash run_all.sh --demo      minutes, offline; the other uses: --help
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./environment.sh
set_up "[detect]"
exec "$PYTHON" -m ssl_tf.reproduce "$@"
