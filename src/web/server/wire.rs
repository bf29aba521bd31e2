//! The bytes of a connection, and what the HTTP library does not do with them: it refuses what it can't read without a word, refuses
//! signs in an address that others write, and closes before a client that still sends has read why.

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
    server::{heads::Heads, idle::Underway},
};

/// With TLS or without.
pub(crate) enum Wire {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
}

/// A socket whose peer must go on reading while something is written to it.
pub(crate) type Socket = Pin<Box<TimeoutWriter<TcpStream>>>;

/// Whether the client is heard out before the connection is closed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Linger(Arc<AtomicBool>);

impl Linger {
    /// It is.
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A connection that has its place among those that may be open, for as long as it is: also as a WebSocket.
pub(crate) struct Placed {
    wire: Wire,
    is_tls: bool,
    underway: Underway,
    heads: Heads,
    /// What was received and encoded, and is yet to be read.
    received: Vec<u8>,
    /// What is to be written in place of a refusal of the library's.
    refusal: Vec<u8>,
    linger: Linger,
    lingering: Option<(Pin<Box<Sleep>>, usize)>,
    _place: OwnedSemaphorePermit,
}

impl Placed {
    /// A connection that was accepted and greeted.
    pub(crate) fn new(
        wire: Wire,
        is_h2: bool,
        underway: Underway,
        linger: Linger,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let mut heads = Heads::new();
        if is_h2 {
            heads.stop();
        }
        let is_tls = matches!(wire, Wire::Tls(_));
        let (received, refusal) = (Vec::new(), Vec::new());
        Self { wire, is_tls, underway, heads, received, refusal, linger, lingering: None, _place: place }
    }

    fn stream(&mut self) -> Pin<&mut dyn Stream> {
        match &mut self.wire {
            Wire::Plain(socket) => {
                let stream: Pin<&mut Socket> = Pin::new(socket);
                stream
            }
            Wire::Tls(stream) => {
                let stream: Pin<&mut TlsStream<Socket>> = Pin::new(stream.as_mut());
                stream
            }
        }
    }

    fn noted(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = &written {
            self.underway.took(*bytes);
        }
        written
    }

    /// Puts an answer with a message in the place of the library's own, which has none.
    fn replaces(&mut self, head: &[u8]) -> bool {
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

    /// Takes in what the client still sends, within bounds, until it has read its answer and leaves.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (mut patience, mut bytes) =
            self.lingering.take().unwrap_or_else(|| (Box::pin(sleep(LINGER_TIMEOUT)), MAX_LINGER_BYTES));
        loop {
            if patience.as_mut().poll(cx).is_ready() {
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
                    self.lingering = Some((patience, bytes));
                    return Poll::Pending;
                }
            }
        }
    }
}

trait Stream: AsyncRead + AsyncWrite {}

impl<T: AsyncRead + AsyncWrite> Stream for T {}

/// A whole answer in the place of `head`, where that is the library's own: those of ours have headers that it does not know, and a body.
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

/// The common spelling of a header's name.
fn title_case(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let (first, others) = word.split_at(word.len().min(1));
        first.to_ascii_uppercase() + others
    });
    words.collect::<Vec<_>>().join("-")
}

impl AsyncRead for Placed {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if self.received.is_empty() {
            ready!(self.stream().poll_read(cx, buffer))?;
            let Some(encoded) = self.heads.pass(&buffer.filled()[before..]) else { return Poll::Ready(Ok(())) };
            buffer.set_filled(before);
            self.received = encoded;
        }
        let fits = self.received.len().min(buffer.remaining());
        buffer.put_slice(&self.received[..fits]);
        self.received.drain(..fits);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Placed {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_refusal(cx))?;
        if self.replaces(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = self.stream().poll_write(cx, bytes);
        self.noted(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_refusal(cx))?;
        if let [head] = bytes
            && self.replaces(head)
        {
            return Poll::Ready(Ok(head.len()));
        }
        let written = self.stream().poll_write_vectored(cx, bytes);
        self.noted(written)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.wire {
            Wire::Plain(socket) => socket.is_write_vectored(),
            Wire::Tls(stream) => stream.is_write_vectored(),
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
