/* mailbox_test.c: mailbox.h. */
#include "clock.h"
#include "mailbox.h"

#include "test.h"

typedef struct item {
    uint32_t poster, number;
    mailbox_node node;
} item;

typedef struct poster {
    mailbox *box;
    uint32_t index, count, refused;
    item *items;
} poster;

static void *post_all(void *arg)
{
    poster *p = arg;
    for (uint32_t i = 0; i < p->count; i++) {
        p->items[i] = (item){ .poster = p->index, .number = i };
        p->refused += !mailbox_post(p->box, &p->items[i].node);
    }
    return NULL;
}

enum { POSTERS = 4, EACH = 5000 };

/* A mailbox far smaller than what goes through it: nothing is lost, and each poster's order
 * holds. */
static void many_post_and_one_takes_in_order(void **state)
{
    (void)state;
    mailbox box;
    assert_int_equal(mailbox_init(&box, 7), 0);
    pthread_t threads[POSTERS];
    poster posters[POSTERS];
    uint32_t next[POSTERS] = { 0 };
    for (uint32_t i = 0; i < POSTERS; i++) {
        posters[i] = (poster){ &box, i, EACH, 0, calloc(EACH, sizeof(item)) };
        assert_int_equal(pthread_create(&threads[i], NULL, post_all, &posters[i]), 0);
    }
    for (size_t seen = 0; seen < POSTERS * EACH;) {
        size_t batch = 0;
        for (mailbox_node *n = mailbox_take_all(&box, CLOCK_NEVER); n; n = n->next) {
            item *it = MAILBOX_OWNER(n, item, node);
            assert_int_equal(it->number, next[it->poster]);
            next[it->poster]++;
            batch++;
        }
        assert_true(batch >= 1 && batch <= 7);
        seen += batch;
    }
    for (size_t i = 0; i < POSTERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(posters[i].refused, 0);
        free(posters[i].items);
    }
    assert_null(mailbox_take_all(&box, 0));
    mailbox_release(&box);
}

static void taking_ends_at_its_timeout(void **state)
{
    (void)state;
    mailbox box;
    mailbox_init(&box, 1);
    uint64_t before = clock_now_ns();
    assert_null(mailbox_take_all(&box, 20 * NS_PER_MS));
    assert_true(clock_now_ns() - before >= 20 * NS_PER_MS);
    mailbox_release(&box);
}

static void closing_lets_waiting_posters_go(void **state)
{
    (void)state;
    mailbox box;
    mailbox_init(&box, 1);
    poster p = { &box, 0, 3, 0, calloc(3, sizeof(item)) };
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, post_all, &p), 0);
    mailbox_node *first;
    while (!(first = mailbox_take_all(&box, CLOCK_NEVER))) {
    }
    mailbox_close(&box);
    pthread_join(thread, NULL);
    /* The first was taken; a second one may have got in before the end. */
    mailbox_node *left = mailbox_take_all(&box, CLOCK_NEVER);
    assert_int_equal(p.refused, left ? 1 : 2);
    item late = { 0 };
    assert_false(mailbox_post(&box, &late.node));
    assert_null(mailbox_take_all(&box, CLOCK_NEVER));
    mailbox_release(&box);
    free(p.items);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_post_and_one_takes_in_order),
        cmocka_unit_test(taking_ends_at_its_timeout),
        cmocka_unit_test(closing_lets_waiting_posters_go),
    };
    return TEST_MAIN(argc, argv, tests);
}
