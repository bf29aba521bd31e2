//! The asynchronous runtime of the commands that need one.

use super::failure::Failure;

/// Stack size of worker threads: documents and filters are parsed recursively, up to their limits.
const WORKER_STACK_BYTES: usize = 8 * 1024 * 1024;

/// Runs `work` to completion.
pub(super) fn on_runtime(work: impl Future<Output = Result<(), Failure>> + Send) -> Result<(), Failure> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(WORKER_STACK_BYTES).build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let done = runtime.block_on(work);
    // Blocking tasks that are still running after the shutdown timeouts are abandoned.
    runtime.shutdown_background();
    done
}
