/* The server on epoll: the loop in main.c, and what is done with a ready connection. */
#ifndef SERVER_H
#define SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct server {
    int epoll;
    int listener;
    bool accept_paused;
    size_t descriptors;                  /* every fd is below it */
    struct echo_connection *connections; /* by descriptor; when it echoes */
    struct room *room;                   /* when it fans out; these three then go with it */
    void (*joined)(struct server *server, int fd);
    void (*ready)(struct server *server, int fd, uint32_t events);
    void (*turn_ended)(struct server *server);
} server;

/* Changes what a connection is watched for. */
void server_wait_for(server *self, int fd, uint32_t events);
void server_close(server *self, int fd);

/* Makes it fan out frames of so many bytes instead of echoing. */
void server_open_room(server *self, size_t frame_bytes);

#endif
