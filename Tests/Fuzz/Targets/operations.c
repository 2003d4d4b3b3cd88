/* A whole scenario of the sim (Tests/Sim/Play), whose random choices are the input's while it lasts: what the application
 * calls, what the kernel and the peers do. The ledger checks G1-G5, G7 and G9 after every step. */
#include "../../Sim/Play/scenario.h"
#include "include/FuzzTargets.h"

void fuzz_operations(const uint8_t *bytes, size_t count)
{
    scenario_totals totals = {0};
    const scenario_source source = {.input = bytes, .input_bytes = count, .traps = true};
    if (bytes != NULL)
        scenario_run(&source, &totals);
}
