//! The supported versions of OpenAPI.

/// A version of OpenAPI. 3.1 uses JSON Schema; many client generators support only 3.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenApiVersion {
    /// 3.0.3
    V3_0,
    /// 3.1.0
    V3_1,
}
