/* A type that was never described.
 *
 * gcc: 'rdd_type_person' undeclared
 * clang: undeclared identifier 'rdd_type_person'
 */
#include <rdd.h>

typedef struct person {
    int64_t age;
} person;

RDD_MAP(age_of, person, p, int64_t)
{
    return p.age;
}

rdd *wrong(rdd *r)
{
    return rdd_map(r, age_of);
}
