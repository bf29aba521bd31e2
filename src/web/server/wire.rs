//! The bytes of a connection, and what hyper lacks: messages in the error responses that it writes itself, tolerance
//! for unencoded targets, and a lingering close, so that clients that still send can read the response.

use std::{
    fmt::Write as _,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::OwnedSemaphorePermit,
    time::{Sleep, sleep},
};
use tokio_io_timeout::TimeoutWriter;
use tokio_rustls::server::TlsStream;

use crate::web::{
    guard::security_headers,
    limits::{LINGER_TIMEOUT, MAX_LINGER_BYTES},
    server::{heads::Heads, idle::InFlight},
};

/// A stream with or without TLS.
pub(crate) enum Transport {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
}

/// A socket whose writes time out if the peer stops reading.
pub(crate) type Socket = Pin<Box<TimeoutWriter<TcpStream>>>;

/// Whether to linger before closing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Linger(Arc<AtomicBool>);

impl Linger {
    /// Lingers.
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The stream of a connection. It holds the connection's permit, also after an upgrade to a WebSocket.
pub(crate) struct ClientStream {
    transport: Transport,
    is_tls: bool,
    in_flight: InFlight,
    heads: Heads,
    /// Bytes that were received and encoded, but not read yet.
    received: Vec<u8>,
    /// Bytes to be written in place of an error response of hyper's.
    refusal: Vec<u8>,
    linger: Linger,
    lingering: Option<(Pin<Box<Sleep>>, usize)>,
    _permit: OwnedSemaphorePermit,
}

impl ClientStream {
    /// Wraps an accepted connection after its handshake.
    pub(crate) fn new(
        transport: Transport,
        is_h2: bool,
        in_flight: InFlight,
        linger: Linger,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        let mut heads = Heads::new();
        if is_h2 {
            heads.pass_through();
        }
        let is_tls = matches!(transport, Transport::Tls(_));
        let (received, refusal) = (Vec::new(), Vec::new());
        Self { transport, is_tls, in_flight, heads, received, refusal, linger, lingering: None, _permit: permit }
    }

    fn stream(&mut self) -> Pin<&mut dyn Stream> {
        match &mut self.transport {
            Transport::Plain(socket) => {
                let stream: Pin<&mut Socket> = Pin::new(socket);
                stream
            }
            Transport::Tls(stream) => {
                let stream: Pin<&mut TlsStream<Socket>> = Pin::new(stream.as_mut());
                stream
            }
        }
    }

    fn count_sent(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = &written {
            self.in_flight.add_sent(*bytes);
        }
        written
    }

    /// Replaces an error response of hyper's, which has no body, by one with a message. Returns whether it did.
    fn replace_refusal(&mut self, head: &[u8]) -> bool {
        let Some(refusal) = refusal(head, self.is_tls) else { return false };
        self.refusal = refusal;
        self.linger.set();
        true
    }

    fn poll_refusal(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.refusal.is_empty() {
            let refusal = std::mem::take(&mut self.refusal);
            let written = self.stream().poll_write(cx, &refusal);
            let taken = if let Poll::Ready(Ok(bytes)) = &written { *bytes } else { 0 };
            self.refusal = refusal[taken..].to_vec();
            if ready!(written)? == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Discards what the client still sends, within limits, until it closes.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (mut timeout, mut bytes) =
            self.lingering.take().unwrap_or_else(|| (Box::pin(sleep(LINGER_TIMEOUT)), MAX_LINGER_BYTES));
        loop {
            if timeout.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            let mut scrap = [0; 8 * 1024];
            let mut buffer = ReadBuf::new(&mut scrap);
            match self.stream().poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() && buffer.filled().len() < bytes => {
                    bytes -= buffer.filled().len();
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => {
                    self.lingering = Some((timeout, bytes));
                    return Poll::Pending;
                }
            }
        }
    }
}

trait Stream: AsyncRead + AsyncWrite {}

impl<T: AsyncRead + AsyncWrite> Stream for T {}

/// Returns the replacement of `head` if hyper wrote it. Responses of the router have headers that hyper does not know.
fn refusal(head: &[u8], is_tls: bool) -> Option<Vec<u8>> {
    let status = head.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    let message = match status {
        b"400" => {
            "the request is no HTTP that can be read: in its first line, write spaces and other signs percent-encoded; in headers, a \
             name, a colon and a value"
        }
        b"414" => "the address is too long: send what it holds in the body of a POST",
        b"431" => "the headers are too large, or too many: send fewer",
        _ => return None,
    };
    let head = str::from_utf8(head).ok()?;
    let lines =
        head.strip_suffix("\r\n\r\n").filter(|_| !head.to_ascii_lowercase().contains("x-content-type-options"))?;
    let body = json!({ "message": message }).to_string();
    let kept = lines.lines().filter(|line| {
        let name = line.split(':').next().unwrap_or_default();
        !["content-length", "connection"].iter().any(|other| name.eq_ignore_ascii_case(other))
    });
    let mut answer = kept.fold(String::new(), |answer, line| answer + line + "\r\n");
    let more = security_headers::add(axum::response::Response::new(()), is_tls);
    let more =
        more.headers().iter().filter_map(|(name, value)| Some((title_case(name.as_str()), value.to_str().ok()?)));
    let own = [("Content-Type".to_owned(), "application/json"), ("Connection".to_owned(), "close")];
    for (name, value) in own.into_iter().chain(more) {
        write!(answer, "{name}: {value}\r\n").ok()?;
    }
    write!(answer, "Content-Length: {}\r\n\r\n{body}", body.len()).ok()?;
    Some(answer.into_bytes())
}

/// Returns the usual capitalisation of a header name.
fn title_case(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let (first, others) = word.split_at(word.len().min(1));
        first.to_ascii_uppercase() + others
    });
    words.collect::<Vec<_>>().join("-")
}

impl AsyncRead for ClientStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if self.received.is_empty() {
            ready!(self.stream().poll_read(cx, buffer))?;
            let Some(encoded) = self.heads.encode_targets(&buffer.filled()[before..]) else {
                return Poll::Ready(Ok(()));
            };
            buffer.set_filled(before);
            self.received = encoded;
        }
        let fits = self.received.len().min(buffer.remaining());
        buffer.put_slice(&self.received[..fits]);
        self.received.drain(..fits);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_refusal(cx))?;
        if self.replace_refusal(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = self.stream().poll_write(cx, bytes);
        self.count_sent(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_refusal(cx))?;
        if let [head] = bytes
            && self.replace_refusal(head)
        {
            return Poll::Ready(Ok(head.len()));
        }
        let written = self.stream().poll_write_vectored(cx, bytes);
        self.count_sent(written)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.transport {
            Transport::Plain(socket) => socket.is_write_vectored(),
            Transport::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_refusal(cx))?;
        self.stream().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_refusal(cx))?;
        ready!(self.stream().poll_shutdown(cx))?;
        if self.linger.is_set() {
            ready!(self.poll_linger(cx));
        }
        Poll::Ready(Ok(()))
    }
}
