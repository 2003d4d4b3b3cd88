//! Echo server in Rust on tokio: one thread, a task per connection.
//!
//! The runtime's intervals are its own: asking the sockets every 1,024 tasks instead of every 61 was measured beside
//! it, and the difference was noise.

mod echo;
mod limits;
mod options;

use std::future::poll_fn;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::exit;
use std::task::Poll;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime;
use tokio::signal::unix::{signal, SignalKind};

const BACKLOG: u32 = 4096;

/// A client that could not be accepted for want of descriptors or memory stays in the backlog for so long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

fn main() {
    let address = options::parse();
    let outcome =
        runtime::Builder::new_current_thread().enable_all().build().and_then(|runtime| runtime.block_on(run(address)));
    if let Err(error) = outcome {
        fail(&error);
    }
}

async fn run(address: SocketAddr) -> io::Result<()> {
    limits::raise_descriptors()?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;

    let listener = listen(address)?;
    let mut output = io::stdout().lock();
    writeln!(output, "listening on {}", listener.local_addr()?)?;
    output.flush()?;

    tokio::spawn(serve(listener));
    poll_fn(|context| {
        let asked_to_end = interrupt.poll_recv(context).is_ready() | terminate.poll_recv(context).is_ready();
        if asked_to_end {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    Ok(())
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener = socket.listen(BACKLOG)?;
    // Accepted sockets inherit it, which saves each a call.
    SockRef::from(&listener).set_nodelay(true)?;
    Ok(listener)
}

async fn serve(listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(echo::echo(stream));
            }
            Err(error) => match error.raw_os_error() {
                Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => {
                    tokio::time::sleep(ACCEPT_PAUSE).await
                }
                Some(libc::EBADF | libc::EFAULT | libc::EINVAL | libc::ENOTSOCK | libc::EOPNOTSUPP) => fail(&error),
                // What Linux reports of a client that died in the backlog.
                _ => {}
            },
        }
    }
}

fn fail(error: &io::Error) -> ! {
    eprintln!("echo-tokio: {error}");
    exit(1);
}
