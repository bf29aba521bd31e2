//! The request lines that clients of HTTP/1.1 send, made such as the HTTP library takes them: it refuses signs in an address that RFC
//! 3986 leaves out, and that people and programs write all the same (`/items/<lambda>/metrics`).

/// Signs that are percent-encoded on the way in.
const ENCODED: [u8; 4] = *b"<>`\"";
/// Bytes of a header line that are looked at: the names and values that say where a message ends are short. Whatever says it at greater
/// length is not understood.
const LINE: usize = 64;
/// Digits of a length that is understood.
const DIGITS: usize = 15;

/// Where in a connection the next byte is.
#[derive(Debug)]
enum Place {
    /// In a request line, behind so many spaces: behind the first one is the address.
    Line(usize),
    /// In a header line, which began like this.
    Header(Vec<u8>),
    /// In a body of which so much is to come.
    Body(u64),
    /// Nobody knows, or needs to: what comes is passed on as it is.
    Beyond,
}

/// Follows what a client sends. Where it can't be sure of where a message ends, it stops looking.
#[derive(Debug)]
pub(crate) struct Heads {
    place: Place,
    /// The length of the body that follows the head.
    length: Option<u64>,
    /// Whether the end of the body can't be told from a length.
    is_open: bool,
}

impl Heads {
    /// A connection begins.
    pub(crate) fn new() -> Self {
        Self { place: Place::Line(0), length: None, is_open: false }
    }

    /// Passes everything on from here.
    pub(crate) fn stop(&mut self) {
        self.place = Place::Beyond;
    }

    /// Goes on by what was received; the same with signs encoded, where there were some to encode.
    pub(crate) fn pass(&mut self, mut received: &[u8]) -> Option<Vec<u8>> {
        let all = received;
        let mut encoded: Option<Vec<u8>> = None;
        while let Some((&byte, behind)) = received.split_first() {
            let at = all.len() - received.len();
            let mut taken = 1;
            match &mut self.place {
                Place::Beyond => taken = received.len(),
                Place::Body(left) => {
                    let here = usize::try_from(*left).unwrap_or(usize::MAX).min(received.len());
                    *left -= here as u64;
                    taken = here;
                    if *left == 0 {
                        self.place = Place::Line(0);
                    }
                }
                Place::Line(spaces) => match byte {
                    b'\n' if *spaces > 0 => self.place = Place::Header(Vec::new()),
                    b' ' => *spaces += 1,
                    _ if *spaces == 1 && ENCODED.contains(&byte) => {
                        let encoded = encoded.get_or_insert_with(|| all[..at].to_vec());
                        encoded.extend_from_slice(format!("%{byte:02X}").as_bytes());
                        received = behind;
                        continue;
                    }
                    _ => {}
                },
                Place::Header(line) => {
                    let end = received.iter().position(|byte| *byte == b'\n');
                    let here = &received[..end.unwrap_or(received.len())];
                    line.extend_from_slice(&here[..here.len().min(LINE - line.len().min(LINE))]);
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
            self.place = match (self.is_open, length) {
                (true, _) => Place::Beyond,
                (false, 0) => Place::Line(0),
                (false, length) => Place::Body(length),
            };
            return;
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            self.is_open = true;
            return;
        };
        let (name, value) = line.split_at(colon);
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = length(&value[1..]).filter(|_| line.len() < LINE && self.length.is_none());
            self.is_open |= length.is_none();
            self.length = length;
        }
        // A body that ends in another way; a connection that goes on in another way; a line that goes on with the next one.
        self.is_open |=
            ["transfer-encoding", "upgrade", "expect"].iter().any(|other| name.eq_ignore_ascii_case(other.as_bytes()))
                || name.iter().any(u8::is_ascii_whitespace);
    }
}

/// A length of which there is only one reading: without a sign, and without zeros in front.
fn length(value: &[u8]) -> Option<u64> {
    let digits = str::from_utf8(value.trim_ascii()).ok()?;
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    if is_plain && digits.len() <= DIGITS { digits.parse().ok() } else { None }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that can't go on fails")]
mod tests {
    use proptest::prelude::*;

    use super::Heads;

    /// What comes through when it is received in pieces of this size.
    fn passed(sent: &str, piece: usize) -> String {
        let mut heads = Heads::new();
        let pieces = sent.as_bytes().chunks(piece).map(|piece| heads.pass(piece).unwrap_or_else(|| piece.to_vec()));
        String::from_utf8(pieces.collect::<Vec<_>>().concat()).unwrap()
    }

    const REQUESTS: [(&str, &str); 4] = [
        ("GET /a<b>`?c=<d> HTTP/1.1\r\nHost: <h>\r\n\r\n", "GET /a%3Cb%3E%60?c=%3Cd%3E HTTP/1.1\r\nHost: <h>\r\n\r\n"),
        (
            "POST /a HTTP/1.1\r\nContent-Length: 24\r\n\r\nGET /<x> HTTP/1.1\r\n\r\n<<<",
            "POST /a HTTP/1.1\r\nContent-Length: 24\r\n\r\nGET /<x> HTTP/1.1\r\n\r\n<<<",
        ),
        ("\r\nGET /< HTTP/1.0\n\n", "\r\nGET /%3C HTTP/1.0\n\n"),
        // From here on nothing is looked at.
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
