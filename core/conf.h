/* conf.h: the settings of this process: one table of keys, kinds, defaults and what they mean.
 *
 * Set before any thread starts (rdd_init on the driver, SETUP on an executor), read-only afterwards.
 */
#ifndef RDD_CONF_H
#define RDD_CONF_H

#include "buf.h"
#include "error.h"

typedef enum conf_kind {
    CONF_INT,      /* "4" */
    CONF_BOOL,     /* "true", "false" */
    CONF_SIZE,     /* bytes: "256MiB", "1g", "65536" */
    CONF_DURATION, /* milliseconds: "500ms", "10s", "2m" */
    CONF_TEXT,
    CONF_CHOICE,   /* one of `choices` */
    CONF_RATE,     /* "50/s", "100/m", "3/h" */
    CONF_BUDGET,   /* "10", "5%" */
    CONF_DECIMAL,  /* "0.75": in thousandths */
} conf_kind;

typedef struct conf_key {
    const char *name;
    conf_kind kind;
    const char *initial;
    int64_t least;       /* for numbers */
    const char *choices; /* "fail|pad|skip" */
    const char *meaning;
} conf_key;

/* "key=value", checked. The message of a failure names the key, the text and what would do. */
int conf_set_pair(const char *pair, rdd_error *err);
int conf_set(const char *key, const char *value, rdd_error *err);

/* Whether there is such a setting: 0 or RDD_E_USAGE. */
int conf_check_key(const char *key, rdd_error *err);

/* Forgets what was set. */
void conf_clear(void);

/* The value in its kind's unit. Asking for a key that is not in the table is a bug. */
int64_t conf_int(const char *key);
bool conf_bool(const char *key);
const char *conf_text(const char *key); /* "" when not set; valid until the next conf_set */
bool conf_is_set(const char *key);      /* for a default that comes from elsewhere */

/* All settings that differ from their defaults, to hand them to an executor; and back. */
void conf_encode(buf *b);
int conf_decode(reader *r, rdd_error *err);

/* The whole table, for documentation and --conf help. */
const conf_key *conf_table(size_t *ret_count);

/* Text to numbers with units; false when malformed or out of range. */
bool conf_parse_size(const char *text, int64_t *ret);
bool conf_parse_duration(const char *text, int64_t *ret_ms);
/* "50/s", "100/m", "9/h", the unit being mandatory: calls per second. `ret` may be NULL. */
bool conf_parse_rate(const char *text, double *ret_per_second);
/* "10" or "5%": a count, or a percentage (then *ret_is_percent). Both may be NULL. */
bool conf_parse_budget(const char *text, double *ret, bool *ret_is_percent);

#endif
