//! The echo of one connection.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{ready, Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;

/// What one read takes at most, and so what one connection can owe its peer.
const BUFFER_BYTES: usize = 64 * 1024;

thread_local! {
    /// Shared by all connections: it is filled and sent within one poll, so an idle connection has no buffer at all.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; BUFFER_BYTES]);
}

enum Turn {
    Sent,
    /// The socket is full: these bytes are still to be sent.
    Owed(Vec<u8>),
    Ended,
}

/// Echoes until the peer has closed its side and has all its bytes, or failed.
pub async fn echo(mut stream: TcpStream) {
    loop {
        let sent = match poll_fn(|context| poll_turn(&mut stream, context)).await {
            Ok(Turn::Sent) => Ok(()),
            Ok(Turn::Owed(bytes)) => send(&stream, &bytes).await,
            Ok(Turn::Ended) | Err(_) => return,
        };
        if sent.is_err() {
            return;
        }
    }
}

/// Reads once and sends that back.
///
/// `poll_read` rather than `try_read`: it takes a read that does not fill the buffer for the sign that the socket is
/// empty, and so needs no second one to see it.
fn poll_turn(stream: &mut TcpStream, context: &mut Context<'_>) -> Poll<io::Result<Turn>> {
    BUFFER.with(|buffer| {
        let mut buffer = buffer.borrow_mut();
        let mut received = ReadBuf::new(&mut buffer);
        ready!(Pin::new(&mut *stream).poll_read(context, &mut received))?;
        let bytes = received.filled();
        if bytes.is_empty() {
            return Poll::Ready(Ok(Turn::Ended));
        }
        let sent = try_send(stream, bytes)?;
        Poll::Ready(Ok(if sent == bytes.len() { Turn::Sent } else { Turn::Owed(bytes[sent..].to_vec()) }))
    })
}

async fn send(stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.writable().await?;
        bytes = &bytes[try_send(stream, bytes)?..];
    }
    Ok(())
}

/// Returns how many of the bytes the socket took, 0 when it is full.
fn try_send(stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    match stream.try_write(bytes) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        outcome => outcome,
    }
}
