//! HTTP helpers that `/graphql`, REST and pages share.

mod error_response;

pub(crate) mod encodings;
pub(crate) mod etag;
pub(crate) mod facts;
pub(crate) mod media_type;
pub(crate) mod options;

pub(crate) use error_response::advise;
