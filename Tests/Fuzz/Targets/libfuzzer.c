/* libFuzzer's entry, for the target that FUZZ_TARGET names. */
#include "include/FuzzTargets.h"

void FUZZ_TARGET(const uint8_t *bytes, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    FUZZ_TARGET(bytes, count);
    return 0;
}
