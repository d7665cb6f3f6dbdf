/* connection_fuzz.c: the driver's side of a connection to an executor that sends whatever frames it
 * likes, while tasks are launched, cancelled and forgotten.
 *
 * The input is a list of steps: what happens, and what it needs.
 */
#include "clock.h"
#include "connection.h"
#include "file_server.h"

enum { STAGES = 4 };

/* One file may be read, and what is written goes nowhere. It stays for all inputs. */
static file_server *files;

static void wake(void *arg)
{
    (void)arg; /* the next step pumps */
}

static file_client *new_client(void)
{
    file_client *client;
    input_file file = { .path = "/proc/self/exe", .name = "exe", .size = 10000 };
    const file_save save = { .stage = 1, .count = 4, .staging = "/nonexistent", .shown = "out" };
    if (!files && (file_server_new(&files, NULL) < 0 || file_server_add(files, &file, NULL) < 0 ||
                   file_server_save_begin(files, &save, NULL) < 0))
        abort();
    return file_client_new(&client, files, wake, NULL, NULL) < 0 ? NULL : client;
}

static int take_file_frame(void *arg, const frame *f, rdd_error *err)
{
    return file_client_take(arg, f, err);
}

static void pump_files(void *arg, channel *c)
{
    file_client_pump(arg, c);
}

static void feed(connection *c, const buf *b)
{
    size_t room;
    char *to = frame_reader_room(&connection_channel(c)->in, &room);
    if (!to || room < b->size)
        abort();
    memcpy(to, b->data, b->size);
    frame_reader_filled(&connection_channel(c)->in, b->size);
    connection_input(c, NS_PER_S);
}

static void take_frame(connection *c, reader *r)
{
    frame_type type = (frame_type)(1 + reader_u8(r) % (FRAME_TYPES - 1));
    uint64_t stream = reader_u8(r);
    if (stream & 128)
        stream = UINT64_C(1) << 32 | STREAM_FILE | (stream & 7);
    size_t size = reader_u8(r);
    const char *bytes = reader_bytes(r, size);
    if (r->failed)
        return;
    bool streamed = frame_has_stream(type);
    buf b = { 0 };
    frame_append(&b, type, streamed ? stream + !stream : 0, bytes, size);
    feed(c, &b);
    buf_release(&b);
}

/* What came out is freed, what goes out is swallowed. */
static void drain(connection *c)
{
    size_t count, size;
    outcome *outcomes = connection_take_outcomes(c, &count);
    for (size_t i = 0; i < count; i++)
        outcome_release(&outcomes[i]);
    free(outcomes);
    buf_clear(connection_lines(c));
    connection_pump(c);
    while (channel_output(connection_channel(c), &size))
        channel_wrote(connection_channel(c), size);
}

static void step(connection *c, reader *r, bool known[STAGES], const char *payload)
{
    uint8_t what = reader_u8(r);
    uint32_t stage = what / 16 % STAGES;
    task_spec t = { .id = { stage, reader_u8(r), 0 },
                    .payload = { what & 128 ? 20000 : 3, payload } };
    switch (what % 8) {
    case 0:
        if (!known[stage])
            connection_plan(c, stage, (rdd_str){ 3, payload });
        known[stage] = true;
        break;
    case 1:
        if (known[stage])
            connection_launch(c, &t, 1);
        break;
    case 2:
        connection_forget(c, stage);
        known[stage] = false;
        break;
    case 3: connection_cancel(c, stage); break;
    default: take_frame(c, r); break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char payload[20000];
    connection_options options = {
        .name = "executor 0", .setup.slots = 2, .nonce = 5, .build_id = "",
        .heartbeat_ns = NS_PER_S, .timeout_ns = NS_PER_S, .start_timeout_ns = NS_PER_S,
        .result_max = 1 << 20,
    };
    file_client *client = new_client();
    if (!client)
        return 0;
    options.files = (connection_files){ take_file_frame, pump_files, client };
    connection *c;
    if (connection_new(&c, &options, NS_PER_S, NULL) < 0) {
        file_client_free(client);
        return 0;
    }
    hello h = { .protocol = PROTOCOL_VERSION, .nonce = 5 };
    buf b = { 0 };
    hello_encode(&b, &h);
    feed(c, &b);
    buf_release(&b);
    bool known[STAGES] = { false };
    reader r = reader_over(data, size);
    while (reader_left(&r) && !r.failed && !connection_failed(c, NULL)) {
        step(c, &r, known, payload);
        drain(c);
    }
    connection_free(c);
    file_client_free(client);
    return 0;
}
