/* OpenSSL 3, by the system's headers: libssl-dev, openssl-devel. */
#include <openssl/ssl.h>
