/* calls.h: how many of a stage's HTTP calls failed, and what that may be.
 *
 * Counts go to the driver with the task's other counters, under names that begin with
 * CALLS_PREFIX: "\1calls <node>" and "\1failed <node>", and "\1why <text>" for the first failure of a
 * task. The driver holds them against the budget (http.max_errors); within a process the same is done
 * at once.
 */
#ifndef RDD_CALLS_H
#define RDD_CALLS_H

#include "run.h"

#define CALLS_PREFIX '\1'
enum { CALLS_WHY_MAX = 200 };

/* Gives back what a task counted in this process, when it did not succeed: it will be counted again. */
void calls_undo(run *r);

#endif
