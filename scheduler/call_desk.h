/* call_desk.h: the driver's end of what executors' HTTP calls have to say: leases of rates, hosts
 * that are held up, the journal of answers.
 *
 * An executor's thread hands frames in; what can be answered at once is. Grants of rates come in
 * their own time, from a thread that the first ask starts. So the desk's mutex is taken under an
 * executor's, and nothing is sent under the desk's.
 */
#ifndef RDD_CALL_DESK_H
#define RDD_CALL_DESK_H

#include "call_journal.h"
#include "message.h"

typedef struct call_desk call_desk;

/* Sends frames to an executor, if that incarnation of it is up; CALL_DESK_ALL: to all that are. From
 * the desk's thread. */
#define CALL_DESK_ALL UINT32_MAX
typedef void call_desk_send(void *arg, uint32_t executor, uint32_t incarnation, rdd_str frames);

int call_desk_new(call_desk **ret, call_desk_send *send, void *arg, rdd_error *err);
/* Where answers are kept, before the first frame; without one they are not. */
void call_desk_set_journal(call_desk *d, call_journal *j);
/* Ends the thread; nothing is sent any more when it returns. */
void *call_desk_free(call_desk *d);

/* A LEASE or JOURNAL came from an executor; what is answered at once is appended to `out`. False when
 * it is malformed. */
bool call_desk_frame(call_desk *d, uint32_t executor, uint32_t incarnation, const frame *f, buf *out);

/* That incarnation has ended. */
void call_desk_gone(call_desk *d, uint32_t executor, uint32_t incarnation);

#endif
