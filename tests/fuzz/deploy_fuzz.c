/* deploy_fuzz.c: a node that says whatever it likes while it is prepared, in pieces of any size.
 *
 * The input is what it says; "%" stands for the nonce and "&" for the machine, which no fuzzer would
 * guess, "@" for the hash of a file of the bundle. What is sent to it is swallowed.
 */
#include "deploy.h"

#include <fcntl.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char nothing[33] = "0123456789abcdef0123456789abcdef";

static bundle *a_bundle(void)
{
    static bundle b;
    static bundle_file files[2];
    if (b.count)
        return &b;
    for (int i = 0; i < 2; i++) {
        files[i] = (bundle_file){ .path = "/proc/self/exe", .name = i ? "libc.so.6" : "program",
                                  .size = i ? 0 : 70000 };
        memcpy(files[i].hash, nothing, sizeof nothing);
        files[i].hash[0] = (char)('a' + i);
        files[i].fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        if (files[i].fd < 0)
            abort();
    }
    b = (bundle){ .machine = "Linux x86_64", .argv0 = "fuzz", .files = files, .count = 2 };
    memcpy(b.hash, nothing, sizeof nothing);
    return &b;
}

static void translate(buf *said, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (data[i] == '%')
            buf_text(said, "000000000000abcd ");
        else if (data[i] == '&')
            buf_text(said, "Linux x86_64");
        else if (data[i] == '@')
            buf_text(said, a_bundle()->files[0].hash);
        else
            buf_char(said, (char)data[i]);
    }
}

static bool swallow(deploy *d)
{
    size_t size, total = 0;
    int code;
    rdd_error err;
    while (deploy_output(d, &size, &code, &err)) {
        ASSERT(size > 0);
        total += size;
        ASSERT(total < 1 << 20);
        deploy_wrote(d, size);
    }
    return code == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    deploy_options options = { .label = "n1", .nonce = 0xabcd, .reinstall = data[0] & 1 };
    size_t step = (size_t)(data[0] >> 1) + 1, used = 0;
    buf said = { 0 };
    translate(&said, data + 1, size - 1);
    deploy *d;
    rdd_error err = { 0 };
    ASSERT(deploy_new(&d, a_bundle(), &options, &err) == 0);
    bool fine = true;
    for (size_t at = 0; fine && at < said.size && deploy_at(d) != DEPLOY_STARTED; at += used) {
        size_t piece = size_min(step, said.size - at);
        fine = deploy_input(d, said.data + at, piece, &used, &err) == 0 && swallow(d);
        ASSERT(!fine || used == piece || deploy_at(d) == DEPLOY_STARTED);
    }
    if (fine && deploy_at(d) != DEPLOY_STARTED)
        deploy_ended(d, (rdd_str){ size_min(said.size, 100), said.data }, "it ended", &err);
    if (err.code) {
        ASSERT(err.code < 0);
        ASSERT(strnlen(err.message, sizeof err.message) < sizeof err.message);
        for (const char *c = err.message; *c; c++)
            ASSERT((unsigned char)*c >= ' ');
    }
    deploy_free(d);
    buf_release(&said);
    return 0;
}
