/* replay.c: the main() of a fuzz target; under libFuzzer, which has its own, nothing.
 *
 * Runs the target once over each file it is given and prints the file's name first, so that a crash
 * names its input. tests/fuzz/corpus.sh calls it with the stored corpus.
 */
#ifndef RDD_LIBFUZZER

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return 1;
    }
    printf("%s\n", path);
    fflush(stdout);

    /* An exact allocation, so that the address sanitizer sees a read of one byte too many. */
    uint8_t *data = NULL;
    long size = fseek(file, 0, SEEK_END) ? -1 : ftell(file);
    rewind(file);
    if (size >= 0)
        data = malloc(size ? (size_t)size : 1);
    int failed = !data || fread(data, 1, (size_t)size, file) != (size_t)size;
    fclose(file);
    if (failed)
        fprintf(stderr, "%s: cannot be read\n", path);
    else
        LLVMFuzzerTestOneInput(data, (size_t)size);
    free(data);
    return failed;
}

int main(int argc, char **argv)
{
    int failed = 0;
    for (int i = 1; i < argc; i++)
        failed |= replay(argv[i]);
    return failed;
}

#endif
