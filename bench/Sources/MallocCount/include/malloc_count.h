/* A stand-in for malloc(3) and its relatives that counts, to be preloaded (LD_PRELOAD) into a server.
 *
 * The count is the first 8 bytes of the file that MALLOC_COUNT_FILE names, which must be that long; another process
 * reads it there while the server runs. Without that file nothing is counted. */
#ifndef MALLOC_COUNT_H
#define MALLOC_COUNT_H

#define MALLOC_COUNT_FILE "MALLOC_COUNT_FILE"

#endif
