/* The command line of a baseline: --host and --port, or --unix, and --fan-out where it fans out. */
#define _GNU_SOURCE
#include "baseline.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static _Noreturn void usage(const char *problem, const char *argument)
{
    fprintf(stderr, "%s: %s '%s' (usage: --host HOST --port PORT | --unix PATH|@NAME [--fan-out BYTES])\n",
            program_invocation_short_name, problem, argument);
    exit(BASELINE_EXIT_USAGE);
}

static bool is_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && digits <= 5 && text[digits] == '\0' && atoi(text) <= 65535;
}

static bool is_unix_name(const char *text)
{
    size_t bytes = strlen(text);
    return bytes >= (text[0] == '@' ? 2 : 1) && bytes < sizeof((struct sockaddr_un *)NULL)->sun_path;
}

/* Understands "--name VALUE" and "--name=VALUE"; moves *index past what it took. */
static const char *value_of(const char *name, int argc, char **argv, int *index)
{
    const char *argument = argv[*index];
    size_t length = strlen(name);
    if (strncmp(argument, name, length) != 0)
        return NULL;
    if (argument[length] == '=')
        return argument + length + 1;
    if (argument[length] != '\0')
        return NULL;
    if (*index + 1 >= argc)
        usage("missing value for", name);
    *index += 1;
    return argv[*index];
}

static size_t frame_bytes(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    long bytes = digits > 0 && digits <= 7 && text[digits] == '\0' ? atol(text) : 0;
    if (bytes < 1 || bytes > BASELINE_FRAME_BYTES_MAX)
        usage("not a frame size between 1 and 1048576", text);
    return (size_t)bytes;
}

baseline_options baseline_options_parse(int argc, char **argv, baseline_work work)
{
    baseline_options options = {.host = "127.0.0.1", .port = "0"};
    for (int index = 1; index < argc; index++) {
        const char *value;
        if ((value = value_of("--host", argc, argv, &index)) != NULL) {
            if (*value == '\0')
                usage("not a host", value);
            options.host = value;
        } else if ((value = value_of("--port", argc, argv, &index)) != NULL) {
            if (!is_port(value))
                usage("not a port", value);
            options.port = value;
        } else if ((value = value_of("--unix", argc, argv, &index)) != NULL) {
            if (!is_unix_name(value))
                usage("not a path, or @NAME, of 1 to 107 bytes", value);
            options.unix_name = value;
        } else if ((value = value_of("--fan-out", argc, argv, &index)) != NULL) {
            if (work == BASELINE_ECHO_ONLY)
                usage("this server only echoes; it does not understand", "--fan-out");
            options.fan_out_bytes = frame_bytes(value);
        } else {
            usage("unknown argument", argv[index]);
        }
    }
    return options;
}
