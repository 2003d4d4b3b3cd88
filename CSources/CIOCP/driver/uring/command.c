/* Ring commands: asking a socket, giving it an fd, and placing one in the table of direct descriptors.
 *
 * A command is executed within its submission, but its completion may be seen much later: while the kernel's overflow
 * list is not empty, every new completion goes to the end of that list. So nothing here waits for an answer. The kernel
 * is asked to empty its list as far as the completion queue has room; where the answer is not among what came, the
 * caller hears -EBUSY, and the command keeps its memory and its fd until its completion is reaped. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "uring.h"

/* --- the pool ----------------------------------------------------------------------------------------------- */

/* NULL: too many were not answered yet. */
static iocp_uring_command *take(iocp_uring *uring)
{
    for (uint32_t i = 0; i < IOCP_URING_COMMANDS_MAX; i++) {
        iocp_uring_command *command = &uring->commands[i];
        if (command->state != IOCP_URING_COMMAND_FREE)
            continue;
        *command = (iocp_uring_command){.state = IOCP_URING_COMMAND_OURS, .fd = -1};
        return command;
    }
    return NULL;
}

static void give_back(iocp_uring_command *command)
{
    if (command->state == IOCP_URING_COMMAND_TAKEN)
        return; /* once its completion is seen */
    if (command->fd >= 0 && !command->lent)
        close(command->fd);
    command->state = IOCP_URING_COMMAND_FREE;
}

void iocp_uring_command_answered_late(iocp_uring *uring, const struct io_uring_cqe *entry)
{
    const uint64_t index = iocp_token_generation(entry->user_data);
    if (index >= IOCP_URING_COMMANDS_MAX || uring->commands[index].state != IOCP_URING_COMMAND_TAKEN)
        return;
    iocp_uring_command *command = &uring->commands[index];
    /* The connect that a socket was placed for was refused, or its fd was placed again: nobody else would close this one. */
    if (command->fd >= 0 && entry->res == 1)
        iocp_uring_close_handle((iocp_driver *)uring, 0, (uint32_t)command->place, false);
    else if (command->fd >= 0)
        uring->handles_held--;
    if (command->installs && entry->res >= 0)
        close(entry->res);
    command->state = IOCP_URING_COMMAND_OURS;
    give_back(command);
}

void iocp_uring_commands_close(iocp_uring *uring)
{
    for (uint32_t i = 0; i < IOCP_URING_COMMANDS_MAX; i++) {
        if (uring->commands[i].state == IOCP_URING_COMMAND_FREE)
            continue;
        uring->commands[i].state = IOCP_URING_COMMAND_OURS; /* the ring is gone, and the kernel's part with it */
        give_back(&uring->commands[i]);
    }
}

/* --- submitting --------------------------------------------------------------------------------------------- */

/* The entry stays queued, and asks for nothing. */
static int give_up(struct io_uring_sqe *entry, int result)
{
    io_uring_prep_nop(entry);
    entry->user_data = iocp_uring_own_token(IOCP_URING_OWN_IGNORED);
    return result;
}

/* Why the kernel left an entry: its completions have no room, or it is short of memory. */
static int untaken(int entered)
{
    return entered == -EBUSY ? -EBUSY : -EAGAIN;
}

static bool overflowed(const struct io_uring *ring)
{
    return IO_URING_READ_ONCE(*ring->sq.kflags) & IORING_SQ_CQ_OVERFLOW;
}

/* Whether the completion queue takes `more` completions. */
static bool has_room(const struct io_uring *ring, uint32_t more)
{
    return io_uring_cq_ready(ring) + more <= *ring->cq.kring_entries;
}

/* Looks for an answer among the completions from *seen on, and moves *seen behind what it looked at. */
static struct io_uring_cqe *find_answer(const struct io_uring *ring, uint64_t token, uint32_t *seen)
{
    const uint32_t mask = *ring->cq.kring_mask;
    const uint32_t tail = io_uring_smp_load_acquire(ring->cq.ktail);
    while (*seen != tail) {
        struct io_uring_cqe *entry = &ring->cq.cqes[(*seen)++ & mask];
        if (entry->user_data == token)
            return entry;
    }
    return NULL;
}

/* Empties the kernel's overflow list into the queue until the answer comes, or the queue is full. */
static struct io_uring_cqe *find_behind_overflow(iocp_uring *uring, uint64_t token, uint32_t *seen)
{
    struct io_uring *ring = &uring->ring;
    struct io_uring_cqe *answer = NULL;
    uint32_t before = *seen - 1;
    while (answer == NULL && *seen != before && overflowed(ring) && has_room(ring, 1)) {
        before = *seen;
        (void)iocp_uring_enter(uring, 0, 0, 0);
        answer = find_answer(ring, token, seen);
    }
    return answer;
}

/* An answer that stands alone is taken out of the queue, so that the next wait does not find it there. */
static int take_answer(struct io_uring *ring, struct io_uring_cqe *answer, uint32_t seen)
{
    const int result = answer->res;
    answer->user_data = iocp_uring_own_token(IOCP_URING_OWN_IGNORED);
    if (*ring->cq.khead + 1 == seen)
        io_uring_smp_store_release(ring->cq.khead, seen);
    return result;
}

static int run(iocp_uring *uring, iocp_uring_command *command, struct io_uring_sqe *entry)
{
    struct io_uring *ring = &uring->ring;
    const uint64_t token =
        iocp_token_make(IOCP_OPERATION_DRIVER, IOCP_URING_OWN_COMMAND, (uint32_t)(command - uring->commands));
    entry->user_data = token;
    /* Each entry queued before it may complete now, too; and one to spare. */
    if (!has_room(ring, io_uring_sq_ready(ring) + 1))
        return give_up(entry, -EBUSY);
    uint32_t seen = io_uring_smp_load_acquire(ring->cq.ktail);
    const int entered = overflowed(ring) ? iocp_uring_enter(uring, 0, 0, 0) : iocp_uring_submit(uring);
    /* The command is the last entry, so whatever the kernel left, this is among it. */
    if (io_uring_sq_ready(ring) > 0)
        return give_up(entry, untaken(entered));
    command->state = IOCP_URING_COMMAND_TAKEN;
    struct io_uring_cqe *answer = find_answer(ring, token, &seen);
    if (answer == NULL)
        answer = find_behind_overflow(uring, token, &seen);
    if (answer == NULL)
        return -EBUSY;
    command->state = IOCP_URING_COMMAND_OURS;
    return take_answer(ring, answer, seen);
}

int iocp_uring_command_run(iocp_uring *uring, struct io_uring_sqe *entry)
{
    iocp_uring_command *command = take(uring);
    if (command == NULL)
        return give_up(entry, -EBUSY);
    const int result = run(uring, command, entry);
    give_back(command);
    return result;
}

/* --- placing ------------------------------------------------------------------------------------------------ */

/* Submits, as a placing does, so that the address of the connect before is not needed any more. */
static int hold(iocp_uring *uring, int fd)
{
    const int entered = io_uring_sq_ready(&uring->ring) > 0 ? iocp_uring_submit(uring) : 0;
    if (io_uring_sq_ready(&uring->ring) == 0)
        return iocp_uring_sockets_hold(uring, fd);
    close(fd);
    return untaken(entered);
}

static int place(iocp_uring *uring, iocp_uring_command *command, int fd, bool lent)
{
    command->fd = command->place = fd;
    command->lent = lent;
    struct io_uring_sqe *entry = iocp_uring_entry(uring);
    io_uring_prep_files_update(entry, &command->place, 1, (int)IORING_FILE_INDEX_ALLOC);
    int result = run(uring, command, entry);
    if (result >= 0)
        result = result == 1 ? command->place : -ENFILE;
    /* One that may be placed already is held, too: a worker that stops waits until it is closed. */
    if (result >= 0 || command->state == IOCP_URING_COMMAND_TAKEN)
        uring->handles_held++;
    give_back(command);
    return result;
}

int iocp_uring_place(iocp_uring *uring, int fd)
{
    if (!uring->direct)
        return hold(uring, fd);
    iocp_uring_command *command = take(uring);
    if (command != NULL)
        return place(uring, command, fd, false);
    close(fd);
    return -EBUSY;
}

int iocp_uring_place_lent(iocp_uring *uring, int fd)
{
    if (!uring->direct) {
        const int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        return own < 0 ? -errno : hold(uring, own);
    }
    iocp_uring_command *command = take(uring);
    return command != NULL ? place(uring, command, fd, true) : -EBUSY;
}

/* --- asking ------------------------------------------------------------------------------------------------- */

int iocp_uring_ask(iocp_uring *uring, uint32_t handle, const iocp_uring_question *question, void *answer)
{
    if (!iocp_capabilities_get()->socket_commands)
        return -EOPNOTSUPP;
    iocp_uring_command *command = take(uring);
    if (command == NULL)
        return -EBUSY;
    /* The layout is spelled out because liburing 2.3 has no names for it. */
    struct io_uring_sqe *entry = iocp_uring_entry(uring);
    entry->opcode = IORING_OP_URING_CMD;
    entry->flags = IOSQE_FIXED_FILE;
    entry->fd = (int32_t)handle;
    entry->cmd_op = question->command;
    entry->addr = question->level | (uint64_t)question->option << 32; /* level, optname */
    entry->file_index = question->answer_bytes;                       /* optlen */
    entry->addr3 = (uint64_t)(uintptr_t)command->answer;              /* optval */
    const int result = run(uring, command, entry);
    if (result >= 0 && question->answer_bytes > 0)
        memcpy(answer, command->answer, question->answer_bytes);
    give_back(command);
    return result;
}

int iocp_uring_install(iocp_uring *uring, uint32_t handle)
{
    if (!iocp_capabilities_get()->fd_install)
        return -EOPNOTSUPP;
    /* Alone in its submission and with an empty overflow list, the command is answered within it. An fd of which nobody
     * has heard would stay open if the ring closed first. */
    if (io_uring_sq_ready(&uring->ring) > 0)
        (void)iocp_uring_submit(uring);
    iocp_uring_command *command = overflowed(&uring->ring) ? NULL : take(uring);
    if (command == NULL)
        return -EBUSY;
    command->installs = true;
    struct io_uring_sqe *entry = iocp_uring_entry(uring);
    entry->opcode = IOCP_URING_OP_FIXED_FD_INSTALL;
    entry->flags = IOSQE_FIXED_FILE;
    entry->fd = (int32_t)handle;
    const int fd = run(uring, command, entry);
    give_back(command);
    return fd;
}
