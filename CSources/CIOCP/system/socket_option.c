/* Socket options of a descriptor, and TCP_INFO in words of our own. */
#include "socket_option.h"

#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h> /* the C library's struct tcp_info ends where Linux 2.6 did */
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

int iocp_socket_get_option(int fd, const iocp_socket_option *option, void *value, uint32_t *count_bytes)
{
    socklen_t length = *count_bytes;
    if (getsockopt(fd, option->level, option->name, value, &length) < 0)
        return -errno;
    *count_bytes = length;
    return 0;
}

int iocp_socket_set_option(int fd, const iocp_socket_option *option, const void *value, uint32_t count_bytes)
{
    return setsockopt(fd, option->level, option->name, value, count_bytes) < 0 ? -errno : 0;
}

int iocp_socket_unacknowledged(int fd)
{
    int count_bytes = 0;
    return ioctl(fd, SIOCOUTQ, &count_bytes) < 0 ? -errno : count_bytes;
}

/* Not a program (SO_ATTACH_REUSEPORT_CBPF): that names sockets by their places in the group, and those change whenever a worker
 * joins or leaves. */
void iocp_socket_prefer_cpu(int fd, uint32_t cpu)
{
    const int value = (int)cpu;
    (void)setsockopt(fd, SOL_SOCKET, SO_INCOMING_CPU, &value, sizeof value);
}

void iocp_socket_abandon(int fd)
{
    /* socket(7), SO_LINGER: with a time of zero, close sends RST. */
    const struct linger option = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &option, sizeof option);
    close(fd);
}

iocp_socket_option iocp_tcp_info_option(void)
{
    return (iocp_socket_option){.level = IPPROTO_TCP, .name = TCP_INFO};
}

_Static_assert(sizeof(struct tcp_info) <= IOCP_TCP_INFO_BYTES_MAX, "what the kernel tells has room");

iocp_connection_info iocp_tcp_info_read(const uint8_t *bytes, uint32_t count_bytes)
{
    struct tcp_info info = {0};
    memcpy(&info, bytes, count_bytes < sizeof info ? count_bytes : sizeof info);
    return (iocp_connection_info){
        .round_trip_us = info.tcpi_rtt,
        .round_trip_variation_us = info.tcpi_rttvar,
        .round_trip_least_us = info.tcpi_min_rtt,
        .retransmission_timeout_us = info.tcpi_rto,
        .congestion_window_segments = info.tcpi_snd_cwnd,
        .segment_bytes = info.tcpi_snd_mss,
        .unacknowledged_segments = info.tcpi_unacked,
        .lost_segments = info.tcpi_lost,
        .retransmitted_segments = info.tcpi_total_retrans,
        .not_sent_bytes = info.tcpi_notsent_bytes,
        .acknowledged_bytes = info.tcpi_bytes_acked,
        .received_bytes = info.tcpi_bytes_received,
        .pacing_bytes_per_second = info.tcpi_pacing_rate,
        .delivery_bytes_per_second = info.tcpi_delivery_rate,
        .busy_us = info.tcpi_busy_time,
        .receive_window_limited_us = info.tcpi_rwnd_limited,
        .send_buffer_limited_us = info.tcpi_sndbuf_limited,
    };
}
