/* bundle.h: this program as files: the loader, the executable, every library it has loaded.
 *
 * Made once, when the first node is to be reached; deploy.h and the drivers' threads then only read
 * it. Each file is known by its content's hash, so a program that was built again sends only itself.
 * A second kind of bundle holds the files that a user ships to the tasks.
 *
 * Invariants: every file is open for as long as the bundle lives, so what is sent is what was hashed
 * even after the program was built again here. Names are unique, and sorted behind the first two.
 */
#ifndef RDD_BUNDLE_H
#define RDD_BUNDLE_H

#include "arena.h"
#include "error.h"

#define BUNDLE_LOADER "loader"
#define BUNDLE_PROGRAM "program"
#define BUNDLE_CA "ca.pem"

enum { BUNDLE_FILES_MAX = 4096, BUNDLE_HASH_SIZE = 33 };

typedef struct bundle_file {
    const char *path; /* here, for messages */
    const char *name; /* in the bundle: "loader", "program", a soname, "ca.pem"; or a base name */
    char hash[BUNDLE_HASH_SIZE]; /* XXH3-128 of its bytes, as hex */
    uint64_t size;
    int fd;
} bundle_file;

typedef struct bundle {
    arena memory;
    char hash[BUNDLE_HASH_SIZE]; /* of names and hashes of all files: what the bundle is called */
    const char *machine;         /* "Linux x86_64", as uname -sm has it */
    const char *argv0;           /* the program's own name, of letters that any shell leaves alone */
    bool has_loader;             /* a static program needs none */
    bundle_file *files;          /* the loader if there is one, the program, then the others */
    size_t count;
    uint64_t size;
} bundle;

/* Reads all files once. What cannot travel (a library linked by a path, a file that is not the one
 * that is mapped any more) is an error that names it. */
int bundle_make(bundle **ret, rdd_error *err);

/* The files of a user's list "a.txt,dir/b", to appear by their base names; NULL when it is empty. */
int bundle_of_paths(bundle **ret, const char *list, rdd_error *err);

void *bundle_free(bundle *b);

/* Reads at most `size` bytes from `offset` on. 0 only when none were asked for; negative when the
 * file is not what it was any more. */
ssize_t bundle_read(const bundle_file *file, uint64_t offset, void *data, size_t size,
                    rdd_error *err);

#endif
