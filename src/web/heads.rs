//! The request lines that clients of HTTP/1.1 send, made such as the HTTP library takes them: it refuses signs in an address that RFC
//! 3986 leaves out, and that people and programs write all the same (`/items/<lambda>/metrics`).

/// Signs that are percent-encoded on the way in.
const ENCODED: [u8; 3] = *b"<>`";
/// Bytes of a header line that are looked at: the names and values that say where a message ends are short.
const LINE: usize = 64;

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
pub(super) struct Heads {
    place: Place,
    /// The length of the body that follows the head.
    length: Option<u64>,
    /// Whether the end of the body can't be told from a length.
    is_open: bool,
}

impl Heads {
    /// A connection begins.
    pub fn new() -> Self {
        Self { place: Place::Line(0), length: None, is_open: false }
    }

    /// Passes everything on from here.
    pub fn stop(&mut self) {
        self.place = Place::Beyond;
    }

    /// Goes on by what was received; the same with signs encoded, where there were some to encode.
    pub fn pass(&mut self, mut received: &[u8]) -> Option<Vec<u8>> {
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
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (name, value) = line.split_at(colon);
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = value.get(1..).unwrap_or_default().trim_ascii();
            let length = str::from_utf8(length).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            let length = length.and_then(|text| text.parse().ok());
            self.is_open |= length.is_none() || self.length.is_some();
            self.length = length;
        }
        self.is_open |= name.eq_ignore_ascii_case(b"transfer-encoding")
            || name.eq_ignore_ascii_case(b"upgrade")
            || name.first().is_some_and(u8::is_ascii_whitespace);
    }
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
        for header in
            ["Content-Length: 1\r\nContent-Length: 2", "Content-Length: +1", "Upgrade: websocket", "a: b\r\n c: d"]
        {
            let sent = format!("GET / HTTP/1.1\r\n{header}\r\n\r\nGET /< HTTP/1.1\r\n\r\n");
            assert_eq!(passed(&sent, 1000), sent, "{header}");
        }
    }

    proptest! {
        #[test]
        fn what_has_none_of_the_signs_is_passed_as_it_is(sent in "[^<>`]{0,200}", piece in 1_usize..50) {
            prop_assert_eq!(passed(&sent, piece), sent);
        }
    }
}
