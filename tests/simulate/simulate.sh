#!/bin/bash
# A thousand simulated clusters, from a random seed; RDD_SIMULATE_COUNT asks for more. And seeds that have
# found something once.

set -u
if "$1/tests/simulate/simulate" "${RDD_SIMULATE_COUNT:-1000}" ${RDD_SEED:+"$RDD_SEED"}; then
    echo "ok simulate"
else
    echo "not ok simulate"
fi

for seed in 142489061752158; do # an executor that a failing job gave back
    if "$1/tests/simulate/simulate" 1 $seed; then
        echo "ok simulate/$seed"
    else
        echo "not ok simulate/$seed"
    fi
done
