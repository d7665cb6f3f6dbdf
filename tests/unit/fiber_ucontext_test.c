/* fiber_ucontext_test.c: fiber_test.c on swapcontext(), which other processors get. */
#define FIBER_UCONTEXT 1
#include "../../executor/fiber.c"
#include "../../executor/fiber_context.c"
#include "fiber_test.c"
