/* The fuzz targets in C. Each takes one input, and traps when the core, or a model beside it, says that something is
 * wrong. An input always does the same, but for the keys of `tls`. */
#ifndef FUZZ_TARGETS_H
#define FUZZ_TARGETS_H

#include <stddef.h>
#include <stdint.h>

void fuzz_address(const uint8_t *bytes, size_t count);
void fuzz_config(const uint8_t *bytes, size_t count);
void fuzz_decode(const uint8_t *bytes, size_t count);
void fuzz_operations(const uint8_t *bytes, size_t count); /* with the files of Tests/Sim/Play */
void fuzz_stats(const uint8_t *bytes, size_t count);
void fuzz_tls(const uint8_t *bytes, size_t count);
void fuzz_token(const uint8_t *bytes, size_t count);

#endif
