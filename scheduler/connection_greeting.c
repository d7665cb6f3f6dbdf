#include "connection_parts.h"

#include <stdio.h>

enum { CLOCK_OFF_MS = 60000 }; /* well past what the way here takes */

void connection_version_error(const connection *c, uint32_t theirs, int ours, rdd_error *err)
{
    error_set(err, RDD_E_PROTOCOL, "%s speaks version %u of the protocol, this is version %d; "
              "driver and executors must be the same program", c->name, theirs, ours);
}

static bool is_same_program(connection *c, const hello *h)
{
    rdd_error err;
    if (h->protocol != PROTOCOL_VERSION)
        connection_version_error(c, h->protocol, PROTOCOL_VERSION, &err);
    else if (h->nonce != c->options.nonce)
        error_set(&err, RDD_E_PROTOCOL, "%s answered somebody else's greeting", c->name);
    else if (*h->build_id && *c->build_id && strcmp(h->build_id, c->build_id) != 0)
        error_set(&err, RDD_E_PROTOCOL, "%s runs another build of the program (%.16s, the driver "
                  "%.16s)", c->name, h->build_id, c->build_id);
    else if (h->digest != c->options.digest)
        error_set(&err, RDD_E_PROTOCOL, "%s has other operators than the driver; both must be the "
                  "same program with the same libraries", c->name);
    else
        return true;
    c->stale = h->nonce == c->options.nonce;
    connection_fail(c, &err);
    return false;
}

/* A node may say that it has no processor, or more than anybody has. */
static bool take_slots(connection *c, const hello *h)
{
    executor_setup *setup = &c->options.setup;
    if (!setup->slots)
        setup->slots = (uint32_t)u64_min(u64_max(h->cores, 1), SLOTS_MAX);
    c->progress = calloc(setup->slots, sizeof *c->progress);
    if (!c->progress)
        connection_fail_memory(c);
    return c->progress;
}

static void look_at_clock(connection *c, const hello *h)
{
    char problem[256];
    if (!c->options.wall_ms || !h->wall_ms)
        return;
    uint64_t now_ms = c->options.wall_ms + (c->heard_ns - c->begun_ns) / NS_PER_MS;
    c->ahead_ms = (int64_t)(h->wall_ms - now_ms);
    if (connection_clock_problem(c, problem, sizeof problem))
        buf_format(&c->lines, "rdd: %s\n", problem);
}

bool connection_clock_problem(const connection *c, char *ret, size_t size)
{
    static const struct { double ms; const char *name; } UNITS[] = {
        { 86400e3, "days" }, { 3600e3, "hours" }, { 60e3, "minutes" }, { 1e3, "seconds" },
    };
    double off = c->ahead_ms < 0 ? -(double)c->ahead_ms : (double)c->ahead_ms;
    size_t unit = 0;
    if (off < CLOCK_OFF_MS)
        return false;
    while (unit + 1 < ARRAY_SIZE(UNITS) && off < 2 * UNITS[unit].ms)
        unit++;
    snprintf(ret, size, "%s: its clock is %.0f %s %s the driver's: certificates and times of files are "
             "judged wrongly there; set it, as with timedatectl set-ntp true", c->name,
             off / UNITS[unit].ms, UNITS[unit].name, c->ahead_ms < 0 ? "behind" : "ahead of");
    return true;
}

void connection_take_hello(connection *c, const frame *f)
{
    hello h;
    if (hello_decode(f, &h) < 0) {
        connection_fail_protocol(c, "a malformed greeting");
        return;
    }
    if (!is_same_program(c, &h) || !take_slots(c, &h))
        return;
    c->theirs = h;
    c->phase = UP;
    c->up_untold = true;
    look_at_clock(c, &h);
    setup_encode(&c->channel.control, &c->options.setup);
}

bool connection_came_up(connection *c, hello *ret)
{
    bool first = c->up_untold && c->phase == UP;
    c->up_untold = false;
    if (first && ret)
        *ret = c->theirs;
    return first;
}

uint32_t connection_slots(const connection *c)
{
    return c->options.setup.slots;
}

bool connection_is_stale(const connection *c)
{
    return c->stale;
}

bool connection_was_mute(const connection *c)
{
    return c->mute;
}

bool connection_was_refused(const connection *c)
{
    return c->refused;
}
