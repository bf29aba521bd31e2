//! The pages and their files, built from `web/` into the binary. Without Node at build time there is one plain page.

use axum::{
    extract::Path,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::{
    config::AccessMode,
    error::{Code, Error},
};

#[derive(RustEmbed)]
#[folder = "$OUT_DIR/web"]
struct Built;

/// Served in place of a page that was not built.
const PLAIN: &str = include_str!("plain.html");

/// The attribute that tells a page whether requests need a token: as built, and when they do.
const ACCESS: [&str; 2] = [r#"data-access="open""#, r#"data-access="token""#];

/// Responds with a page. Browsers revalidate it every time, so that it refers to the assets of this binary.
pub(crate) fn page(name: &str, asked_at: &Uri, mode: AccessMode) -> Response {
    let file = Built::get(name);
    let text = file.as_ref().map_or(PLAIN.into(), |EmbeddedFile { data, .. }| String::from_utf8_lossy(data));
    let head = format!("<head><base href=\"{}\">", way_to_root(asked_at.path()));
    let mut body = text.replacen("<head>", &head, 1);
    if mode != AccessMode::Open {
        body = body.replacen(ACCESS[0], ACCESS[1], 1);
    }
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")], body).into_response()
}

/// Returns the relative path from a page to the root. Only the browser knows the full address: a proxy may add a
/// prefix.
fn way_to_root(path: &str) -> String {
    match path.matches('/').count() {
        0 | 1 => "./".to_owned(),
        slashes => "../".repeat(slashes - 1),
    }
}

/// Responds with a file and its `ETag`.
pub(crate) fn file(name: &str, asked: &HeaderMap) -> Result<Response, Error> {
    let EmbeddedFile { data, metadata } =
        Built::get(name).ok_or_else(|| Error::new(Code::NotFound, "there is no such file"))?;
    let tag = BASE64_URL_SAFE_NO_PAD.encode(metadata.sha256_hash());
    let tag = HeaderValue::from_str(&format!("\"{tag}\"")).map_err(|_| Error::new(Code::Internal, "an odd tag"))?;
    if asked.get(header::IF_NONE_MATCH) == Some(&tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    let mut response = data.into_owned().into_response();
    let content_type = HeaderValue::from_str(metadata.mimetype());
    response.headers_mut().insert(header::CONTENT_TYPE, content_type.unwrap_or(HeaderValue::from_static("text/plain")));
    response.headers_mut().insert(header::ETAG, tag);
    Ok(response)
}

/// Responds with an asset. Names contain a digest of the content, except that of the licences of bundled packages.
pub(crate) async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Result<Response, Error> {
    let mut response = file(&format!("assets/{path}"), &headers)?;
    let lasting = if path == "licenses.md" { "no-cache" } else { "public, max-age=31536000, immutable" };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(lasting));
    Ok(response)
}
