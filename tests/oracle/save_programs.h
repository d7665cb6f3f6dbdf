/* save_programs.h: the programs that save_oracle_test.c starts, by name. */
#ifndef RDD_SAVE_PROGRAMS_H
#define RDD_SAVE_PROGRAMS_H

#include <rdd.h>

/* Saves into `dir`; a name that there is not does nothing. */
void save_program(rdd_context *context, const char *name, const char *dir);

#endif
