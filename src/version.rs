//! Which program this is: its version, and the commit that it was built from. `build.rs` sets both.

/// The version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The version, with the first digits of the commit where it is known: `0.1.0 (0f4007fd1a2b)`.
pub const VERSION_AND_COMMIT: &str = env!("METROGRAPH_BUILD_VERSION");

/// The commit. Builds for development do not know it, nor do builds of sources without git and `METROGRAPH_COMMIT`.
pub const COMMIT: Option<&str> = option_env!("METROGRAPH_BUILD_COMMIT");
