//! The pages and what they load, built from `web/` into the binary. Without Node at build time there is one plain page instead.

use axum::{
    extract::Path,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::error::{Code, Error};

#[derive(RustEmbed)]
#[folder = "$OUT_DIR/web"]
struct Built;

/// Shown in place of a page that was not built.
const PLAIN: &str = include_str!("plain.html");

/// A page, always asked for anew, so that it names the assets of this binary.
pub(super) fn page(name: &str) -> Response {
    let body = match Built::get(name) {
        Some(EmbeddedFile { data, .. }) => data.into_owned(),
        None => PLAIN.as_bytes().to_vec(),
    };
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")], body).into_response()
}

/// A file with a tag by which browsers know it again.
pub(super) fn file(name: &str, asked: &HeaderMap) -> Result<Response, Error> {
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

/// What pages load. The names hold a digest of the content, but for the licences of what was bundled.
pub(super) async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Result<Response, Error> {
    let mut response = file(&format!("assets/{path}"), &headers)?;
    let lasting = if path == "licenses.md" { "no-cache" } else { "public, max-age=31536000, immutable" };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(lasting));
    Ok(response)
}
