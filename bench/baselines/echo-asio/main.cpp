// Echo server on Boost.Asio, one io_context and one thread.
//
// - The concurrency hint takes all locks out, and the sockets name the executor's type, so that no call is erased.
// - A read that came short tells Asio that the socket is empty, so arming the next one costs no system call. That
//   takes async_read_some and a buffer per connection; waiting for readability and reading into a shared buffer
//   would cost an epoll_ctl per message.
// - The answer is first tried at once, without an operation; async_write takes what the socket did not.
// - A session has at most one operation under way. Its memory is free before the handler runs, and is what the next
//   operation gets: Asio keeps it for that.
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <chrono>
#include <cstdio>
#include <exception>
#include <memory>
#include <vector>

#include <sys/socket.h>

// The header is C: this is how C++ spells its one keyword.
#define _Noreturn [[noreturn]]
extern "C" {
#include "baseline.h"
}
#undef _Noreturn

namespace asio = boost::asio;
using boost::system::error_code;
using tcp = asio::ip::tcp;
using executor = asio::io_context::executor_type;
using stream = asio::basic_stream_socket<tcp, executor>;
using acceptor = asio::basic_socket_acceptor<tcp, executor>;

namespace {

// What one read takes at most, and so what one connection can owe its peer. Only pages that were read into take memory.
constexpr std::size_t buffer_bytes = 64 * 1024;

class session;

// Sessions that ended, to be used again: a client costs no allocation.
std::vector<std::unique_ptr<session>> idle_sessions;

class session {
public:
    explicit session(asio::io_context &context) : socket(context.get_executor()) {}

    // From here on the session owns itself, and goes to the idle ones when the connection ends.
    void start()
    {
        error_code failure;
        socket.non_blocking(true, failure);
        if (failure)
            end();
        else
            read();
    }

    stream socket;

private:
    struct on_read {
        session *self;
        void operator()(const error_code &failure, std::size_t count) const
        {
            if (failure)
                self->end();
            else
                self->answer(count);
        }
    };

    struct on_written {
        session *self;
        void operator()(const error_code &failure, std::size_t) const
        {
            if (failure)
                self->end();
            else
                self->read();
        }
    };

    void read()
    {
        socket.async_read_some(asio::buffer(bytes), on_read{this});
    }

    void answer(std::size_t count)
    {
        error_code failure;
        const std::size_t sent = socket.write_some(asio::buffer(bytes.data(), count), failure);
        if (failure && failure != asio::error::would_block)
            end();
        else if (sent == count)
            read();
        else
            asio::async_write(socket, asio::buffer(bytes.data() + sent, count - sent), on_written{this});
    }

    void end()
    {
        error_code ignored;
        socket.close(ignored);
        idle_sessions.emplace_back(this);
    }

    std::array<char, buffer_bytes> bytes; // left as it comes: clearing it would touch every page
};

class server {
public:
    server(asio::io_context &shared, const tcp &protocol, int listener)
        : context(shared), clients(shared.get_executor(), protocol, listener), pause(shared.get_executor())
    {
    }

    void accept()
    {
        if (next == nullptr)
            next = session_take();
        clients.async_accept(next->socket, on_client{this});
    }

private:
    struct on_client {
        server *self;
        void operator()(const error_code &failure) const
        {
            self->accepted(failure);
        }
    };

    struct on_rested {
        server *self;
        void operator()(const error_code &) const
        {
            self->accept();
        }
    };

    void accepted(const error_code &failure)
    {
        if (failure == asio::error::no_descriptors || failure == boost::system::errc::too_many_files_open_in_system ||
            failure == asio::error::no_buffer_space || failure == asio::error::no_memory) {
            // The client stays in the backlog, and accepting at once would fail at once.
            pause.expires_after(std::chrono::milliseconds(BASELINE_ACCEPT_PAUSE_MS));
            pause.async_wait(on_rested{this});
            return;
        }
        if (!failure)
            next.release()->start(); // TCP_NODELAY comes with the listener
        accept();
    }

    std::unique_ptr<session> session_take()
    {
        if (idle_sessions.empty())
            return std::unique_ptr<session>(new session(context));
        std::unique_ptr<session> taken = std::move(idle_sessions.back());
        idle_sessions.pop_back();
        return taken;
    }

    asio::io_context &context;
    acceptor clients;
    asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, executor> pause;
    std::unique_ptr<session> next;
};

bool is_ipv6(int listener)
{
    sockaddr_storage address;
    socklen_t length = sizeof address;
    return getsockname(listener, reinterpret_cast<sockaddr *>(&address), &length) == 0 &&
           address.ss_family == AF_INET6;
}

} // namespace

int main(int argc, char **argv)
try {
    const baseline_options options = baseline_options_parse(argc, argv, BASELINE_ECHO_ONLY);
    baseline_process_prepare();

    asio::io_context context(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE);
    const int listener = baseline_listen(options, true);
    server server(context, is_ipv6(listener) ? tcp::v6() : tcp::v4(), listener);
    server.accept();
    baseline_announce(listener);
    context.run();
} catch (const std::exception &failure) {
    std::fprintf(stderr, "echo-asio: %s\n", failure.what());
    return 1;
}
