/* Addresses: text in, text out, and the way through sockaddr. */
#include <sys/un.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>

#include "../../../CSources/CIOCP/include/iocp_system.h"
#include "../../../CSources/CIOCP/system/socket_address.h"
#include "include/FuzzTargets.h"
#include "input.h"

enum { TEXT_BYTES_MAX = 80 };

static bool same_host(const iocp_address *a, const iocp_address *b)
{
    return a->family_is_v6 == b->family_is_v6 && memcmp(a->bytes, b->bytes, a->family_is_v6 ? 16 : 4) == 0;
}

/* Whether getaddrinfo(3) answers by itself. A name would ask a resolver: that is slow, and not the same each time. */
static bool is_numeric(const char *text)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_flags = AI_NUMERICHOST};
    struct addrinfo *list = NULL;
    if (getaddrinfo(text, NULL, &hints, &list) != 0)
        return false;
    freeaddrinfo(list);
    return true;
}

static void check_sockaddr(const iocp_address *address)
{
    struct sockaddr_storage storage;
    iocp_address read;
    const iocp_endpoint endpoint = iocp_endpoint_tcp(address);
    const socklen_t length = iocp_sockaddr_write(&endpoint, &storage);
    FUZZ_REQUIRE(length == (address->family_is_v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in)),
                 "an address has its family's length");
    FUZZ_REQUIRE(iocp_sockaddr_read(&storage, &read) == 0, "an address that was written can be read");
    FUZZ_REQUIRE(same_host(address, &read) && address->port_be == read.port_be, "another address is read than written");
    FUZZ_REQUIRE(!address->family_is_v6 || address->scope_id == read.scope_id, "the scope is lost");
}

/* What is formatted names the same host and scope. */
static void check_format(const iocp_address *address, uint32_t capacity_bytes)
{
    char *text = malloc(capacity_bytes); /* of exactly this size, so that a byte too many is seen */
    FUZZ_REQUIRE(text != NULL || capacity_bytes == 0, "no memory");
    const int result = iocp_address_format(address, text, capacity_bytes);
    FUZZ_REQUIRE(result == 0 || (result == -ENOSPC && capacity_bytes < IOCP_ADDRESS_TEXT_BYTES),
                 "64 bytes are enough for every address");
    if (result == 0) {
        iocp_address again;
        FUZZ_REQUIRE(iocp_address_resolve(text, ntohs(address->port_be), &again) == 0,
                     "what was formatted is no address");
        FUZZ_REQUIRE(same_host(address, &again) && again.port_be == address->port_be,
                     "the way out and in changes a host");
        FUZZ_REQUIRE(!address->family_is_v6 || again.scope_id == address->scope_id, "the way out and in changes a scope");
    }
    free(text);
}

static void check_text(fuzz_input *input)
{
    char text[TEXT_BYTES_MAX] = "";
    const uint16_t port = (uint16_t)fuzz_word(input, 2);
    const size_t count = input->left < sizeof text - 1 ? input->left : sizeof text - 1;
    memcpy(text, input->next, count);
    if (!is_numeric(text))
        return;
    iocp_address address;
    FUZZ_REQUIRE(iocp_address_resolve(text, port, &address) == 0, "a numeric address does not resolve");
    FUZZ_REQUIRE(address.port_be == htons(port) && address.family_is_v6 <= 1, "it resolves to something else");
    check_sockaddr(&address);
    check_format(&address, IOCP_ADDRESS_TEXT_BYTES);
}

static void check_bytes(fuzz_input *input)
{
    iocp_address address = {.family_is_v6 = fuzz_byte(input) & 1};
    const uint32_t capacity_bytes = fuzz_below(input, 72);
    address.port_be = (uint16_t)fuzz_word(input, 2);
    address.scope_id = (uint32_t)fuzz_word(input, 4);
    for (uint32_t i = 0; i < sizeof address.bytes; i++)
        address.bytes[i] = fuzz_byte(input);
    check_sockaddr(&address);
    check_format(&address, capacity_bytes);
}

/* The name of a Unix socket, whatever length the kernel told. */
static void check_name(struct sockaddr_storage *storage, size_t told_bytes)
{
    storage->ss_family = AF_UNIX;
    iocp_endpoint endpoint, again;
    struct sockaddr_storage written;
    FUZZ_REQUIRE(iocp_sockaddr_read_endpoint(storage, (socklen_t)told_bytes, &endpoint) == 0, "a name is not read");
    FUZZ_REQUIRE(endpoint.kind == IOCP_ENDPOINT_UNIX && endpoint.name_bytes <= IOCP_UNIX_NAME_BYTES_MAX, "a name is too long");
    const socklen_t length = iocp_sockaddr_write(&endpoint, &written);
    FUZZ_REQUIRE(length <= sizeof(struct sockaddr_un), "a name is written behind its end");
    FUZZ_REQUIRE(iocp_sockaddr_read_endpoint(&written, length, &again) == 0 && again.name_bytes == endpoint.name_bytes &&
                     memcmp(again.name, endpoint.name, endpoint.name_bytes) == 0,
                 "another name is read than written");
}

static void check_foreign_sockaddr(fuzz_input *input)
{
    struct sockaddr_storage storage = {0};
    iocp_address address;
    memcpy(&storage, input->next, input->left < sizeof storage ? input->left : sizeof storage);
    const int result = iocp_sockaddr_read(&storage, &address);
    const bool known = storage.ss_family == AF_INET || storage.ss_family == AF_INET6;
    FUZZ_REQUIRE(result == (known ? 0 : -EAFNOSUPPORT), "a family is read that is no address'");
    if (known)
        check_sockaddr(&address);
    else
        check_name(&storage, input->left);
}

void fuzz_address(const uint8_t *bytes, size_t count)
{
    fuzz_input input = {bytes, count};
    switch (fuzz_below(&input, 3)) {
    case 0:
        check_text(&input);
        return;
    case 1:
        check_bytes(&input);
        return;
    default:
        check_foreign_sockaddr(&input);
        return;
    }
}
