/* RDD_STR of a variable, whose size nobody counted.
 *
 * gcc: expected ')' before 'text'
 * clang: expected ')'
 */
#include <rdd.h>

rdd_str wrong(const char *text)
{
    return RDD_STR(text);
}
