//! What holds for HTTP whatever is asked: used by `/graphql`, REST and the pages.

mod error_response;

pub(crate) mod encodings;
pub(crate) mod etag;
pub(crate) mod media_type;
pub(crate) mod options;

pub(crate) use error_response::advise;
