#!/bin/bash
# A thousand simulated clusters, from a random seed; RDD_SIMULATE_COUNT asks for more.

set -u
if "$1/tests/simulate/simulate" "${RDD_SIMULATE_COUNT:-1000}" ${RDD_SEED:+"$RDD_SEED"}; then
    echo "ok simulate"
else
    echo "not ok simulate"
fi
