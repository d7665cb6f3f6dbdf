/* remove_tree.h: a directory of ours is removed with all that is in it. */
#ifndef RDD_REMOVE_TREE_H
#define RDD_REMOVE_TREE_H

#include "base.h"

/* Follows no symbolic link and stays on one file system; goes on past what cannot be removed. True
 * when nothing is left. Several threads may do so, with different directories. */
bool remove_tree(const char *path);

#endif
