//! Choice of a content encoding among those that a client accepts.

use axum::http::{HeaderMap, HeaderValue, Request, header};

/// Removes zstd from `Accept-Encoding` unless the client prefers it: some clients list it, but cannot decode it.
pub(crate) fn settle<B>(mut request: Request<B>) -> Request<B> {
    if let Some(others) = without_zstd(request.headers()) {
        request.headers_mut().insert(header::ACCEPT_ENCODING, others);
    }
    request
}

/// Returns the encodings without zstd, if another one is accepted at least as much.
fn without_zstd(headers: &HeaderMap) -> Option<HeaderValue> {
    let encodings = || {
        let given = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        given.flat_map(|value| value.split(','))
    };
    let is_one_of = |encoding: &str, names: &[&str]| names.iter().any(|of| name(encoding).eq_ignore_ascii_case(of));
    let best = |names: &[&str]| encodings().filter(|encoding| is_one_of(encoding, names)).map(weight).reduce(f32::max);
    let zstd = best(&["zstd"])?;
    best(&["br", "gzip"]).filter(|other| *other > 0.0 && *other >= zstd)?;
    let others: Vec<&str> = encodings().filter(|encoding| !is_one_of(encoding, &["zstd"])).collect();
    HeaderValue::from_str(others.join(",").trim()).ok()
}

fn name(encoding: &str) -> &str {
    encoding.split(';').next().unwrap_or_default().trim()
}

/// Returns the weight of an encoding: 1 by default, 0 if it is not accepted.
fn weight(encoding: &str) -> f32 {
    let given =
        encoding.split(';').skip(1).find_map(|parameter| parameter.trim().strip_prefix(['q', 'Q'])?.strip_prefix('='));
    given.map_or(1.0, |weight| weight.trim().parse().unwrap_or(0.0))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that can't go on fails")]
mod tests {
    use axum::http::{Request, header};

    #[test]
    fn zstd_is_for_those_that_like_it_best() {
        for (asked, left) in [
            ("gzip, deflate, br, zstd", "gzip, deflate, br"),
            ("br;q=0.5, zstd;q=0.5", "br;q=0.5"),
            ("ZSTD,gzip", "gzip"),
            ("zstd", "zstd"),
            ("zstd, identity", "zstd, identity"),
            ("zstd, br;q=0.9", "zstd, br;q=0.9"),
            ("zstd;q=0.5, br;q=0", "zstd;q=0.5, br;q=0"),
            ("zstd;Q=0.5, br;q=0.5", "br;q=0.5"),
            ("gzip, br", "gzip, br"),
        ] {
            let request = Request::builder().header(header::ACCEPT_ENCODING, asked).body(()).unwrap();
            assert_eq!(super::settle(request).headers()[header::ACCEPT_ENCODING], left, "{asked}");
        }
    }
}
