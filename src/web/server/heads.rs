//! Percent-encodes request targets of HTTP/1.1. The HTTP library rejects characters that RFC 3986 does not allow, but
//! people and programs send them (`/items/<lambda>/metrics`).

/// The characters that are encoded.
const ENCODED: [u8; 4] = *b"<>`\"";
/// Bytes of a header line that are inspected. The headers that delimit a message are shorter; longer ones are treated
/// as unclear.
const MAX_HEADER_LINE: usize = 64;
/// Digits of a `Content-Length`, at most; longer ones are treated as unclear.
const MAX_LENGTH_DIGITS: usize = 15;

/// Where in a request the next byte belongs.
#[derive(Debug)]
enum Position {
    /// In a request line, after this many spaces. The target follows the first one.
    Line(usize),
    /// In a header line that starts with these bytes.
    Header(Vec<u8>),
    /// In a body with this many bytes left.
    Body(u64),
    /// Unknown, or irrelevant: bytes are passed through unchanged.
    PassThrough,
}

/// Tracks the requests of a connection. When the end of a message is unclear, everything from there on is passed
/// through.
#[derive(Debug)]
pub(crate) struct Heads {
    position: Position,
    /// The `Content-Length` of the current request.
    length: Option<u64>,
    /// Whether the end of the body does not follow from a `Content-Length`.
    is_unclear: bool,
}

impl Heads {
    /// Starts at the beginning of a connection.
    pub(crate) fn new() -> Self {
        Self { position: Position::Line(0), length: None, is_unclear: false }
    }

    /// Passes everything through from now on.
    pub(crate) fn pass_through(&mut self) {
        self.position = Position::PassThrough;
    }

    /// Consumes received bytes. Returns them with targets encoded, or `None` if nothing had to be.
    pub(crate) fn encode_targets(&mut self, mut received: &[u8]) -> Option<Vec<u8>> {
        let all = received;
        let mut encoded: Option<Vec<u8>> = None;
        while let Some((&byte, rest)) = received.split_first() {
            let at = all.len() - received.len();
            let mut taken = 1;
            match &mut self.position {
                Position::PassThrough => taken = received.len(),
                Position::Body(left) => {
                    let here = usize::try_from(*left).unwrap_or(usize::MAX).min(received.len());
                    *left -= here as u64;
                    taken = here;
                    if *left == 0 {
                        self.position = Position::Line(0);
                    }
                }
                Position::Line(spaces) => match byte {
                    b'\n' if *spaces > 0 => self.position = Position::Header(Vec::new()),
                    b' ' => *spaces += 1,
                    _ if *spaces == 1 && ENCODED.contains(&byte) => {
                        let encoded = encoded.get_or_insert_with(|| all[..at].to_vec());
                        encoded.extend_from_slice(format!("%{byte:02X}").as_bytes());
                        received = rest;
                        continue;
                    }
                    _ => {}
                },
                Position::Header(line) => {
                    let end = received.iter().position(|byte| *byte == b'\n');
                    let here = &received[..end.unwrap_or(received.len())];
                    line.extend_from_slice(&here[..here.len().min(MAX_HEADER_LINE - line.len().min(MAX_HEADER_LINE))]);
                    taken = here.len() + usize::from(end.is_some());
                    if end.is_some() {
                        let line = std::mem::take(line);
                        self.header(&line);
                    }
                }
            }
            if let Some(encoded) = &mut encoded {
                encoded.extend_from_slice(&received[..taken]);
            }
            received = &received[taken..];
        }
        encoded
    }

    fn header(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            let length = self.length.take().unwrap_or(0);
            self.position = match (self.is_unclear, length) {
                (true, _) => Position::PassThrough,
                (false, 0) => Position::Line(0),
                (false, length) => Position::Body(length),
            };
            return;
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            self.is_unclear = true;
            return;
        };
        let (name, value) = line.split_at(colon);
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = length(&value[1..]).filter(|_| line.len() < MAX_HEADER_LINE && self.length.is_none());
            self.is_unclear |= length.is_none();
            self.length = length;
        }
        // Another way to delimit the body, a protocol switch, or a folded header line.
        self.is_unclear |=
            ["transfer-encoding", "upgrade", "expect"].iter().any(|other| name.eq_ignore_ascii_case(other.as_bytes()))
                || name.iter().any(u8::is_ascii_whitespace);
    }
}

/// Parses a length that every implementation reads alike: no sign, no leading zeros.
fn length(value: &[u8]) -> Option<u64> {
    let digits = str::from_utf8(value.trim_ascii()).ok()?;
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    if is_plain && digits.len() <= MAX_LENGTH_DIGITS { digits.parse().ok() } else { None }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that can't go on fails")]
mod tests {
    use proptest::prelude::*;

    use super::Heads;

    /// Returns what is passed on when `sent` arrives in pieces of this size.
    fn passed(sent: &str, piece: usize) -> String {
        let mut heads = Heads::new();
        let pieces =
            sent.as_bytes().chunks(piece).map(|piece| heads.encode_targets(piece).unwrap_or_else(|| piece.to_vec()));
        String::from_utf8(pieces.collect::<Vec<_>>().concat()).unwrap()
    }

    const REQUESTS: [(&str, &str); 4] = [
        ("GET /a<b>`?c=<d> HTTP/1.1\r\nHost: <h>\r\n\r\n", "GET /a%3Cb%3E%60?c=%3Cd%3E HTTP/1.1\r\nHost: <h>\r\n\r\n"),
        (
            "POST /a HTTP/1.1\r\nContent-Length: 24\r\n\r\nGET /<x> HTTP/1.1\r\n\r\n<<<",
            "POST /a HTTP/1.1\r\nContent-Length: 24\r\n\r\nGET /<x> HTTP/1.1\r\n\r\n<<<",
        ),
        ("\r\nGET /< HTTP/1.0\n\n", "\r\nGET /%3C HTTP/1.0\n\n"),
        // The rest is passed through.
        (
            "POST /< HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /< HTTP/1.1\r\n\r\n",
            "POST /%3C HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /< HTTP/1.1\r\n\r\n",
        ),
    ];

    #[test]
    fn addresses_are_encoded_and_nothing_else() {
        let (sent, expected): (Vec<_>, Vec<_>) = REQUESTS.into_iter().unzip();
        for piece in [1, 2, 7, 1000] {
            assert_eq!(passed(&sent.concat(), piece), expected.concat(), "{piece}");
        }
    }

    #[test]
    fn a_length_that_is_not_sure_ends_the_looking() {
        let zeros = format!("Content-Length: {}5", "0".repeat(60));
        let blanks = format!("Content-Length:{}5", " ".repeat(60));
        let nameless = "x".repeat(100);
        for header in [
            &*zeros,
            &*blanks,
            &*nameless,
            "Content-Length: 1\r\nContent-Length: 2",
            "Content-Length: 0\r\nContent-Length: 5",
            "Content-Length: +1",
            "Content-Length: 05",
            "Content-Length: 5, 5",
            "Content-Length: 1234567890123456",
            "Content-Length : 5",
            "Upgrade: websocket",
            "Expect: 100-continue",
            "a: b\r\n c: d",
        ] {
            let sent = format!("GET / HTTP/1.1\r\n{header}\r\n\r\nGET /< HTTP/1.1\r\n\r\n");
            assert_eq!(passed(&sent, 1000), sent, "{header}");
        }
    }

    proptest! {
        #[test]
        fn no_byte_of_a_body_is_changed(zeros in "0{0,70}", blanks in "[ \t]{0,70}", body in "[<>a\n]{1,60}", piece in 1_usize..50) {
            let head = format!("POST / HTTP/1.1\r\nContent-Length:{blanks}{zeros}{}\r\n\r\n", body.len());
            prop_assert_eq!(passed(&(head.clone() + &body), piece), head + &body);
        }

        #[test]
        fn what_has_none_of_the_signs_is_passed_as_it_is(sent in "[^<>`\"]{0,200}", piece in 1_usize..50) {
            prop_assert_eq!(passed(&sent, piece), sent);
        }
    }
}
